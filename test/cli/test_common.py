"""Percentiles, memory and progress, as the verbs use them."""

import os

import pytest

from latent_vqa_ros.cli.common import DEFAULT_MODEL, percentile, progress, resident_mb
from latent_vqa_ros.core import models


@pytest.mark.parametrize(('count', 'p', 'value'), [
    (100, 50, 50), (100, 95, 95), (100, 99, 99), (20, 95, 19), (1, 50, 1), (1, 99, 1), (3, 50, 2)])
def test_a_percentile_is_the_nearest_rank(count, p, value):
    assert percentile(range(count, 0, -1), p) == value


def test_memory_is_that_of_the_process_asked_for():
    assert resident_mb() == pytest.approx(resident_mb(os.getpid()), rel=0.2)
    assert 1 < resident_mb() < 100_000
    with pytest.raises(OSError):
        resident_mb(2**30)


def test_progress_gives_every_item_in_order():
    assert list(progress([3, 1, 2], 'test')) == [3, 1, 2]


def test_the_default_model_is_the_runtimes():
    assert DEFAULT_MODEL == models.DEFAULT_MODEL
