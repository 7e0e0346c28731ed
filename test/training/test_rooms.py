"""The recipe of rooms begins with a tower that has seen photographs, and leaves it as it is."""

from pathlib import Path

import pytest

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')

from latent_vqa_ros.model.towers.efficientnet_lite import imagenet_weights  # noqa: E402
from latent_vqa_ros.model.vqa import LatentVqa  # noqa: E402
from latent_vqa_ros.training import loop  # noqa: E402
from latent_vqa_ros.training.config import load_recipe  # noqa: E402

RECIPE = load_recipe(Path(__file__).parents[2] / 'config' / 'train' / 'rooms.yaml')


def test_the_tower_is_pretrained_and_training_leaves_it_as_it_is():
    assert RECIPE.model.image_tower == 'efficientnet_lite0_deep'
    assert not RECIPE.bfloat16  # its depthwise convolutions gain nothing by it
    model = LatentVqa(RECIPE.model, RECIPE.preprocess, 10, 2)
    model.clip.image_encoder.stem.load_imagenet()
    optimizer = loop.make_optimizer(model, RECIPE.finetune)
    trained = {id(p) for group in optimizer.param_groups for p in group['params']}
    tower = list(model.clip.image_encoder.stem.parameters())
    assert len(tower) > 90
    assert not trained & {id(p) for p in tower}
    assert trained == {id(p) for p in model.parameters()} - {id(p) for p in tower}
    name = 'stem.0.weight'
    assert torch.equal(model.clip.image_encoder.stem.network.get_parameter(name),
                       imagenet_weights()[name])


def test_nothing_stands_on_its_head_and_the_shape_of_the_photographs_is_about_kept():
    assert not RECIPE.augment.symmetries
    seen = RECIPE.preprocess
    assert seen.width / seen.height == pytest.approx(280 / 212, rel=0.02)
