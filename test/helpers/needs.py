"""What a test needs that is not everywhere."""

from importlib.util import find_spec

import pytest

mujoco = pytest.mark.skipif(  # not importorskip: the renderer is chosen before the import
    find_spec('mujoco') is None, reason='needs MuJoCo: pip install mujoco')
