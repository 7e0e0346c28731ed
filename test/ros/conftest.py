"""The fixture that starts a node under test."""

from __future__ import annotations

import pytest


@pytest.fixture
def robot(ros, bundle_path):
    """Return a function that starts the node under test and an asker; both end with the test."""
    from helpers.node_harness import Robot

    started = []

    def start(**parameters):
        started.append(Robot({'model': str(bundle_path), **parameters}))
        return started[-1]

    try:
        yield start
    finally:
        for each in started:
            each.close()
