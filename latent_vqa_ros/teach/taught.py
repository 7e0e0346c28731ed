"""What answers taught questions: the active versions, and what they see of a frame.

    taught = Taught(Folder(path), encoder)
    question = taught.find('is the tray empty?', '')       # None: not one of ours
    seen = question.see(frame)                             # ImageError where it is no picture

A change of the folder, by whomever, counts from the next ``find`` on. A question that is switched
on and cannot be used stays ours: it fails, for the bundle does not know whose tray is meant.
Use it from one thread.
Refuses to know statuses and details: that is ``core.pipeline``.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from latent_vqa_ros.core.bundle import BundleError
from latent_vqa_ros.core.colours import about_colours, is_grey
from latent_vqa_ros.core.image_formats import Pixels
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.taught import OFF, Seen
from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.teach import versions
from latent_vqa_ros.teach.features import RegionEncoder, pixels_of
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.judge import CONFIDENCE
from latent_vqa_ros.teach.known import (
    ACTIVE,
    LINES,
    QUESTION,
    VERSIONS,
    Known,
    active_of,
    read,
)
from latent_vqa_ros.teach.question import NAMELESS, Region, TeachError, normal, slug
from latent_vqa_ros.teach.versions import Version

Array = NDArray[Any]
Texts = frozenset[tuple[str, str]]  # (camera, text)
AGAIN_S = 1.0  # until what is broken is read again
MAX_REGIONS = 32  # of one frame whose features are kept


class Eye:
    """Decodes the last frame of each camera once, and encodes each region of it once."""

    def __init__(self, encoder: RegionEncoder) -> None:
        self.encoder = encoder
        self._frames: dict[str, tuple[Frame, Pixels, dict[Region | None, Array]]] = {}

    def is_grey(self, frame: Frame) -> bool:
        """Return whether R = G = B in the frame that was looked at last."""
        return is_grey(self._frames[frame.camera][1][0])

    def look(self, frame: Frame, region: Region | None
             ) -> tuple[Array, tuple[int, int], float, float | None]:
        """Return features, height and width of the frame, and milliseconds.

        Those of decoding and of encoding; None where the features were there. Raises ImageError.
        """
        started = time.perf_counter()
        last = self._frames.get(frame.camera)
        if last is None or last[0] is not frame:
            last = self._frames[frame.camera] = (frame, frame.decode(), {})
        decoded = time.perf_counter()
        (pixels, code), features = last[1:]
        size = pixels.shape[:2]
        if region in features:
            return features[region], size, (decoded - started) * 1e3, None
        if len(features) >= MAX_REGIONS:
            features.clear()
        features[region] = self.encoder.encode_as_kept(pixels, region, code)
        return (features[region], size, (decoded - started) * 1e3,
                (time.perf_counter() - decoded) * 1e3)


@dataclass(frozen=True, eq=False)
class Live:
    """A question with the version that answers it: ``core.taught.TaughtQuestion``."""

    known: Known
    version: Version
    eye: Eye
    min_confidence: float = CONFIDENCE
    broken: str = ''
    unread = False  # as Broken has it

    @property
    def slug(self) -> str:
        """The name of its folder."""
        return self.known.slug

    @property
    def identity(self) -> tuple[str, str, str]:
        """Name, version and digest, as they stand in ``answer/detail``."""
        return (f'taught/{self.known.slug}', str(self.version.about['number']),
                self.version.sha256)

    @property
    def forced(self) -> bool:
        """Whether it was switched on against the judge."""
        return self.known.active.forced

    @property
    def answers(self) -> tuple[str, ...]:
        """What it can answer."""
        return self.version.answers

    @cached_property
    def shown(self) -> frozenset[str]:
        """The sha256 of each picture file that it was taught with."""
        return frozenset(digest for _, digest, _ in self.version.about['shots'])

    @cached_property
    def about_colours(self) -> bool:
        """Whether a text that asks it, or one of its answers, names a colour."""
        texts = (*self.known.question.keys, *self.version.answers)
        return any(about_colours(words(text)) for text in texts)

    def see(self, frame: Frame) -> Seen:
        """Return what it sees of a frame; raises ImageError."""
        x_d, size, decode_ms, encode_ms = self.eye.look(frame, self.version.region)
        started = time.perf_counter()
        head = self.version.head
        probabilities = head.probabilities(x_d)
        distance = head.distance(self.eye.encoder.layout.near(x_d))
        return Seen(self.version.answers, probabilities, distance, head.limit,
                    pixels_of(self.version.region, size), decode_ms, encode_ms,
                    (time.perf_counter() - started) * 1e3,
                    self.eye.is_grey(frame) if self.about_colours else None)


@dataclass(frozen=True)
class Broken:
    """A question that is switched on and cannot be used: ``core.taught.TaughtQuestion``."""

    slug: str
    broken: str
    unread: bool = False  # what asks it is not known
    min_confidence: float = CONFIDENCE
    forced: bool = False
    answers: tuple[str, ...] = ()
    shown: frozenset[str] = frozenset()

    @property
    def identity(self) -> tuple[str, str, str]:
        """The name alone."""
        return f'taught/{self.slug}', '', ''

    def see(self, frame: Frame) -> Seen:
        """Raise TeachError: nobody asks what is broken."""
        raise TeachError(self.broken)


class Taught:
    """All questions of a folder that are switched on; broken ones are named in ``problems``."""

    def __init__(self, folder: Folder, encoder: RegionEncoder) -> None:
        self.folder = folder
        self.eye = Eye(encoder)
        self.problems: tuple[str, ...] = ()
        self.names: frozenset[tuple[str, str]] = frozenset()  # and versions, of those that are on
        self._change: tuple[int, ...] | None = None
        self._again_s = 0.0  # time.monotonic() from which what is broken is tried again
        self._on: Mapping[tuple[str, str], Live | Broken] = {}
        self._off: Texts = frozenset()  # what asks those that are not on
        self._guessed: Mapping[str, Broken] = {}  # what asks it is not known but for this slug
        # by folder: its files when last read, what was on, and what asks it
        self._read: dict[Path, tuple[tuple[int, ...], Live | None, Texts]] = {}

    @property
    def count(self) -> int:
        """How many questions were switched on when last one was asked."""
        return len(self.names)

    def refresh(self) -> None:
        """Read again where somebody has written: those questions whose files are others now.

        What is broken is tried again after a second, too: the disk may have failed once.
        """
        change = self.folder.change()
        if change == self._change and not (self.problems and time.monotonic() >= self._again_s):
            return
        self._change = change
        live: dict[tuple[str, str], Live] = {}
        broken: dict[tuple[str, str], Broken] = {}
        off, problems = set[tuple[str, str]](), []
        before, self._read = self._read, {}
        try:
            paths = self.folder.paths()
        except TeachError as error:  # what was on stays ours
            paths, problems, self._change = [], [str(error)], None
            broken = {key: Broken(one.slug, str(error), one.unread)
                      for key, one in self._on.items()}
            off |= self._off
        for path in paths:
            files = _files(path)
            known = None
            try:
                if path in before and before[path][0] == files:
                    _, question, keys = before[path]
                else:
                    known = read(path)
                    question = load(known, self.eye)
                    keys = frozenset((known.question.camera, key) for key in known.question.keys)
            except (TeachError, BundleError) as error:
                problems.append(str(error))
                if known is not None and not _is_on(known):
                    off |= {(known.question.camera, key) for key in known.question.keys}
                elif known is not None:
                    before_it = {where for where, was in self._on.items() if known.unread
                                 and was.slug == known.slug and not was.unread}
                    one = Broken(known.slug, str(error), known.unread and not before_it)
                    broken |= dict.fromkeys(before_it or {
                        (known.question.camera, key) for key in known.question.keys}, one)
                continue
            self._read[path] = files, question, keys
            if question is None:
                off |= keys
            else:
                live |= dict.fromkeys(keys, question)
        self._on, self._off, self.problems = {**broken, **live}, frozenset(off), tuple(problems)
        self._guessed = {name: one for one in broken.values() if one.unread
                         for name in (one.slug, re.sub(r'-\d+$', '', one.slug))
                         if name != NAMELESS}
        self._again_s = time.monotonic() + AGAIN_S
        self.names = frozenset(one.identity[:2] for one in live.values())

    def find(self, question: str, camera: str) -> Live | Broken | None:
        """Return the question that has this text, for this camera or for any."""
        self.refresh()
        if not self._on:
            return None
        key = normal(question)
        found = self._on.get((camera, key)) or self._on.get(('', key))
        if found is None and not camera:
            several = {name: one for (name, text), one in self._on.items() if text == key}
            found = next(iter(several.values()), None)
            if found is not None and len(several) > 1:
                return Broken(found.slug, 'it is taught for several cameras: '
                              + ', '.join(several))
        if found is None and self._guessed:
            return self._guessed.get(slug(question))  # this text, perhaps
        return found

    def why_not(self, question: str, camera: str) -> str:
        """Return why ``find`` has no question of this text that was taught, '' where none was."""
        key = normal(question)
        if {(camera, key), ('', key)} & self._off or not camera and any(
                text == key for _, text in self._off):
            return OFF
        cameras = sorted(name for name, text in {*self._on, *self._off} if text == key)
        return f'it is taught for camera {" and ".join(cameras)} alone' if cameras else ''


def _is_on(known: Known) -> bool:
    """Return whether a question that cannot be used was switched on, or may have been."""
    try:
        return active_of(known.path / ACTIVE).version is not None
    except (TeachError, BundleError, OSError):
        return True


def _files(path: Path) -> tuple[int, ...]:
    """Return what differs once a file of a question was replaced, or a version came or went."""
    found = []
    for name in (QUESTION, LINES, ACTIVE, VERSIONS):
        try:
            stat = os.stat(path / name)
            found += [stat.st_ino, stat.st_mtime_ns]
        except OSError:
            found += [0, 0]
    return tuple(found)


def load(known: Known, eye: Eye, number: int | None = None) -> Live | None:
    """Return a question ready to answer, None where it is off; TeachError where it cannot.

    ``number`` names a version that is not switched on.
    """
    if known.broken:
        raise TeachError(f'{known.slug}: {known.broken}')
    number = known.active.version if number is None else number
    if number is None:
        return None
    version = versions.read(known.path / VERSIONS / str(number))
    if version.encoder != eye.encoder.sha256:
        raise TeachError(f'{known.slug}: version {number} was made with another encoder; '
                         'fit it again')
    sizes = version.head.weights_cd.shape[1], version.head.near_nk.shape[1]
    if sizes != (eye.encoder.layout.size, eye.encoder.generic_mk.shape[1]):
        raise TeachError(f'{known.slug}: version {number} does not fit the encoder; fit it again')
    return Live(known, version, eye)
