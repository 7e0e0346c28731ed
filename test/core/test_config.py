import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.core.config import ConfigError, PreprocessConfig, from_mapping
from latent_vqa_ros.model.config import ModelConfig


@pytest.mark.parametrize(('values', 'named'), [
    ({'height': 4}, 'height'), ({'width': 1025}, 'width'), ({'resize': 'squeeze'}, 'resize'),
    ({'std': (0, 1, 1)}, 'std'), ({'mean': (0.5,)}, 'mean'),
])
def test_impossible_input_is_refused_by_the_name_of_its_field(values, named):
    with pytest.raises(ConfigError, match=named):
        PreprocessConfig(**values)


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
