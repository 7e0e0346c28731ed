import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.core.config import (
    ConfigError,
    ModelConfig,
    PreprocessConfig,
    from_mapping,
    to_mapping,
)


@pytest.mark.parametrize(('values', 'named'), [
    ({'latent_dim': 128}, 'latent_dim'),
    ({'latent_dim': 0}, 'latent_dim'),
    ({'latent_dim': None, 'placement': 'stem'}, 'latent_dim'),
    ({'placement': 'head'}, 'placement'),
    ({'heads': 5}, 'heads'),
    ({'latent_dim': 30, 'heads': 4}, 'heads'),
    ({'stem_residuals': (1,)}, 'stem_residuals'),
    ({'stem_channels': ()}, 'stem_channels'),
    ({'width': 0}, 'width'),
    ({'fusion_blocks': 0}, 'fusion_blocks'),
    ({'image_pool': 0}, 'image_pool'),
    ({'count_dim': -1}, 'count_dim'),
    ({'max_tokens': 1}, 'max_tokens'),
])
def test_impossible_model_is_refused_by_the_name_of_its_field(values, named):
    with pytest.raises(ConfigError, match=f'model.{named}'):
        ModelConfig(**values)


@pytest.mark.parametrize(('values', 'named'), [
    ({'height': 4}, 'height'), ({'width': 1025}, 'width'), ({'resize': 'squeeze'}, 'resize'),
    ({'std': (0, 1, 1)}, 'std'), ({'mean': (0.5,)}, 'mean'),
])
def test_impossible_input_is_refused_by_the_name_of_its_field(values, named):
    with pytest.raises(ConfigError, match=named):
        PreprocessConfig(**values)


def test_input_that_the_stem_does_not_divide_is_refused():
    with pytest.raises(ConfigError, match='multiple of the stem stride 8'):
        ModelConfig().check_input(PreprocessConfig(height=60))
    ModelConfig(image_pool=2).check_input(PreprocessConfig(height=64, width=48))
    with pytest.raises(ConfigError, match='preprocess.width: 7 cells are not a multiple of '
                                          'model.image_pool 2'):
        ModelConfig(image_pool=2).check_input(PreprocessConfig(height=64, width=56))


def test_dense_twin_attends_in_the_full_width():
    assert ModelConfig(latent_dim=None).attention_dim == ModelConfig().width
    assert ModelConfig().attention_dim == 32


def test_mapping_round_trip_keeps_every_field():
    config = ModelConfig(latent_dim=16, stem_channels=(8, 16), stem_residuals=(0, 1))
    assert from_mapping(ModelConfig, to_mapping(config), 'model') == config


@pytest.mark.parametrize('values', [{'widht': 3}, ['width'], None, {1: 2}])
def test_unknown_keys_and_non_mappings_are_named(values):
    with pytest.raises(ConfigError, match='model: '):
        from_mapping(ModelConfig, values, 'model')


@pytest.mark.parametrize(('values', 'said'), [
    ({'width': 64.0}, r'model\.width: expected a whole number, got .64\.0'),
    ({'width': True}, r'model\.width: expected a whole number'),
    ({'latent_dim': 'no'}, r'model\.latent_dim: expected a whole number or null'),
    ({'coordinates': 1}, r'model\.coordinates: expected a switch: true or false'),
    ({'placement': True}, r'model\.placement: expected a string, .*quote yes'),
    ({'stem_channels': 8}, r'model\.stem_channels: expected a list of whole numbers'),
    ({'stem_channels': ['8']}, r'model\.stem_channels: expected a list of whole numbers'),
])
def test_a_value_of_another_type_is_named_with_what_was_expected(values, said):
    with pytest.raises(ConfigError, match=said):
        from_mapping(ModelConfig, values, 'model')


@given(st.sampled_from([float('nan'), float('inf'), '1', None, [1.0]]))
def test_no_number_is_taken_that_is_none(value):
    with pytest.raises(ConfigError, match=r'preprocess\.mean: expected a list of numbers'):
        from_mapping(PreprocessConfig, {'mean': [0.5, value, 0.5]}, 'preprocess')
