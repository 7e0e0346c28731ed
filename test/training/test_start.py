"""Training that goes on from a bundle's weights: words keep their meaning, wherever they stand."""

import shutil
from dataclasses import replace

import pytest
import yaml
from helpers.command import latent_vqa

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')

from safetensors.torch import load_file, save_file  # noqa: E402

from latent_vqa_ros.backends.torch_backend import load_model  # noqa: E402
from latent_vqa_ros.core import bundle  # noqa: E402
from latent_vqa_ros.core.config import ConfigError  # noqa: E402
from latent_vqa_ros.core.manifest import WEIGHTS  # noqa: E402
from latent_vqa_ros.core.tokenizer import Tokenizer  # noqa: E402
from latent_vqa_ros.model.config import ModelConfig, architecture  # noqa: E402
from latent_vqa_ros.model.vqa import LatentVqa  # noqa: E402
from latent_vqa_ros.training import checkpoint, export  # noqa: E402
from latent_vqa_ros.training.config import Recipe  # noqa: E402
from latent_vqa_ros.training.start import (  # noqa: E402
    _FITTED,
    _as_deep_as,
    begin,
    begun_with,
    history,
    identity,
    mix,
    same,
    take_over,
)
from latent_vqa_ros.training.start import WEIGHTS as START  # noqa: E402


@pytest.fixture
def recipe(bundle_path):
    manifest = bundle.load(bundle_path).manifest
    return Recipe('x', 'x', model=architecture(manifest), preprocess=manifest.preprocess,
                  start=str(bundle_path))


def fresh(recipe, tokenizer):
    torch.manual_seed(3)
    return LatentVqa(recipe.model, recipe.preprocess, tokenizer.size, 3).eval()


@torch.no_grad()
def test_known_words_mean_the_same_and_new_ones_begin_anew(bundle_path, recipe, tmp_path):
    old = bundle.load(bundle_path)
    theirs = load_model(old)
    kept = [word for word in old.manifest.vocabulary if word != 'yellow']
    tokenizer = Tokenizer(tuple(sorted([*kept, 'aardvark', 'zebra'])), recipe.model.max_tokens)
    model = fresh(recipe, tokenizer)
    take_over(model, recipe, tokenizer, tmp_path)
    assert begun_with(tmp_path) == (f'{old.manifest.name} {old.manifest.version} '
                                    f'(sha256 {old.sha256[:12]})')
    question = 'what color is the shape'
    image = torch.randint(0, 256, (recipe.preprocess.height, recipe.preprocess.width, 3)).byte()
    fused = []
    for each, words in ((theirs, old.manifest.tokenizer), (model, tokenizer)):
        tokens = each.clip.text_encoder(torch.from_numpy(words.encode(question)))
        fused.append(each.fusion(tokens, each.encode(image)[0])[0])
    assert torch.allclose(*fused, atol=1e-5)
    row = int(tokenizer.encode('zebra')[1])
    assert torch.equal(model.clip.text_encoder.embedding.weight[row],
                       fresh(recipe, tokenizer).clip.text_encoder.embedding.weight[row])


def test_a_bundle_of_another_size_is_refused_by_its_section(recipe, tmp_path):
    other = replace(recipe, model=ModelConfig(width=32, latent_dim=16, stem_channels=(8, 16),
                                              stem_residuals=(0, 0)))
    tokenizer = Tokenizer(('a',), 8)
    with pytest.raises(ConfigError, match='section model'):
        take_over(fresh(other, tokenizer), other, tokenizer, tmp_path)
    other = replace(recipe, preprocess=replace(recipe.preprocess, std=(0.5, 0.5, 0.5)))
    with pytest.raises(ConfigError, match='section preprocess; copy it from its manifest '):
        take_over(fresh(other, tokenizer), other, tokenizer, tmp_path)


def test_a_bundle_that_learned_a_vector_for_each_answer_is_no_start(bundle_path, recipe, tmp_path):
    path = tmp_path / 'table'
    shutil.copytree(bundle_path, path)
    manifest = bundle.load(bundle_path).manifest
    table = replace(manifest, architecture={**manifest.architecture, 'answer_table': True})
    export.write_manifest(path, table, tuple(manifest.files))
    other = replace(recipe, start=str(path))
    with pytest.raises(ConfigError, match=f'start: {path} learned a vector for each answer'):
        take_over(fresh(other, manifest.tokenizer), other, manifest.tokenizer, tmp_path)


@torch.no_grad()
def test_larger_pictures_keep_what_was_learned_about_places(bundle_path, recipe, tmp_path):
    rows, columns = load_model(bundle.load(bundle_path)).clip.image_encoder.grid
    pre = recipe.preprocess
    larger = replace(recipe, preprocess=replace(  # and a wider frame, seen whole
        pre, height=2 * pre.height, width=3 * pre.width, resize='stretch'))
    tokenizer = bundle.load(bundle_path).manifest.tokenizer
    model = fresh(larger, tokenizer)
    take_over(model, larger, tokenizer, tmp_path)
    theirs = torch.nn.functional.normalize(load_file(
        bundle_path / WEIGHTS)['clip.image_encoder.position'], dim=1)
    ours = torch.nn.functional.normalize(model.clip.image_encoder.position, dim=1)
    nearest = (ours @ theirs.T).argmax(1).view(2 * rows, 3 * columns)
    wanted = torch.arange(rows * columns).view(rows, columns)
    assert torch.equal(nearest, wanted.repeat_interleave(2, 0).repeat_interleave(3, 1))
    cells = ours.view(2 * rows, 3 * columns, -1)  # places within one of theirs differ, smoothly
    assert (cells[1:] - cells[:-1]).norm(dim=-1).min() > 0.05


@torch.no_grad()
def test_keys_may_be_pooled_that_were_not(bundle_path, recipe, tmp_path):
    pooled = replace(recipe, model=replace(recipe.model, image_pool=2))
    tokenizer = bundle.load(bundle_path).manifest.tokenizer
    model = fresh(pooled, tokenizer)
    take_over(model, pooled, tokenizer, tmp_path)
    theirs = load_file(bundle_path / WEIGHTS)
    name = 'clip.image_encoder.tower.blocks.0.attention.compress.weight'
    assert torch.equal(model.state_dict()[name], theirs[name])


def test_weights_that_are_not_those_of_the_manifest_are_refused(bundle_path, recipe, tmp_path):
    path = tmp_path / 'foreign'
    shutil.copytree(bundle_path, path)
    weights = load_file(path / WEIGHTS)
    save_file({name.replace('stem.0', 'stem.77'): tensor for name, tensor in weights.items()},
              path / WEIGHTS)
    manifest = bundle.load(bundle_path).manifest
    export.write_manifest(path, manifest, tuple(manifest.files))
    other = replace(recipe, start=str(path))
    with pytest.raises(bundle.BundleError, match='does not fit the manifest'):
        take_over(fresh(other, manifest.tokenizer), other, manifest.tokenizer, tmp_path)


@torch.no_grad()
def test_a_deeper_model_begins_with_the_answers_of_the_bundle(bundle_path, recipe, tmp_path):
    old = bundle.load(bundle_path)
    theirs = load_model(old)
    grown = tuple(1 + count for count in recipe.model.stem_residuals)
    deeper = replace(recipe, model=replace(recipe.model, stem_residuals=grown,
                                           image_blocks=recipe.model.image_blocks + 1))
    model = fresh(deeper, old.manifest.tokenizer)
    take_over(model, deeper, old.manifest.tokenizer, tmp_path)
    size = (recipe.preprocess.height, recipe.preprocess.width, 3)
    image = torch.randint(0, 256, size, dtype=torch.uint8)[None]
    found, known = (each.clip.image_encoder(image) for each in (model, theirs))
    assert sum(p.numel() for p in model.parameters()) > sum(p.numel() for p in theirs.parameters())
    assert torch.allclose(found, known, atol=1e-5)


@torch.no_grad()
def test_a_model_that_counts_begins_with_the_answers_of_a_bundle_that_does_not(bundle_path,
                                                                               recipe, tmp_path):
    old = bundle.load(bundle_path)
    counting = replace(recipe, model=replace(recipe.model, count_dim=8))
    model = fresh(counting, old.manifest.tokenizer)
    take_over(model, counting, old.manifest.tokenizer, tmp_path)
    size = (recipe.preprocess.height, recipe.preprocess.width, 3)
    image = torch.randint(0, 256, size, dtype=torch.uint8)
    ids = torch.from_numpy(old.manifest.tokenizer.encode('what color is the shape'))
    summaries = [each.fusion(each.clip.text_encoder(ids), each.encode(image)[0])
                 for each in (model, load_model(old))]
    assert torch.allclose(summaries[0][0], summaries[1][0], atol=1e-5)
    assert [each[2] is None for each in summaries] == [False, True]


@pytest.mark.parametrize(('theirs', 'ours', 'taken'), [
    (0, 8, True), (8, 8, True), (8, 0, False), (8, 16, False)])
def test_counting_may_be_new_and_else_stays_as_it_is(theirs, ours, taken):
    old, new = (ModelConfig(count_dim=dim) for dim in (theirs, ours))
    assert (_as_deep_as(old, new) == old) == taken


@torch.no_grad()
def test_a_share_of_the_start_is_mixed_into_what_was_trained(bundle_path, recipe, tmp_path):
    old = bundle.load(bundle_path)
    kept = [word for word in old.manifest.vocabulary if word != 'yellow']
    tokenizer = Tokenizer(tuple(sorted([*kept, 'zebra'])), recipe.model.max_tokens)
    grown = replace(recipe, start_share=0.25, model=replace(
        recipe.model, image_blocks=recipe.model.image_blocks + 1, count_dim=8))
    model = fresh(grown, tokenizer)
    take_over(model, grown, tokenizer, tmp_path)
    state = {name: t for name, t in model.state_dict().items() if t.is_floating_point()}
    start = {name: tensor.clone() for name, tensor in state.items()}
    for tensor in state.values():
        tensor += torch.randn_like(tensor)
    trained = {name: tensor.clone() for name, tensor in state.items()}
    mix(model, grown, tmp_path)
    words = 'clip.text_encoder.embedding.weight'
    fresh_words = [int(tokenizer.encode('zebra')[1])]
    last = f'tower.blocks.{recipe.model.image_blocks}.'
    for name, tensor in state.items():
        mean = trained[name].lerp(start[name], 0.25)
        if name == words:
            mean[fresh_words] = trained[name][fresh_words]
        new = 'fusion.count' in name or last in name or name in _FITTED
        assert torch.allclose(tensor, trained[name] if new else mean, atol=1e-6), name


@torch.no_grad()
@pytest.mark.parametrize(('changed', 'kept'), [
    (None, True), ('feature_mean', True), ('bank', True), ('project_answer.bias', False),
    ('clip.text_encoder.embedding.weight', False)])
def test_a_start_is_the_same_where_the_weights_that_are_taken_over_are(bundle_path, recipe,
                                                                       tmp_path, changed, kept):
    path, run = tmp_path / 'bundle', tmp_path / 'run'
    shutil.copytree(bundle_path, path)
    run.mkdir()
    manifest = bundle.load(bundle_path).manifest
    tokenizer = Tokenizer(tuple(sorted([*manifest.vocabulary, 'zebra'])), recipe.model.max_tokens)
    recipe = replace(recipe, start=str(path))
    take_over(fresh(recipe, tokenizer), recipe, tokenizer, run)
    weights = load_file(path / WEIGHTS)
    if changed:
        weights[changed] += 0.1
    save_file(weights, path / WEIGHTS)
    export.write_manifest(path, replace(manifest, version='77.0.0'), tuple(manifest.files))
    told = begun_with(run)
    assert same(recipe, run, tokenizer.vocabulary) == kept
    assert begun_with(run) == (identity(bundle.load(path)) if kept else told)


def test_a_bundle_has_its_share_of_the_start(trained, tmp_path):
    start = trained.run / 'bundle'
    document = yaml.safe_load(trained.recipe.read_text())
    path = tmp_path / 'more.yaml'
    path.write_text(yaml.safe_dump({**document, 'start': str(start), 'start_share': 0.25}))
    done = latent_vqa('train', path, '--smoke', '--device', 'cpu', '--folder', tmp_path / 'run')
    assert done.returncode == 0, done.stderr
    name = 'fusion.blocks.0.block.mlp.0.weight'
    begun, made = (load_file(folder / WEIGHTS)[name]
                   for folder in (start, tmp_path / 'run' / 'bundle'))
    learned = load_file(tmp_path / 'run' / 'finetune.safetensors')[f'model.{name}']
    assert (learned - begun).abs().max() > 1e-3
    assert torch.allclose(made, learned.lerp(begun, 0.25), atol=1e-6)
    training = bundle.load(tmp_path / 'run' / 'bundle').manifest.training
    assert (training['start'][:7], training['start_share']) == ('squares', 0.25)


def test_what_is_added_learns_from_the_first_step(bundle_path, recipe, tmp_path):
    deeper = replace(recipe, model=replace(recipe.model,
                                           image_blocks=recipe.model.image_blocks + 1))
    tokenizer = bundle.load(bundle_path).manifest.tokenizer
    model = fresh(deeper, tokenizer)
    take_over(model, deeper, tokenizer, tmp_path)
    size = (recipe.preprocess.height, recipe.preprocess.width, 3)
    image = torch.randint(0, 256, size, dtype=torch.uint8)[None]
    model.clip.image_encoder(image).square().sum().backward()
    added = model.clip.image_encoder.tower.blocks[-1]
    assert added.attention.expand.weight.grad.abs().max() > 0
    assert added.mlp[-1].weight.grad.abs().max() > 0


def test_a_shallower_model_is_refused(recipe, tmp_path):
    other = replace(recipe, model=replace(recipe.model,
                                          image_blocks=recipe.model.image_blocks - 1))
    tokenizer = Tokenizer(('a',), 8)
    with pytest.raises(ConfigError, match='may grow'):
        take_over(fresh(other, tokenizer), other, tokenizer, tmp_path)


def test_a_start_may_be_the_name_of_a_model():
    assert begin(Recipe('x', 'y', start='easy_vqa')).manifest.name == 'easy_vqa'


def test_a_bundle_tells_of_the_newest_trainings_before_it(tmp_path):
    told = {'recipe': '0.yaml'}
    for number in range(1, 40):
        told = {'recipe': f'{number}.yaml', 'before': told}
    checkpoint.save_tensors(tmp_path / START, {'x': torch.zeros(1)}, {'training': told})
    found, recipes = history(tmp_path), []
    while found:
        recipes.append(found['recipe'])
        found = found.get('before')
    assert recipes == [f'{number}.yaml' for number in range(39, 19, -1)]
