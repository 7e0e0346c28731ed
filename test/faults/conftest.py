"""Lets a failed assert in the helpers say what it compared."""

import pytest

pytest.register_assert_rewrite(
    'faults.operations', 'faults.parameters', 'faults.stage', 'faults.rig')
