"""Percentiles, progress and signals, as the verbs use them."""

import subprocess
import sys

import pytest

from latent_vqa_ros.cli.common import DEFAULT_MODEL, counting, percentile, progress
from latent_vqa_ros.core import models


@pytest.mark.parametrize(('count', 'p', 'value'), [
    (100, 50, 50), (100, 95, 95), (100, 99, 99), (20, 95, 19), (1, 50, 1), (1, 99, 1), (3, 50, 2)])
def test_a_percentile_is_the_nearest_rank(count, p, value):
    assert percentile(range(count, 0, -1), p) == value


def test_progress_gives_every_item_in_order():
    assert list(progress([3, 1, 2], 'test')) == [3, 1, 2]


def test_counting_takes_every_count_where_nobody_watches():
    with counting(None, 'msg') as done:
        assert done(1) is None


def test_the_default_model_is_the_runtimes():
    assert DEFAULT_MODEL == models.DEFAULT_MODEL


@pytest.mark.parametrize(('name', 'ignored', 'code'), [
    ('SIGTERM', False, 143), ('SIGHUP', False, 129), ('SIGHUP', True, 0)])
def test_a_signal_ends_a_command_as_an_error_would_but_not_under_nohup(name, ignored, code):
    done = subprocess.run([sys.executable, '-c', (
        'import os, signal\n'
        f'signal.signal(signal.SIGHUP, signal.{"SIG_IGN" if ignored else "SIG_DFL"})\n'
        'from latent_vqa_ros.cli.common import end_cleanly\n'
        'end_cleanly()\n'
        'try:\n'
        f'    os.kill(os.getpid(), signal.{name})\n'
        'finally:\n'
        '    print("tidied")\n')], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, 'tidied\n', '')
