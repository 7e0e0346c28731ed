"""Workers of one run of the tests (pytest-xdist): each takes a file at a time.

No worker may share a ROS domain with another, and none may be left with a long file at the end,
while the others wait.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
LONGEST = (  # roughly in this order
    'faults/test_faults.py', 'training/test_run.py', 'training/test_assemble.py',
    'web/test_browser.py', 'web/test_browser_teach.py', 'test_colcon.py',
    'training/test_shipped_tabletop.py', 'training/test_chain.py',
    'training/test_taught_folder.py', 'training/test_finetune.py', 'launch/test_launch.py',
    'training/test_input_shapes.py', 'training/test_export.py', 'ros/test_node_teaching.py',
    'training/test_shipped_graphs.py', 'performance/test_soak_short.py', 'cli/test_demo.py',
    'teach/test_folder.py', 'training/test_start.py', 'bags/test_answer_output.py')


def longest_first(items: Sequence[Any]) -> list[Any]:
    """Return tests in the order in which they are handed out."""
    order = {TESTS / name: rank for rank, name in enumerate(LONGEST)}
    return sorted(items, key=lambda item: order.get(item.path, len(order)))


def own_domain(worker: str) -> int:
    """Return the ROS domain, 101 to 200, of a worker ('gw0', 'gw1' …, '' without workers).

    Fast DDS takes domains up to 232; `latent_vqa demo` takes those up to 100.
    """
    run = os.getppid() if worker else os.getpid()
    return 101 + (run + int(worker.removeprefix('gw') or 0)) % 100
