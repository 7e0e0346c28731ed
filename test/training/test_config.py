import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from latent_vqa_ros.core.config import ConfigError
from latent_vqa_ros.training.config import StageConfig, load_recipe

TABLETOP = Path(__file__).parents[2] / 'config' / 'train' / 'tabletop.yaml'


def test_the_recipe_of_the_tabletop_teaches_places():
    recipe = load_recipe(TABLETOP)
    assert (recipe.data, recipe.model.coordinates) == ('tabletop', True)
    assert min(recipe.pretrain.region_weight, recipe.finetune.region_weight,
               recipe.finetune.grounding_weight) > 0
    assert not recipe.augment.symmetries  # left must stay left


def test_the_digest_of_a_recipe_is_that_of_its_file(tmp_path):
    text = TABLETOP.read_bytes()
    copy = tmp_path / 'other.yaml'
    copy.write_bytes(text)
    digest = hashlib.sha256(text).hexdigest()
    assert [load_recipe(path).sha256 for path in (TABLETOP, TABLETOP, copy)] == [digest] * 3
    copy.write_bytes(text + b'# changed\n')
    assert load_recipe(copy).sha256 != digest


@pytest.mark.parametrize(('line', 'said'), [
    ('finetune: {grounding: 1}', 'finetune.*grounding'),
    ('pretrain: {region_wieght: 4}', 'pretrain.*region_wieght'),
    ('model: {cooordinates: true}', 'model.*cooordinates'),
    ('augment: {symmetry: true}', 'augment.*symmetry'), ('easy_weeks: 1', 'easy_weeks')])
def test_an_unknown_key_is_named_with_its_section(tmp_path, line, said):
    path = tmp_path / 'recipe.yaml'
    path.write_text(f'name: x\ndata: y\n{line}\n')
    with pytest.raises(ConfigError, match=said):
        load_recipe(path)


@pytest.mark.parametrize(('line', 'said'), [
    ('finetune: {learning_rate: 1e-3}', r'finetune\.learning_rate: .*a number.*write 0\.001'),
    ('finetune: {learning_rate: 0}', 'learning_rate above 0'),
    ('data: z', "'data' is there twice"), ('finetune: {batch: 8, batch: 9}', "'batch' is there"),
    ('finetune: {region_weight: -1}', 'weights from 0'),
    ('model: {answer_table: true}\nstart: x', 'start: model.answer_table is learned from'),
    ('finetune: {dropout: 1}', 'dropout 1: expected a share from 0'),
    ('pretrain: {epochs: 2.5}', r'pretrain\.epochs: expected a whole number'),
    ('augment: {noise: -1}', 'augment: noise'), ('threads: 0', 'threads'), ('seed: -1', 'seed -1'),
    ('seed: 9223372036854775808', 'seed 9223372036854775808'),
    ('calibration_images: 0', 'calibration_images'), ('false_alarms: 1.5', 'false_alarms 1.5'),
    ('finetune: {count_weight: 0.2}', 'count_weight: the model counts nothing'),
    ('start_share: 0.3', 'start_share 0.3: .* of a start'),
    ('start: a\nstart_share: 1', 'start_share 1: expected a share'),
    ('photos: mine', 'photos, meshes: only for data: tabletop_wide'),
    ('augment: {symmetries: true}\nfinetune: {grounding_weight: 1}', 'places are not turned'),
    ('augment: {symmetries: true}\npretrain: {region_weight: 1}', 'places are not turned'),
    ('augment: {symmetries: true}\npreprocess: {height: 64, width: 128}', 'only for square'),
    ('preprocess: {mean: [128, 128, 128]}', 'mean: from 0 to 1'),
    ('model: {max_tokens: 3}', 'not from 4 to 256'),
    ('finetune: {parts: {fusion: {learning_rate: 0}}}', 'a learning_rate above 0'),
    ('finetune: {parts: {fusion: {}}}', 'or frozen: true'),
    ('finetune: {parts: {fusion: {frozen: true, learning_rate: 0.1}}}', 'or frozen: true'),
    ('finetune: {parts: {fusion: {frosen: true}}}', r'finetune\.parts\.fusion: unknown frosen'),
    ('finetune: {parts: fusion}', r'finetune\.parts: expected a mapping'),
    ('model: {image_tower: resnet}', 'image_tower: .*efficientnet_lite0'),
    ('model: {image_tower: efficientnet_lite0}\npreprocess: {height: 72, width: 64}',
     'height: 72 is not a multiple of the stem stride 16'),
    ('model: {image_tower: efficientnet_lite0}', 'mean and std: efficientnet_lite0 takes 0.5'),
    ('pretrain: {grounding_weight: 0.5}', r'pretrain\.grounding_weight: .* under finetune'),
    ('pretrain: {count_weight: 1}', r'pretrain\.count_weight: .* under finetune'),
    ('pretrain: {contrastive_weight: 1}', r'pretrain\.contrastive_weight: .* under finetune'),
    ('start: 5', 'start: expected a string')])
def test_a_value_that_cannot_be_is_refused_before_training(tmp_path, line, said):
    path = tmp_path / 'recipe.yaml'
    path.write_text(f'name: x\ndata: y\n{line}\n')
    with pytest.raises(ConfigError, match=f'{path.name}: .*{said}'):
        load_recipe(path)


def test_what_a_recipe_does_without_is_no_part_of_what_a_begun_run_is_known_by():
    plain = load_recipe(TABLETOP).trains
    assert not {'photos', 'meshes', 'answer_table', 'dropout'} & {
        key for section in (plain, *plain.values()) if isinstance(section, dict)
        for key in section}
    model = replace(load_recipe(TABLETOP).model, answer_table=True)
    other = replace(load_recipe(TABLETOP), model=model, finetune=StageConfig(dropout=0.1)).trains
    assert (other['model']['answer_table'], other['finetune']['dropout']) == (True, 0.1)


def test_a_smoke_keeps_what_is_taught():
    recipe, small = load_recipe(TABLETOP), load_recipe(TABLETOP).smoke()
    assert small.finetune.grounding_weight == recipe.finetune.grounding_weight
    assert small.model == recipe.model


def test_every_shipped_recipe_is_valid_and_smoke_is_smaller():
    recipes = sorted(TABLETOP.parent.glob('*.yaml'))
    assert recipes
    for path in recipes:
        recipe = load_recipe(path)
        assert recipe.file == path.name
        assert path.stem.startswith((recipe.name, 'default_'))
        assert recipe.smoke().finetune.epochs <= recipe.finetune.epochs


@pytest.mark.parametrize(('line', 'said'), [
    ('surprise: 1', 'surprise'), ('limit: 0', 'limit'), ('limit: [5, 0]\ndata: [a, b]', 'limit'),
    ('limit: [5]\ndata: [a, b]', 'one for each'), ('data: []', 'a list of them'),
    ('finetune: {epochs: 0}', 'epochs'),
    ('model: {heads: 5}', 'model.heads'), ('preprocess: {height: 60}', 'stride'),
    ('model: 3', 'model'), ('{', 'recipe.yaml'), ('version: 2025-02-30', 'recipe.yaml: day')])
def test_a_wrong_recipe_is_refused_by_its_key(tmp_path, line, said):
    path = tmp_path / 'recipe.yaml'
    data = '' if 'data:' in line else 'data: y\n'
    path.write_text(f'name: x\n{data}{line}\n')
    with pytest.raises(ConfigError, match=said):
        load_recipe(path)
