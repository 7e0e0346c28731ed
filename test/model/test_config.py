import pytest

from latent_vqa_ros.core.config import ConfigError, PreprocessConfig, from_mapping, to_mapping
from latent_vqa_ros.core.manifest import Manifest
from latent_vqa_ros.model.config import ModelConfig, architecture


@pytest.mark.parametrize(('values', 'named'), [
    ({'latent_dim': 128}, 'latent_dim'),
    ({'latent_dim': 0}, 'latent_dim'),
    ({'latent_dim': None, 'placement': 'stem'}, 'latent_dim'),
    ({'placement': 'head'}, 'placement'),
    ({'heads': 5}, 'heads'),
    ({'latent_dim': 30, 'heads': 4}, 'heads'),
    ({'stem_residuals': (1,)}, 'stem_residuals'),
    ({'stem_channels': ()}, 'stem_channels'),
    ({'width': 0}, 'width'), ({'image_blocks': 50_000_000}, 'image_blocks: 50000000 is not'),
    ({'stem_channels': [1 << 30], 'stem_residuals': [0]}, 'stem_channels'),
    ({'fusion_blocks': 0}, 'fusion_blocks'),
    ({'image_pool': 0}, 'image_pool'),
    ({'count_dim': -1}, 'count_dim'),
    ({'max_tokens': 1}, 'max_tokens'),
])
def test_impossible_model_is_refused_by_the_name_of_its_field(values, named):
    with pytest.raises(ConfigError, match=f'model.{named}'):
        ModelConfig(**values)


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


def manifest(**changes):
    return Manifest('x', '1', 'MIT', PreprocessConfig(), {}, max_tokens=16,
                    architecture=to_mapping(ModelConfig()) | changes)


def test_the_architecture_of_a_bundle_is_the_network_it_was_made_with():
    assert architecture(manifest(image_blocks=1)) == ModelConfig(image_blocks=1)


@pytest.mark.parametrize(('changes', 'said'), [
    ({'layers': 3}, 'architecture: unknown layers.*update latent_vqa_ros'),
    ({'max_tokens': 20}, 'architecture.max_tokens: 20, and the bundle takes 16'),
    ({'stem_channels': [8] * 4, 'stem_residuals': [0] * 4, 'image_pool': 3}, 'image_pool'),
    ({'width': 'wide'}, 'architecture.width'),
])
def test_a_network_that_cannot_be_built_is_refused_by_what_is_wrong(changes, said):
    with pytest.raises(ConfigError, match=said):
        architecture(manifest(**changes))
