"""What the launch files make of their arguments, where launch itself may be missing."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / 'launch' / 'vqa.launch.py'
TWO_ROBOTS = ROOT / 'launch' / 'two_robots.launch.py'


@pytest.fixture
def load(monkeypatch):
    """Return a function that imports a launch file; what is no part of it is a stand-in."""
    for name in ('launch', 'launch.actions', 'launch.conditions', 'launch.substitutions',
                 'launch.launch_description_sources', 'launch_ros', 'launch_ros.actions',
                 'launch_ros.parameter_descriptions', 'launch_ros.substitutions'):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    return lambda file: SimpleNamespace(**runpy.run_path(str(file)))


@pytest.mark.parametrize(('cameras', 'names', 'first'), [
    ('front,rear', 'front, rear', 'front'), ('[front, rear]', 'front, rear', 'front'),
    ('front', 'front', 'front')])
def test_a_topic_for_cameras_that_have_names_is_refused_with_what_to_write(
        load, cameras, names, first):
    refuse = load(FILE)._refuse_both
    for fits in ((cameras, ''), ('', '/x'), ("['']", '/x'), ('', '')):
        refuse(*fits)
    with pytest.raises(ValueError, match=f'cameras names {names}: .*cameras:=cam1/color for '
                       f'cam1/color/image_raw, .* -r {first}/image_raw:=/x$'):
        refuse(cameras, '/x')


def test_what_one_of_two_robots_is_taught_is_its_own(load):
    robots = load(TWO_ROBOTS)
    robots.generate_launch_description()
    given = [dict(call.kwargs['launch_arguments'])
             for call in sys.modules['launch.actions'].IncludeLaunchDescription.call_args_list]
    assert [one['namespace'] for one in given] == ['left', 'right']
    assert len({one['taught_folder'] for one in given}) == 2
