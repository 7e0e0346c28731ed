"""The README's commands are typed as they stand, its links lead somewhere, the map is true."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from glob import glob
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / 'README.md').read_text('utf-8')
# A command of the section without ROS: four spaces, latent_vqa, and perhaps a comment.
COMMANDS = re.findall(r'^ {4}(latent_vqa [^#\n]*?) *(?:#.*)?$', TEXT, re.MULTILINE)
ELSEWHERE = {'latent_vqa bench',  # test/cli/test_bench.py
             'latent_vqa teach fit "is the door open?"'}  # test/cli/test_teach.py


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """Return a folder with the README's photo.png, BAG and pictures of a door."""
    folder = tmp_path_factory.mktemp('readme')
    picture = np.full((480, 640, 3), (120, 150, 180), np.uint8)  # a nearly white one is refused
    cv2.imwrite(str(folder / 'photo.png'), red_ball(picture))
    for answer in ('open', 'shut'):
        (folder / answer).mkdir()
        cv2.imwrite(str(folder / answer / '1.jpg'), picture)
    (folder / 'BAG').symlink_to(ROOT / 'test' / 'data' / 'demo_bag')
    return folder


def red_ball(table):
    """Draw a ball and its shadow on a table, as a camera sees them."""
    y, x = np.mgrid[:480, :640]
    cv2.ellipse(table, (350, 300), (100, 35), 0, 0, 360, (90, 112, 135), -1)
    ball = np.hypot(x - 320, y - 240) < 80
    light = np.clip(1.1 - 0.7 * np.hypot(x - 300, y - 220) / 130, 0.2, 1)
    table[ball] = light[ball, None] * (40, 40, 255)
    return cv2.GaussianBlur(table, (0, 0), 1.5)


def test_the_readme_has_commands():
    assert len(COMMANDS) >= 6
    assert set(COMMANDS) > ELSEWHERE


@pytest.mark.parametrize('command', [c for c in COMMANDS if c not in ELSEWHERE])
def test_a_command_of_the_readme_works_as_it_stands(place, command):
    words = [each for word in shlex.split(command)[1:]  # as a shell does
             for each in (glob(word, root_dir=place) or [word])]
    done = subprocess.run(
        [sys.executable, '-m', 'latent_vqa_ros.cli.main', *words], cwd=place, capture_output=True,
        text=True, timeout=200, env={**os.environ, 'PYTHONPATH': str(ROOT), 'HOME': str(place)})
    assert 'Traceback' not in done.stderr
    assert done.returncode == 0, done.stderr


def test_every_link_and_named_file_exists():
    links = re.findall(r'\]\(([^)#]+)\)', TEXT)
    named = re.findall(r'`((?:config|launch|docs|models)/[\w./]+)`', TEXT)
    assert len(links) >= 8
    assert [path for path in (*links, *named) if not (ROOT / path).exists()] == []


def test_the_map_names_every_file_of_the_package_and_none_that_does_not_exist():
    text, package = (ROOT / 'docs' / 'architecture.md').read_text('utf-8'), ROOT / 'latent_vqa_ros'
    assert len(text.splitlines()) <= 60
    rows = re.findall(r'^\| `([\w/]+)/` \| (.*?) \|', text, re.MULTILINE)
    named = {package / path for path in re.findall(r'`([\w/]+/\w+\.py)`', text)
             if not path.startswith('test/')}
    named |= {package / folder / f'{name}.py'  # a bare name is a file of the row's folder
              for folder, known in rows for name in re.findall(r'`([a-z_0-9]+)`', known)}
    files = {path for path in package.rglob('*.py') if path.name != '__init__.py'}
    assert len(files) >= 180
    assert {str(path.relative_to(package)) for path in files - named} == set()
    assert {str(path) for path in named if not path.is_file()} == set()
