"""The command line's bundle, picture and runner; the answers are known beforehand."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import fake_bundle

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
