"""The fixture that starts a node under test; lets tests here import node_harness."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def robot(ros, bundle_path):
    """Return a function that starts the node under test and an asker; both end with the test."""
    from node_harness import Robot

    started = []

    def start(**parameters):
        started.append(Robot({'model': str(bundle_path), **parameters}))
        return started[-1]

    try:
        yield start
    finally:
        for each in started:
            each.close()
