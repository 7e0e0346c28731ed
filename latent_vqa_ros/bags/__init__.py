"""ROS 2 bags on disk, read and written without ROS: `read`, `write`, `demo_bag`.

Nothing outside this package imports rosbags. It knows no middleware and no model.
"""

from __future__ import annotations


class BagError(Exception):
    """A bag cannot be read or written; the message is one line that says what to do."""


def need_rosbags() -> None:
    """Raise BagError with the installation line where rosbags is missing."""
    from importlib.util import find_spec

    if find_spec('rosbags') is None:
        raise BagError('ROS 2 bags need rosbags: python3 -m pip install rosbags')
