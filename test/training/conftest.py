"""A small recipe and its data, and one training of it by two processes."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from helpers import squares

ROOT = Path(__file__).parents[2]
COUNTS = {'train': 64, 'val': 16, 'test': 16}


@pytest.fixture(scope='session', autouse=True)
def _own_cache(tmp_path_factory):
    """Keep decoded pictures of tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield


@pytest.fixture(scope='session')
def torchrun(_own_cache):
    """Run a Python program in two processes on this machine; returns what they print."""
    path = os.pathsep.join([str(ROOT), str(ROOT / 'test')])
    environment = {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'}

    def run(*arguments, timeout=240):
        done = subprocess.run(
            [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node',
             '2', *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
            timeout=timeout, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout
    return run


@pytest.fixture(scope='session')
def trained(torchrun, tmp_path_factory):
    """Return data, recipe, run folder and report of a whole training by two processes.

    The first worker that asks trains for all: the folder may be read only.
    """
    folder = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        folder = folder.parent  # of this run, of all workers
    with (folder / 'squares.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _training(torchrun, folder / 'squares')


def _training(torchrun, folder):
    """Return the training of this folder; train where that is not done."""
    data, recipe, told = (folder / name for name in ('data', 'squares.yaml', 'printed.jsonl'))
    if not told.exists():
        squares.write(data, COUNTS)
        stage = {'learning_rate': 0.001, 'region_weight': 1.0}
        recipe.write_text(yaml.safe_dump({
            **squares.RECIPE, 'data': str(data), 'pretrain': stage,
            'finetune': {**stage, 'grounding_weight': 0.5}}))
        told.write_text(torchrun('-m', 'latent_vqa_ros.cli.main', 'train', recipe, '--smoke',
                                 '--folder', folder / 'run', '--device', 'cpu', '--json'))
    return SimpleNamespace(data=data, recipe=recipe, run=folder / 'run', printed=[
        json.loads(line) for line in told.read_text().splitlines()])
