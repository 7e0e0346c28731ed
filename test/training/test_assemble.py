"""A bundle is fitted on the split it should be, and says where it looks where that was taught."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

onnx = pytest.importorskip('onnx', reason='needs onnx: pip install onnx')
torch = pytest.importorskip('torch', reason='needs torch: pip install torch')
pytest.importorskip('onnxscript', reason='needs onnxscript: pip install onnxscript')

from latent_vqa_ros import backends, datasets  # noqa: E402
from latent_vqa_ros.backends.torch_backend import load_model  # noqa: E402
from latent_vqa_ros.core import bundle  # noqa: E402
from latent_vqa_ros.core.asking import Asking  # noqa: E402
from latent_vqa_ros.core.config import ConfigError  # noqa: E402
from latent_vqa_ros.core.manifest import ANSWERER, IMAGE_ENCODER, WEIGHTS  # noqa: E402
from latent_vqa_ros.core.tokenizer import UnknownWordsError, words  # noqa: E402
from latent_vqa_ros.datasets.images import read_rgb  # noqa: E402
from latent_vqa_ros.evaluation import evaluate  # noqa: E402
from latent_vqa_ros.training import assemble, calibrate, distributed, run  # noqa: E402
from latent_vqa_ros.training.config import load_recipe  # noqa: E402
from latent_vqa_ros.training.data import load_data  # noqa: E402


@pytest.fixture(scope='module')
def made(trained):
    return bundle.load(trained.run / 'bundle')


@pytest.fixture(scope='module')
def recipe(trained):
    return load_recipe(trained.recipe).smoke()


@pytest.fixture(scope='module')
def data(recipe):
    return load_data(recipe)


@pytest.fixture(scope='module')
def remade(trained, recipe, made, tmp_path_factory):
    """The bundle made anew from its own weights, and the data that int8 was calibrated with."""
    out, shown = tmp_path_factory.mktemp('again') / 'bundle', []
    inputs = assemble.calibration_inputs
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assemble, 'calibration_inputs',
                      lambda recipe, data: shown.append(data) or inputs(recipe, data))
        assemble.assemble_again(recipe, made, out)
    return bundle.load(out), shown


@pytest.fixture(scope='module')
def again(remade):
    return remade[0]


def test_a_bundle_knows_which_of_its_words_no_question_had(made, data):
    asked = {word for text in data.questions for word in words(text)}
    assert set(made.manifest.unasked) == set(made.manifest.vocabulary) - asked != set()
    assert set(made.manifest.words) == asked
    with pytest.raises(UnknownWordsError, match='no question in training has it'):
        made.manifest.tokenizer.encode(f'{made.manifest.unasked[0]} {data.questions[0]}')


def test_no_kind_of_question_that_training_has_is_refused():
    texts = sorted([*(f'is there a thing{i}?' for i in range(900)), 'is thing1 red or green?',
                    'is it on the left?', 'are there more than 2 things', 'thing2 is there'])
    examples = assemble.examples(texts)
    assert len(examples) <= 204
    asking = Asking(examples)
    assert not [text for text in texts if asking.why_not(text, words(text))]


def images(records, recipe):
    return assemble.load_images(records, recipe.preprocess)


def test_the_temperature_is_fitted_on_validation_and_on_nothing_else(made, data):
    network = backends.load(made)
    fitted = {}
    for split in ('train', 'val', 'test'):
        found = evaluate.predict(network, made.manifest, getattr(data, split))
        fitted[split] = round(calibrate.fit_temperature(
            torch.from_numpy(found.logits), torch.from_numpy(found.truth)), 4)
    assert made.manifest.temperature == fitted['val']
    assert fitted['val'] not in (fitted['train'], fitted['test'])


def test_familiarity_is_learned_from_training_pictures(made, data, recipe):
    """Whitened distances of the pictures that it was fitted to have a mean square of 1."""
    encoder = (model := load_model(made)).clip.image_encoder
    mean_square = {}
    for split in ('train', 'val', 'test'):
        with torch.no_grad():
            squares = [model.distance(encoder(torch.from_numpy(batch))).square() for batch in
                       calibrate.variants(images(getattr(data, split), recipe), recipe, 1)]
        mean_square[split] = float(torch.cat(squares).mean())
    assert mean_square['train'] == pytest.approx(1, abs=0.05)
    assert min(mean_square['val'], mean_square['test']) > 1.1


def test_the_process_that_assembles_takes_the_threads_of_those_that_wait(data, recipe, tmp_path,
                                                                        monkeypatch):
    class Reached(Exception):
        pass

    def reached(*_):
        raise Reached(torch.get_num_threads())

    had = torch.get_num_threads()
    monkeypatch.setattr(distributed, 'on_this_machine', lambda: 2)
    monkeypatch.setattr(calibrate, 'fit_familiarity', reached)
    model = run.build(recipe, data)
    try:
        with pytest.raises(Reached) as seen:
            assemble.assemble(replace(recipe, threads=1), data, model, tmp_path, tmp_path / 'out')
    finally:
        torch.set_num_threads(had)
    assert seen.value.args == (2,)


def test_the_limit_leaves_the_recipes_share_of_validation_pictures_out(made, data, recipe):
    network = backends.load(made)
    copies = list(calibrate.variants(images(data.val, recipe), recipe, assemble._VARIANTS))
    wanted = calibrate.fit_max_distance(network, copies, recipe.false_alarms)
    assert made.manifest.max_distance == round(wanted, 4)
    distances = [network.encode(image)[1] for batch in copies for image in batch]
    assert sum(distance > wanted for distance in distances) == 1  # 0.2 % of 160
    assert len(distances) == 160


def test_int8_is_calibrated_with_training_pictures_and_questions_about_them(
        recipe, data, remade, monkeypatch):
    shown, = remade[1]
    assert {record.split for record in shown.train} == {'train'}
    taken = []
    load = assemble.load_images
    monkeypatch.setattr(assemble, 'load_images',
                        lambda records, rule: taken.extend(records) or load(records, rule))
    found, asked = assemble.calibration_inputs(recipe, data)
    assert len(found) == len(asked) == len(taken) == recipe.calibration_images
    assert {record.split for record in taken} == {'train'}
    for record, tokens in zip(taken, asked, strict=True):
        about = {tuple(data.tokenizer.encode(q.text)) for q in record.questions}
        assert {tuple(ids) for ids in tokens} <= about


def test_a_bundle_made_anew_has_the_same_weights_and_gives_the_same_answers(again, made, data):
    assert again.content(WEIGHTS) == made.content(WEIGHTS)
    assert (again.manifest.answers, again.manifest.evidence, again.manifest.architecture) == (
        made.manifest.answers, made.manifest.evidence, made.manifest.architecture)
    old, new = (evaluate.predict(backends.load(each), made.manifest, data.test)
                for each in (made, again))
    assert evaluate.disagreement(old, new)['all'] < 0.1
    for graph in (IMAGE_ENCODER, ANSWERER):
        assert [o.name for o in onnx.load_from_string(again.content(graph)).graph.output] == [
            o.name for o in onnx.load_from_string(made.content(graph)).graph.output]


def test_a_bundle_made_anew_keeps_what_its_card_says_of_the_training(again, made):
    cards = [(each.path / 'README.md').read_text('utf-8') for each in (made, again)]
    trainings = [card[card.index('## Training'):card.index('## Accuracy')] for card in cards]
    assert trainings[0] == trainings[1]
    assert 'finetune' in trainings[0]


@pytest.mark.parametrize(('change', 'said'), [
    ({'name': 'other'}, 'name is not that of'), ({'preprocess': None}, 'preprocess is not'),
    ({'data': 'easy_vqa'}, 'was made of'), ({'model': None}, 'model: heads not that of')])
def test_a_recipe_of_another_model_makes_no_bundle_anew(recipe, made, tmp_path, change, said):
    if 'preprocess' in change:
        change = {'preprocess': replace(recipe.preprocess, resize='stretch')}
    if 'model' in change:
        change = {'model': replace(recipe.model, heads=2 * recipe.model.heads)}
    with pytest.raises(ConfigError, match=said):
        assemble.assemble_again(replace(recipe, **change), made, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_bundle_without_its_card_is_no_bundle(recipe, made, tmp_path, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(assemble.card, 'write', interrupted)
    with pytest.raises(KeyboardInterrupt):
        assemble.assemble_again(recipe, made, tmp_path / 'out')
    with pytest.raises(bundle.BundleError):
        bundle.load(tmp_path / 'out')


def test_a_limit_holds_for_what_a_bundle_is_measured_on_again(recipe, made):
    (name, _), = recipe.sources
    whole, few = (assemble.data_of(replace(recipe, limit=limit), made.manifest)
                  for limit in (None, 3))
    assert len(few.val) == len(few.test) == 3
    assert few.val == whole.val[:3]


def test_evidence_words_are_those_that_name_things_in_training(made):
    """'is', 'left' and 'the' name nothing; "what" means a thing, but does not name it."""
    assert made.manifest.evidence.words == ('blue', 'red', 'square')
    assert made.manifest.evidence.grid == (4, 4)
    assert {'is', 'left', 'the', 'what', 'nothing'} <= set(made.manifest.vocabulary)


def test_without_grounding_there_is_no_evidence(trained):
    recipe = load_recipe(trained.recipe)
    data = load_data(recipe)
    model = run.build(recipe, data)
    plain = replace(recipe, finetune=replace(recipe.finetune, grounding_weight=0.0))
    assert assemble.evidence(plain, data, model) is None
    assert assemble.evidence(recipe, data, model) is not None


def test_the_answerer_has_a_second_output_that_is_where_each_word_looked(made, trained):
    outputs = onnx.load_from_string(made.content(ANSWERER)).graph.output
    assert [output.name for output in outputs] == ['logits', 'attention']
    tokens = made.manifest.tokenizer.encode('is the red square above the blue square?')
    record = datasets.load(str(trained.data)).split('test')[0]
    found = {}
    for name in ('onnxruntime', 'torch'):
        backend = backends.load(made, name)
        features, _ = backend.encode(read_rgb(record))
        logits, attention = backend.answer(features, tokens)
        assert logits.shape == (len(made.manifest.answers),)
        assert attention.shape == (len(tokens), 16)
        assert attention.min() >= 0
        assert attention.sum(axis=1) == pytest.approx(1, abs=0.01)
        found[name] = attention
    assert np.abs(found['onnxruntime'] - found['torch']).max() < 0.05


def test_the_report_says_how_often_it_looked_at_what_is_named(made, trained):
    for kind in ('float', 'int8'):
        assert trained.printed[0][kind]['pointing']['n'] == 16 * 4 * 2  # pictures, questions
        assert made.manifest.metrics[kind]['pointing']['n'] == 16 * 4 * 2
    groups = trained.printed[0]['int8']['groups']
    assert ('shortcut' in groups['left'], 'shortcut' in groups['what']) == (True, False)


@pytest.fixture
def finished(trained, tmp_path):
    """A bundle that was there before, and the folder with the files of a new one."""
    shutil.copytree(trained.run / 'bundle', tmp_path / 'bundle')
    return tmp_path / 'bundle', trained.run / 'work'


def test_a_last_stage_that_fails_leaves_the_bundle_of_before(finished, made, monkeypatch):
    out, work = finished

    def full(*given):
        raise OSError('No space left on device')

    monkeypatch.setattr(assemble.card, 'write', full)
    report = {'float': {}, 'int8': {}, 'more': {}, 'disagreement': 0.0, 'modules': {}}
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(OSError, match='No space'):
        assemble.deliver(made.manifest, report, work, out, '')
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    monkeypatch.setattr(assemble.card, 'write', lambda *given: None)
    words = (*made.manifest.vocabulary, 'x' * 5000)
    with pytest.raises(bundle.BundleError, match='a value of 5000 characters'):
        assemble.deliver(replace(made.manifest, vocabulary=words), report, work, out, '')
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (out / 'wrong.png').write_bytes(b'of before')
    assemble.deliver(made.manifest, report, work, out, '')
    assert not (out / 'wrong.png').exists()
    assert bundle.load(out).manifest.vocabulary == made.manifest.vocabulary
