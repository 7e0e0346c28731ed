"""Where the answers about a bag go: a CSV or JSONL file that can be resumed, or a new bag.

    with open_output('answers.csv', job) as output:
        for answered in answers(..., skip=output.tally.frames):
            output.write(answered)

FILE.part grows beside FILE and is renamed at the end: what is called FILE is whole. FILE.part.job
says which job the part belongs to and how far it may be trusted; the next run with the same job
cuts the part there and goes on. A part of another job is refused, never thrown away. A bag is
moved into place whole by BagWriter and cannot be resumed. Refuses to know models.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.answer import Answered
from latent_vqa_ros.bags.checks import STORAGE_SUFFIXES
from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.write import BagWriter
from latent_vqa_ros.core.answer import NANO, on_one_line
from latent_vqa_ros.core.questions import plain
from latent_vqa_ros.core.statuses import Status

TEXTS = ('.csv', '.jsonl')
BAGS = ('', '.mcap')
CHECKPOINT_S = 1.0  # at most so much work is lost when the process is killed
COLUMNS = ('topic', 'bag_stamp', 'camera', 'stamp', 'frame_id', 'question', 'status', 'answer',
           'confidence', 'reason', 'top', 'evidence', 'model')
NO_LATENCY = dict.fromkeys(('decode', 'encode', 'answer', 'total'))

Job = Mapping[str, Any]


@dataclass
class Tally:
    """What has been written: frames per topic, details per status."""

    topics: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def frames(self) -> int:
        """Frames of all topics."""
        return sum(self.topics.values())

    def add(self, answered: Answered) -> None:
        """Count one frame."""
        self.topics[answered.topic] += 1
        self.statuses.update(detail.status.value for detail in answered.details)


def bag_identity(bag: BagReader) -> dict[str, Any]:
    """Return what tells a bag from another without reading it all: files, counts, times."""
    files = [bag.path] if bag.path.is_file() else sorted(
        path for path in bag.path.iterdir()  # also .mcap.zstd
        if path.is_file() and set(path.suffixes) & set(STORAGE_SUFFIXES))
    return {'files': [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files],
            'messages': bag.message_count, 'start_ns': bag.start_ns, 'end_ns': bag.end_ns}


def why_not(out: str) -> str:
    """Return what is wrong with an output's name, '' where its ending is a known one."""
    suffix = Path(out).suffix
    if Path(out).name in ('', '-', *TEXTS, '.mcap'):
        return (f'{out or repr(out)}: is no name; name a .csv or .jsonl file, or a folder '
                '(answers_bag/) for a bag')
    return '' if out.endswith('/') or suffix in (*TEXTS, *BAGS) else (
        f'{out}: the ending {suffix} is unknown; name a .csv or .jsonl file, or a folder '
        '(answers_bag/) for a bag')


def open_output(out: str, job: Job) -> TextOutput | BagOutput:
    """Return the output that the ending of ``out`` asks for; BagError for an unknown ending.

    .csv and .jsonl are files; a trailing slash, no ending or .mcap makes an mcap bag folder.
    """
    wrong, path = why_not(out), Path(out)
    if wrong:
        raise BagError(wrong)
    text = path.suffix in TEXTS and not out.endswith('/')
    return TextOutput(path.resolve(), job) if text else BagOutput(path)  # not in a link's place


class TextOutput:
    """A CSV or JSONL file being written; use it as a context manager.

    tally    what the file holds already: more than nothing when an earlier run is continued
    """

    def __init__(self, path: Path, job: Job) -> None:
        self.path = path
        self.part = path.with_name(f'{path.name}.part')
        self.side = path.with_name(f'{path.name}.part.job')
        self.tally = Tally()
        self._job = json.loads(json.dumps(job))  # as it comes back from the side file
        self._file: IO[bytes] | None = None
        self._next_checkpoint = 0.0

    def __enter__(self) -> TextOutput:
        if self.path.is_dir():
            raise BagError(f'{self.path}: is a folder; choose another name')
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self._file = self._locked()
        try:
            length = self._read_checkpoint()
            file.truncate(length)
            file.seek(length)
            self._checkpoint()  # from here on the part is this job's
            if self.path.suffix == '.csv' and not length:
                file.write(csv_line(COLUMNS))
        except BaseException:
            file.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        with self._open_file():
            if kind is None:  # else the last checkpoint stands: a frame may be half written
                self._checkpoint()
                os.replace(self.part, self.path)
                self.side.unlink(missing_ok=True)
                _sync_folder(self.path.parent)
        self._file = None

    def write(self, answered: Answered) -> None:
        """Write a line per detail."""
        to_line = csv_row if self.path.suffix == '.csv' else json_line
        file = self._open_file()
        file.write(b''.join(map(to_line, answered.documents())))
        self.tally.add(answered)
        if time.monotonic() >= self._next_checkpoint:
            self._checkpoint()

    def _open_file(self) -> IO[bytes]:
        if self._file is None:
            raise BagError(f'{self.path}: not open; use "with open_output(...) as output"')
        return self._file

    def _locked(self) -> IO[bytes]:
        """Open the part for this process alone, an empty one where there is none."""
        file = os.fdopen(os.open(self.part, os.O_RDWR | os.O_CREAT, 0o666), 'r+b')
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), self.part.stat()):
                raise FileNotFoundError  # finished by another process since it was opened
        except (BlockingIOError, FileNotFoundError):
            file.close()
            raise BagError(f'{self.part}: another process is writing it') from None
        except OSError as error:
            file.close()
            raise BagError(f'{self.part}: cannot be locked ({error.strerror}); write to another '
                           'file system') from None
        return file

    def _read_checkpoint(self) -> int:
        """Fill the tally and return how many bytes of the part are good."""
        if not self.part.stat().st_size:
            return 0
        remove = f'finish that one, or remove it: rm {self.part} {self.side}'
        try:
            kept = json.loads(self.side.read_text(encoding='utf-8'))
            job, length = kept['job'], int(kept['bytes'])
            tally = Tally(Counter(kept['topics']), Counter(kept['statuses']))
        except (OSError, ValueError, KeyError, TypeError):
            raise BagError(f'{self.part}: not known whose it is, {self.side.name} is missing or '
                           f'broken; {remove}') from None
        if job != self._job and not tally.frames:
            return 0  # nothing of it is lost
        if job != self._job:
            differs = [name for name in {**job, **self._job}
                       if job.get(name) != self._job.get(name)]
            raise BagError(f'{self.part}: belongs to another job (other {", ".join(differs)}); '
                           f'{remove}')
        if self.part.stat().st_size < length:
            raise BagError(f'{self.part}: shorter than it was; {remove}')
        self.tally = tally
        return length

    def _checkpoint(self) -> None:
        """Put the part on the disk first, then the note of how long it is."""
        file = self._open_file()
        file.flush()
        os.fsync(file.fileno())
        kept = {'job': self._job, 'bytes': file.tell(), 'topics': self.tally.topics,
                'statuses': self.tally.statuses}
        fresh = self.side.with_name(f'{self.side.name}.new')
        with fresh.open('w', encoding='utf-8') as side:
            json.dump(kept, side)  # a name of a file that is not UTF-8 stays readable
            side.flush()
            os.fsync(side.fileno())
        os.replace(fresh, self.side)
        self._next_checkpoint = time.monotonic() + CHECKPOINT_S


class BagOutput:
    """A new mcap bag: `answer` and `answer/detail` as std_msgs/String in the camera's namespace.

    Their stamp is the frame's in the old bag. A detail has the keys of the live topic, its
    latencies null. Use it as a context manager; an existing bag is refused.
    """

    def __init__(self, path: Path) -> None:
        self.tally = Tally()
        self._writer = BagWriter(path, 'mcap')

    def __enter__(self) -> BagOutput:
        self._writer.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._writer.__exit__(kind, error, trace)

    def write(self, answered: Answered) -> None:
        """Write the answers and details of one frame."""
        for detail, document in zip(answered.details, answered.documents(), strict=True):
            base = f'/{detail.camera}/answer'.replace('//', '/')
            if detail.status is Status.OK:
                self._writer.write_string(base, answered.stamp_ns, str(detail.answer))
            text = json_line(document | {'latency_ms': NO_LATENCY}).decode().rstrip('\n')
            self._writer.write_string(f'{base}/detail', answered.stamp_ns, text)
        self.tally.add(answered)


def json_line(document: Mapping[str, Any]) -> bytes:
    """Return a document as one line of JSONL."""
    return f'{on_one_line(document)}\n'.encode()


def csv_row(document: Mapping[str, Any]) -> bytes:
    """Return a document as one row of CSV, in the order of COLUMNS; stamps in seconds."""
    model = document['model']
    row = {**document, 'bag_stamp': _seconds(document['bag_stamp']),
           'stamp': _seconds(document['stamp']),
           'top': '; '.join(f'{word} {p}' for word, p in document['top']),
           'evidence': '; '.join(f'{e["phrase"]} {e["box"]}' for e in document['evidence']),
           'model': f'{model["name"]} {model["version"]} {model["sha256"][:12]}'}
    return csv_line([row[name] for name in COLUMNS])


def csv_line(values: Sequence[Any]) -> bytes:
    """Return one line of RFC 4180, but for its end, which is a line feed; None is empty."""
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerow(values)
    return str(plain(text.getvalue())).encode()


def _seconds(stamp: Mapping[str, int] | None) -> str:
    """Return a stamp as decimal seconds, exactly; '' for none."""
    if stamp is None:
        return ''
    sec, nanosec = divmod(abs(stamp['sec'] * NANO + stamp['nanosec']), NANO)
    return f'{"-" * (stamp["sec"] < 0)}{sec}.{nanosec:09d}'


def _sync_folder(path: Path) -> None:
    """Force a rename to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
