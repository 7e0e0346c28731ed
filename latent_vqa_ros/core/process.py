"""A process in words and figures: an error or a list on one line, the memory that it holds.

Needs the standard library alone, so that a program can say in one line that NumPy is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def one_line(error: BaseException) -> str:
    """Return an error's text as one line of at most 500 characters, its type where it has none.

    What of a file's name is not UTF-8 is written as an escape: no log and no topic takes it.
    """
    text = ' '.join(str(error).split())
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f'{error.filename}: {error.strerror}'
    return text.encode(errors='backslashreplace').decode()[:500] or type(error).__name__


def some(texts: Sequence[str], most: int = 5) -> str:
    """Return the first of these, and how many more there are."""
    more = len(texts) - most
    return ', '.join(texts[:most]) + (f' and {more} more' if more > 0 else '')


def typed_line(error: BaseException) -> str:
    """Return an error as one line, with its type before it where it is none of ours."""
    ours = type(error).__module__.startswith('latent_vqa_ros')
    return one_line(error) if ours else f'{type(error).__name__}: {one_line(error)}'


def resident_mb(pid: int | str = 'self') -> float:
    """Return the resident memory of a process in MB (10^6 bytes), as Linux counts it; OSError."""
    for line in Path(f'/proc/{pid}/status').read_text(encoding='ascii').splitlines():
        if line.startswith('VmRSS:'):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)  # in kB of 1024 bytes
    raise OSError(f'no VmRSS in /proc/{pid}/status')
