"""A bundle of a training that taught where things are says where it looks."""

from dataclasses import replace

import numpy as np
import pytest

onnx = pytest.importorskip('onnx', reason='needs onnx: pip install onnx')
pytest.importorskip('torch', reason='needs torch: pip install torch')
pytest.importorskip('onnxscript', reason='needs onnxscript: pip install onnxscript')

from latent_vqa_ros import backends, datasets  # noqa: E402
from latent_vqa_ros.core import bundle  # noqa: E402
from latent_vqa_ros.core.manifest import ANSWERER  # noqa: E402
from latent_vqa_ros.datasets.images import read_rgb  # noqa: E402
from latent_vqa_ros.training import assemble, run  # noqa: E402
from latent_vqa_ros.training.config import load_recipe  # noqa: E402
from latent_vqa_ros.training.data import load_data  # noqa: E402


@pytest.fixture(scope='module')
def made(trained):
    return bundle.load(trained.run / 'bundle')


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
