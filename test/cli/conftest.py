"""The command line's bundle, picture and runner; the answers are known beforehand."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import fake_bundle
from helpers.verb_teach import teach
from teach.conftest import QUESTION, draw

from latent_vqa_ros.cli import main as cli


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle folder that can be changed."""
    return fake_bundle.write(tmp_path / 'fake')


@pytest.fixture
def looking_bundle(tmp_path: Path) -> Path:
    """A bundle that has evidence."""
    return fake_bundle.write_looking(tmp_path / 'looking')


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A dark 64×48 PNG."""
    path = tmp_path / 'picture.png'
    cv2.imwrite(str(path), np.full((48, 64, 3), (40, 44, 48), np.uint8))
    return path


@pytest.fixture
def latent_vqa(capsys, caplog):
    """Run the command: returns exit code, stdout and what was logged."""
    def run(*argv):
        try:
            code = cli.main([str(arg) for arg in argv])
        except SystemExit as stop:
            code = stop.code
        caught = capsys.readouterr()
        return code, caught.out, caught.err + caplog.text
    return run


@pytest.fixture
def latent_vqa_json(latent_vqa):
    """Run the command with --json: returns exit code and the document."""
    def run(*argv):
        code, out, _ = latent_vqa(*argv, '--json')
        return code, json.loads(out)
    return run


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pictures')
    for number, answer in enumerate(('yes', 'no', 'stripes')):
        for shot in range(14):
            path = str(folder / f'{answer}_{shot:02d}.png')
            assert cv2.imwrite(path, draw(answer, 100 * number + shot)[:, :, ::-1])
    return folder


@pytest.fixture
def shown(pictures, tmp_path, capsys):
    """Return a folder with ten shots of each answer from five moments."""
    folder = tmp_path / 'taught'
    for answer in ('yes', 'no'):
        for moment in range(5):
            files = [pictures / f'{answer}_{2 * moment + i:02d}.png' for i in (0, 1)]
            document = teach(capsys, folder, 'add', '--question', QUESTION, '--answer', answer,
                             '--moment', f'{answer} {moment}', *files)
    assert document['shots'] == {'yes': 10, 'no': 10}
    assert document['moments'] == {'yes': 5, 'no': 5}
    return folder
