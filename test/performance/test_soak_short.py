"""The soak of 30 seconds: nothing unanswered, nothing twice, memory bounded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')

SOAK = Path(__file__).with_name('soak.py')


def test_half_a_minute_of_questions_and_faults(ros_environment, tmp_path):
    """A leak of frames would be 27 MB a second; 20 MB leaves room for a warm-up of 10 s."""
    picture = tmp_path / 'soak.png'
    done = subprocess.run(
        [sys.executable, str(SOAK), '--minutes', '0.5', '--every', '30', '--warm-up', '10',
         '--question-rate', '5', '--growth', '20', '--plot', str(picture), '--json'],
        env=ros_environment,
        capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr + done.stdout
    document = json.loads(done.stdout)
    assert document['questions'] == 150
    assert document['wrongly_counted'] == []
    assert document['statuses']['stale_image'] > 0
    assert document['statuses_of_broken_questions']['bad_question'] > 0
    assert len(document['timeline']) >= 4
    assert picture.stat().st_size > 1000
