"""Pictures without ROS: a bag with its time line, a folder, what people upload.

    source = Stills(pipeline, [bag_reel(Path('test/data/episode'))])

Each is a reel: frames at their times. A reel that plays goes on by the clock and begins again at
its end. Questions are answered here, by the pipeline, one at a time. Refuses to know ROS.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latent_vqa_ros.core.bundle import BundleError
from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.image_formats import ImageError
from latent_vqa_ros.core.pipeline import Frame, Pipeline
from latent_vqa_ros.core.preprocess import source_box
from latent_vqa_ros.core.questions import parse, plain
from latent_vqa_ros.web.source import Command, Event, Story, Tell

log = logging.getLogger(__name__)

UPLOADS = 'uploaded pictures'
MOST_UPLOADS = 20  # pictures kept, the newest
MOST_BYTES = 300_000_000  # of a bag's pictures that are held
SUFFIXES = ('.jpg', '.jpeg', '.png')
MOST_FILES = 2000  # pictures of a folder
LARGEST_FILE = 100_000_000  # bytes
LONGEST_QUESTION = 256  # characters
STILL_S = 1.0  # s from one picture of a folder to the next


@dataclass
class Reel:
    """Frames with their times (s from the first) and names; ``at_s`` holds while not playing."""

    camera: str
    frames: list[Frame]
    times_s: list[float]
    labels: list[str]
    playing: bool = False
    at_s: float = 0.0
    since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long the reel is."""
        return self.times_s[-1] if self.times_s else 0.0

    def position_s(self) -> float:
        """Return where it stands now."""
        if not self.playing:
            return self.at_s
        length = self.seconds + STILL_S
        return (self.at_s + time.monotonic() - self.since) % length

    def index(self) -> int:
        """Return which frame is shown now."""
        return max(0, bisect_right(self.times_s, self.position_s() + 1e-6) - 1)

    def move(self, at_s: float, playing: bool) -> None:
        """Go to a time, and on from there or not."""
        self.at_s = min(max(at_s, 0.0), self.seconds)
        self.since, self.playing = time.monotonic(), playing

    def event(self) -> Event:
        """Return what browsers are told about it."""
        index = self.index()
        return {'kind': 'reel', 'camera': self.camera, 'seconds': self.seconds,
                'position': self.position_s(), 'playing': self.playing, 'count': len(self.frames),
                'label': self.labels[index] if self.labels else ''}


class Stills:
    """A ``Source`` on the pipeline."""

    def __init__(self, load: Callable[[], Pipeline], reels: list[Reel],
                 of: Callable[[], object] = lambda: None) -> None:
        """``load`` makes the pipeline when something needs it, and again where ``of`` changed."""
        self._load, self._of = load, of
        self._pipeline: Pipeline | None = None
        self._loaded: object = None
        self._answering = threading.Lock()
        self._reels = {reel.camera: reel for reel in reels}
        self._story = Story()

    @property
    def cameras(self) -> list[str]:
        """The names of the reels."""
        return list(self._reels)

    @property
    def pipeline(self) -> Pipeline:
        """What answers; BundleError where it does not load."""
        with self._answering:
            wanted = self._of()
            if self._pipeline is None or wanted != self._loaded:
                self._pipeline, self._loaded = self._load(), wanted
            return self._pipeline

    def snapshot(self) -> list[Event]:
        """Return hello, the reels, the last answers."""
        pipeline = self.pipeline
        hello = {'kind': 'hello', 'page': 'pictures', 'cameras': self.cameras,
                 'can': {'teach': False, 'state': False},
                 **known(pipeline.bundle.manifest, pipeline.min_confidence)}
        return [hello, *self.reels_and_answers()]

    def reels_and_answers(self) -> list[Event]:
        """Return what is known but for hello; loads no model."""
        return [*(reel.event() for reel in self._reels.values()), *self._story.snapshot()]

    def listen(self, tell: Tell) -> Callable[[], None]:
        """Tell answers and moves of the reels."""
        return self._story.listen(tell)

    def watch(self, camera: str, wanted: bool) -> None:
        """Nothing is received: the frames are here."""

    def newest(self, camera: str) -> Frame | None:
        """Return the frame at which the reel stands."""
        reel = self._reels.get(camera)
        return reel.frames[reel.index()] if reel and reel.frames else None

    def seen(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        """Return the part that the model sees."""
        pipeline = self._pipeline
        return source_box(height, width, pipeline.bundle.manifest.preprocess) if pipeline else None

    def do(self, command: Command) -> str:
        """Ask, play, seek."""
        if command['do'] == 'ask':
            return self._ask(command)
        reel = self._reels.get(command.get('camera', ''))
        if command['do'] not in ('play', 'seek') or reel is None or not reel.frames:
            return 'That needs the running node: start vqa_web.'
        if command['do'] == 'play':
            reel.move(reel.position_s(), command['value'])
        else:
            reel.move(command['value'], reel.playing)
        self._story.tell(reel.event())
        return ''

    def _ask(self, command: Command) -> str:
        try:
            pipeline = self.pipeline
        except (BundleError, OSError) as error:
            return f'Uploads cannot be answered here: {error}'
        message = json.dumps({key: command[key] for key in ('id', 'question', 'camera')})
        for request in parse(message, self.cameras or [''], LONGEST_QUESTION):
            frame = self.newest(request.camera)
            now_ns = (frame.stamp_ns or frame.received_ns) if frame else 0
            with self._answering:
                detail = pipeline.respond(request, frame, now_ns, 'there is no picture yet')
            self._story.tell({'kind': 'detail', 'detail': detail.to_dict(), 'at': time.time()})
        return ''

    def add_picture(self, content: bytes, name: str) -> None:
        """Show an upload; ImageError."""
        compressed_to_rgb(content)
        reel = self._reels.setdefault(UPLOADS, Reel(UPLOADS, [], [], []))
        reel.frames = [*reel.frames, picture_frame(lambda: content, UPLOADS)][-MOST_UPLOADS:]
        reel.labels = [*reel.labels, name][-MOST_UPLOADS:]
        reel.times_s = [index * STILL_S for index in range(len(reel.frames))]
        reel.move(reel.seconds, False)
        self._story.tell(reel.event() | {'look': True})

    def close(self) -> None:
        """Nothing is held that must be given back."""


def known(manifest: Any, min_confidence: float) -> dict[str, Any]:
    """Return what a bundle's manifest tells people: questions, answers, words, the limit."""
    return {'model': {'name': manifest.name, 'version': manifest.version},
            'questions': list(manifest.questions), 'answers': list(manifest.answers),
            'words': list(manifest.words), 'limit': min_confidence}


def picture_frame(read: Callable[[], bytes], camera: str) -> Frame:
    """Return a picture file as a frame; it is decoded, bounded, when it is shown."""
    return Frame(lambda: (compressed_to_rgb(read(), upright=True), None),
                 received_ns=time.time_ns(), camera=camera)


def folder_reel(folder: Path) -> Reel:
    """Return the pictures of a folder, sorted by name; OSError where there are none."""
    paths = sorted(path for path in folder.iterdir()
                   if path.suffix.lower() in SUFFIXES and path.is_file()
                   and not path.name.startswith('.'))  # not ._a.jpg of a Mac
    if not paths:
        raise OSError(f'{folder}: has no .jpg and no .png pictures')
    if len(paths) > MOST_FILES:
        log.warning('%s: the first %d of %d pictures are shown', folder, MOST_FILES, len(paths))
        del paths[MOST_FILES:]
    camera = plain(folder.resolve().name) or 'pictures'  # as a browser says it
    frames = [picture_frame(lambda path=path: read_bounded(path), camera)  # type: ignore[misc]
              for path in paths]
    return Reel(camera, frames, [STILL_S * index for index in range(len(paths))],
                [path.name for path in paths])


def read_bounded(path: Path) -> bytes:
    """Return a picture file's bytes; ImageError where it is gone or too large."""
    try:
        with path.open('rb') as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ImageError(f'{path.name}: {error.strerror}') from None
    if len(content) > LARGEST_FILE:
        raise ImageError(f'{path.name}: larger than {LARGEST_FILE} bytes')
    return content


def bag_reels(path: Path) -> list[Reel]:
    """Return a reel per camera of a bag, playing; BagError.

    At most MOST_BYTES are held: of a longer bag every second picture, every third, and so on.
    """
    from latent_vqa_ros.bags.answer import camera_of, make_frame, picture_topics
    from latent_vqa_ros.bags.read import BagReader

    with BagReader(path) as bag:
        topics = picture_topics(bag)
        total = sum(len(record.cdr) for record in bag if record.topic in topics)
        every, seen = 1 + total // MOST_BYTES, dict.fromkeys(topics, 0)
        reels = {topic: Reel(camera_of(topic), [], [], []) for topic in topics}
        first_ns: int | None = None
        for record in bag:
            if record.topic not in topics:
                continue
            first_ns = record.stamp_ns if first_ns is None else first_ns
            seen[record.topic] += 1
            if (seen[record.topic] - 1) % every:
                continue
            reel, at_s = reels[record.topic], (record.stamp_ns - first_ns) / 1e9
            reel.frames.append(make_frame(bag, record))
            reel.times_s.append(at_s)
            reel.labels.append(f'{at_s:.1f} s')
    for reel in reels.values():
        reel.move(0.0, True)
    return list(reels.values())
