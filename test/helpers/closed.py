"""A folder that nobody may enter, not even root, whom no mode of a folder stops."""

import errno
from pathlib import Path


def close(monkeypatch, name, *methods):
    """Let these methods of Path raise PermissionError for whatever lies in a folder of a name."""
    def closed(before):
        def enter(path, *more):
            if name in path.parts:
                raise PermissionError(errno.EACCES, 'Permission denied', str(path))
            return before(path, *more)
        return enter
    for method in methods:
        monkeypatch.setattr(Path, method, closed(getattr(Path, method)))
