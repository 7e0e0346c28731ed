"""What is wrong with a bag, in one line that says what to do.

A bag that is whole is never called broken: it may be of another kind, or newer than what reads it.
Knows no messages.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Sequence
from pathlib import Path

from latent_vqa_ros.bags import BagError

STORAGE_SUFFIXES = ('.mcap', '.db3')
PACKED_SUFFIXES = ('.zstd', '.zst')  # as a whole, by ros2 bag record --compression-mode file
GIT_LFS, ROS_1 = b'version https://git-lfs', b'#ROSBAG V'
COMPRESSED = {b'\x28\xb5\x2f\xfd': 'zstd', b'\x04\x22\x4d\x18': 'lz4', b'\x1f\x8b': 'gzip'}
UNESCAPED = '%?#'  # rosbags opens a .db3 as a URI, in which these mean something else
SORT = 'try "mcap sort FILE -o NEW" (the mcap command line tool)'
RECOVER = 'try "mcap recover FILE -o NEW" (the mcap command line tool)'


def check_path(path: Path) -> None:
    """Raise BagError for the usual mistakes before rosbags meets them."""
    if not path.exists():
        raise BagError(f'{path}: there is no such bag')
    if path.is_file():
        if path.name == 'metadata.yaml':
            raise BagError(f'{path}: name the directory that holds it, {path.parent}')
        check_storage(path)
        return
    storages = sorted(child for child in path.iterdir()
                      if child.suffix in STORAGE_SUFFIXES + PACKED_SUFFIXES)
    if not (path / 'metadata.yaml').exists():
        hint = ('was not closed properly; try "ros2 bag reindex", or name the file itself'
                if storages else 'is not a ROS 2 bag')
        raise BagError(f'{path}: has no metadata.yaml, so it {hint}')
    _check_pointer(path / 'metadata.yaml')
    listed = (path / 'metadata.yaml').read_text(encoding='utf-8', errors='replace')
    for storage in storages:  # others may lie beside those of the bag
        if storage.suffix in STORAGE_SUFFIXES and storage.name in listed:
            check_storage(storage)


def check_storage(path: Path) -> None:
    """Refuse what is no storage file, and a database whose last messages stand in a side file."""
    head = _check_pointer(path)
    if head.startswith(ROS_1):
        raise BagError(f'{path}: a bag of ROS 1; convert it first: '
                       f'rosbags-convert --src {path.name} --dst {path.stem}')
    if path.suffix in PACKED_SUFFIXES:
        raise BagError(f'{path}: compressed as a whole file; name the directory with its '
                       f'metadata.yaml, or unpack it first: zstd -d {path.name}')
    if path.suffix not in STORAGE_SUFFIXES:
        raise BagError(f'{path}: not a ROS 2 bag; expected a directory with metadata.yaml, '
                       'or an .mcap or .db3 file')
    if not head:
        raise BagError(f'{path}: the file is empty')
    if path.suffix == '.db3':
        check_name(path)
    for side in (path.with_name(f'{path.name}-wal'), path.with_name(f'{path.name}-journal')):
        if side.exists() and side.stat().st_size:
            raise BagError(f'{path}: half-written bag, {side.name} holds messages that were '
                           'never merged; stop its recorder, then try "ros2 bag reindex"')


def check_name(path: Path) -> None:
    """Refuse the place of a database that cannot be opened there."""
    if set(UNESCAPED) & set(str(path.absolute())):
        raise BagError(f'{path}: a .db3 cannot be opened where its path has one of {UNESCAPED}; '
                       'rename it, or take mcap')


def _check_pointer(path: Path) -> bytes:
    """Return the first bytes; BagError where they are Git LFS's note instead of the file."""
    with path.open('rb') as file:
        head = file.read(64)
    if head.startswith(GIT_LFS):
        raise BagError(f'{path}: only a Git LFS pointer to the bag: git lfs pull')
    return head


def check_formats(path: Path, formats: dict[str, str]) -> None:
    """Refuse a bag whose topics (name → serialization format) are not all CDR."""
    for topic, name in formats.items():
        if name != 'cdr':
            raise BagError(f'{path}: the messages of {topic} are serialized as {name!r}; only '
                           'CDR, which ROS 2 records, can be read')


def check_records(path: Path, contents: Sequence[bytes]) -> None:
    """Refuse a bag none of whose first messages is CDR, however it is labelled."""
    if not contents or any(_is_cdr(content) for content in contents):
        return
    for magic, name in COMPRESSED.items():
        if contents[0].startswith(magic):
            raise BagError(f'{path}: its messages are compressed one by one ({name}), which only '
                           'its metadata.yaml tells; name the directory that has it')
    raise BagError(f'{path}: its messages are not CDR, as ROS 2 records them; the first one '
                   f'starts with {contents[0][:4].hex() or "nothing"}')


def _is_cdr(content: bytes) -> bool:
    """Tell whether there is an encapsulation header (RTPS 2.5, 10.5)."""
    return len(content) >= 4 and content[0] == 0 and content[1] < 12


def explain(path: Path, error: Exception) -> BagError:
    """Return what rosbags raised as one line."""
    said = ' '.join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return BagError(f'{path}: {error.strerror}: a bag that is compressed as a whole is '
                        f'unpacked into {tempfile.gettempdir()}; set TMPDIR to a folder with room')
    if 'version' in said and 'not supported' in said:
        return BagError(f'{path}: recorded by a newer ROS 2 than rosbags reads ({said}); '
                        'python3 -m pip install --upgrade rosbags')
    if said == 'Profile is not ros2.':
        return BagError(f'{path}: an mcap file of the profile {_profile(path)!r}; only those of '
                        'ROS 2 (profile ros2) can be read')
    if isinstance(error, KeyError):  # rosbags' table of schema encodings
        return BagError(f'{path}: broken, or of another kind: {said} is not known in ROS 2 bags')
    if 'Use an indexed file' in said:
        return BagError(f'{path}: has no index by time; {SORT}')
    if 'upported' in said:
        return BagError(f'{path}: cannot be read: {said}')
    cut = any(word in said for word in ('end magic', 'Truncated', 'footer', 'summary'))
    advice = f'; {RECOVER}' if cut else ''
    return BagError(f'{path}: broken or half-written bag ({said}){advice}')


def _profile(path: Path) -> str:
    """Return the profile that an mcap file names: behind magic, opcode and two lengths."""
    storage = path if path.is_file() else next(path.glob('*.mcap'))
    with storage.open('rb') as file:
        head = file.read(256)
    length = int.from_bytes(head[17:21], 'little')
    return head[21:21 + min(length, 64)].decode('utf-8', 'replace')
