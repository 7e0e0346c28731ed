"""One studio of each part for all tests of the wide world."""

import pytest

from latent_vqa_ros.simulation.world.render import choose_gl
from latent_vqa_ros.simulation.world.wide.studio import WideStudio
from latent_vqa_ros.simulation.world.wide.surfaces import HELD_OUT_PART

SIZE = 96
SEEDS = 80


@pytest.fixture(scope='session', autouse=True)
def renderer():
    """Choose it before any test imports MuJoCo."""
    choose_gl()


@pytest.fixture(scope='session')
def wide_studio():
    return WideStudio(SIZE, 'train')


@pytest.fixture(scope='session')
def wide_test_studio():
    return WideStudio(SIZE, HELD_OUT_PART)


@pytest.fixture(scope='session')
def wide_taken(wide_studio):
    """Return 80 scenes of training."""
    return [wide_studio.take('train', seed) for seed in range(SEEDS)]
