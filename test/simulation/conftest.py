"""One studio for all tests: compiling the model and opening the renderer takes a second."""

import pytest

from latent_vqa_ros.simulation.world.picture import Studio

SIZE = 96
SEEDS = 100


@pytest.fixture(scope='session')
def studio():
    return Studio(SIZE)


@pytest.fixture(scope='session')
def taken(studio):
    """Return 100 scenes of training."""
    return [studio.take('train', seed) for seed in range(SEEDS)]
