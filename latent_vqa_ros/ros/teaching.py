"""Teaching while the node is active: messages on ``teach``, a thread of its own, memory of frames.

    teaching = Teaching(encoder, settings, publish, failed)
    teaching.remember(detail, frame, settings)        # the worker's thread, after each answer
    teaching.do(message, frame, settings)   # the worker's thread, in their order
    teaching.close()

Fitting runs in a second thread of low priority, so that no answer waits for it. Refuses to know
what a head is: that is ``teach``.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus

from latent_vqa_ros import backends
from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.bundle import BundleError
from latent_vqa_ros.core.image_formats import ImageError, finish_rgb
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.process import one_line
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros.diagnostics import OK, WARN, status
from latent_vqa_ros.ros.parameters import Settings
from latent_vqa_ros.ros.worker import Worker
from latent_vqa_ros.teach.features import ENCODER, RegionEncoder
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.messages import Message, blank
from latent_vqa_ros.teach.question import TeachError
from latent_vqa_ros.teach.taught import Taught
from latent_vqa_ros.teach.teacher import Taken, Teacher

Document = dict[str, Any]
DEPTH = 100  # messages that may wait
DEACTIVATED = 'the node was deactivated'
MAX_REMEMBERED_BYTES = 16 << 20
MAX_WAITING_BYTES = 24 << 20  # of the frames of messages that wait
FULL = f'{DEPTH} messages, or frames of {MAX_WAITING_BYTES >> 20} MB, wait'
NICE = 10  # of the thread that fits
TAUGHT = 'taught/'  # how the name of what answers a taught question begins
RECENT, FEW, SHARE = 20, 10, 0.5  # frames looked at; fewer say nothing; share that is unfamiliar
NEWEST = ('add', 'try')  # take the newest frame
WITH_FRAME = (*NEWEST, 'correct')
READS = ('list', 'show', 'try')  # write nothing
LIGHT = ('list', 'show', 'forget')  # need neither the encoder nor long


def make_encoder(settings: Settings) -> RegionEncoder:
    """Return the encoder, which takes memory once something is taught."""
    return RegionEncoder(lambda: backends.open_features(ENCODER, settings.num_threads))


@dataclass(frozen=True, eq=False)
class Lesson:
    """A message of teaching in the worker's queue, and what it may be about, as of its arrival.

    While it waits, what a correction is about may be forgotten, and newer frames come.
    """

    message: Message
    kept: Sequence[Remembered]
    frames: Mapping[str, Frame | Absent]  # the newest of each camera that it may mean


class Absent(NamedTuple):
    """Why a message that takes a frame has none."""

    status: str = Status.NO_IMAGE.value
    reason: str = ''


@dataclass(frozen=True, eq=False)
class Remembered:
    """What a detail was about."""

    detail: Detail
    frame: Frame
    labelled: bool = False  # somebody has said what is right
    asked: bool = True  # by somebody, who may correct it; not of a condition

    @property
    def slug(self) -> str:
        """The taught question that it answered, '' where the bundle did."""
        name = self.detail.model[0]
        return name.removeprefix(TAUGHT) if name.startswith(TAUGHT) else ''


class Memory:
    """The frames of the last details that have an id. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Any, Remembered] = OrderedDict()

    def keep(self, detail: Detail, frame: Frame | None, most: int, asked: bool = True) -> None:
        """Remember what a detail was about; forget the oldest beyond ``most`` frames.

        What conditions saw goes first, where it is more than half of all.

        A detail without a frame takes the place of an older one with its id, too.
        """
        with self._lock:
            if detail.id is not None:
                self._kept.pop((detail.id, detail.camera), None)
            if detail.id is not None and frame is not None:
                self._kept[detail.id, detail.camera] = Remembered(detail, frame, asked=asked)
            while self._kept and self._too_much(most):
                unasked = [key for key, kept in self._kept.items() if not kept.asked]
                many = 2 * len(unasked) > len(self._kept)
                del self._kept[unasked[0] if many else next(
                    key for key, kept in self._kept.items() if kept.asked)]

    def _too_much(self, most: int) -> bool:
        frames = {id(kept.frame): kept.frame.nbytes for kept in self._kept.values()}
        return (len(frames) > most
                or len(frames) > 1 and sum(frames.values()) > MAX_REMEMBERED_BYTES
                or len(self._kept) > 100 * max(1, most))

    def about(self, id_: Any, camera: str | None = None) -> list[Remembered]:
        """Return what the details with this id were about, of any camera where None is named."""
        with self._lock:
            return [kept for (known, name), kept in self._kept.items()
                    if known == id_ and camera in (None, name)]

    def label(self, found: Remembered) -> None:
        """Note that somebody has said what is right; it can be said again, if it was wrong.

        Other details of the same question about the same frame are labelled, too.
        """
        with self._lock:
            for key, kept in self._kept.items():
                if kept.frame is found.frame and kept.slug == found.slug:
                    self._kept[key] = replace(kept, labelled=True)

    def least_sure(self) -> dict[str, Any]:
        """Return, by taught question, the id of the detail of least confidence, unlabelled."""
        with self._lock:
            found: dict[str, Remembered] = {}
            for kept in self._kept.values():
                if kept.slug and not kept.labelled and kept.detail.confidence is not None and (
                        kept.slug not in found
                        or kept.detail.confidence < (found[kept.slug].detail.confidence or 0)):
                    found[kept.slug] = kept
            return {slug: kept.detail.id for slug, kept in found.items()}


class Teaching:
    """One time of being active."""

    def __init__(self, encoder: RegionEncoder, settings: Settings,
                 publish: Callable[[Document], None], failed: Callable[[Exception], None]
                 ) -> None:
        self._closing = False
        folder = Folder(settings.taught_folder, self._breathe)
        self.taught = Taught(folder, encoder)  # the worker's
        self.taught.refresh()  # broken questions are named before one is asked
        self.memory = Memory()
        self.failure = ''  # why the last message failed
        self._failed_writing = False
        self._teacher = Teacher(folder, encoder, self._breathe)
        self._publish, self._failed = publish, failed
        # by name and version of a taught question, by frame: whether it was unfamiliar
        self._recent: dict[tuple[str, str], dict[Any, bool]] = {}
        self._worker: Worker[tuple[Message, Frame | Absent, float, str, str]] = Worker(
            self._handle, failed)

    # the answering worker's thread

    def saw(self, detail: Detail, frame: Frame | None) -> None:
        """Count whether a taught question found a frame unfamiliar, each frame once."""
        for gone in self._recent.keys() - self.taught.names:
            self._recent.pop(gone, None)
        name = detail.model[:2]
        if frame is None or name not in self.taught.names or detail.latency_ms.answer is None:
            return
        recent = self._recent.setdefault(name, {})
        recent[id(frame), frame.stamp_ns, frame.received_ns] = (
            detail.status is Status.UNFAMILIAR_IMAGE)
        if len(recent) > RECENT:
            del recent[next(iter(recent))]

    def remember(self, detail: Detail, frame: Frame | None, settings: Settings,
                 asked: bool = True) -> None:
        """Keep what a detail was about, so that it can be corrected."""
        self.memory.keep(detail, frame, settings.remembered_frames, asked)

    def do(self, message: Message, frame: Frame | Absent, settings: Settings,
           question: str = '', slug: str = '') -> None:
        """Hand a message on, with the frame that it takes; the document comes in its turn.

        ``question`` is that of the detail which is corrected, ``slug`` that of the taught question
        that answered it.
        """
        if not self.has_room([frame]) or not self._worker.put(
                [(message, frame, settings.min_confidence, question, slug)], DEPTH):
            self._publish(blank(message.do, message.id, 'overloaded', FULL))

    # the teaching thread

    def _handle(self, item: tuple[Message, Frame | Absent, float, str, str]) -> None:
        message = item[0]
        try:
            if message.do not in LIGHT:
                with suppress(BundleError):  # told where it is needed
                    self.taught.eye.encoder.open()  # first: its threads inherit the priority
                lower_priority()
            document = self._document(*item)
        except Exception as error:  # whatever arrived, the message gets its document
            self._failed(error)
            document = blank(message.do, message.id, 'failed',
                             f'internal error: {one_line(error)}')
        if (self._closing and document['reason'].endswith(DEACTIVATED)
                and not document.get('shot')):  # which is stored
            document['status'] = Status.INACTIVE.value
        if document['status'] == 'failed':
            if message.do not in READS or not self._failed_writing:
                self.failure = document['reason']
            self._failed_writing |= message.do not in READS
        elif document['status'] in ('ok', 'not_trusted') and (
                message.do not in READS or not self._failed_writing):
            self.failure, self._failed_writing = '', False
        name, active = TAUGHT + document['slug'], str(document['active'])
        for gone in [one for one in list(self._recent) if one[0] == name and one[1] != active]:
            self._recent.pop(gone, None)
        self._publish(document)

    def _breathe(self) -> None:
        if self._closing:
            raise TeachError(DEACTIVATED)

    def _document(self, message: Message, frame: Frame | Absent, min_confidence: float,
                  question: str, slug: str) -> Document:
        taken = None
        if isinstance(frame, Frame):
            try:
                rgb_hwc = finish_rgb(*frame.decode())
            except ImageError as error:
                return blank(message.do, message.id, Status.BAD_IMAGE.value, str(error))
            taken = Taken(np.asarray(rgb_hwc), frame.stamp_ns or frame.received_ns, frame.camera,
                          question, slug, min_confidence=min_confidence)
        elif message.do in WITH_FRAME:
            return blank(message.do, message.id, frame.status, frame.reason)
        return self._teacher.do(message, taken, self.memory.least_sure())

    # any thread

    def has_room(self, frames: Iterable[Frame | Absent],
                 beside: Iterable[Frame | Absent] = ()) -> bool:
        """Return whether a message's frames may wait, too; those of one message always may.

        Others wait ``beside`` those that wait here.
        """
        held = _sizes((*(frame for _, frame, *_ in self._worker.items()), *beside))
        new = _sizes(frames)
        return not held or not new or sum({**held, **new}.values()) <= MAX_WAITING_BYTES

    def status(self, name: str) -> DiagnosticStatus:
        """Return the state of what is taught, for /diagnostics."""
        seen = [(name.removeprefix(TAUGHT), list(recent.values()))
                for (name, _), recent in list(self._recent.items())]
        moved = [f'{slug}: {sum(recent)} of the last {len(recent)} frames are unlike all that '
                 'was shown; has the camera or the light changed?'
                 for slug, recent in seen
                 if len(recent) >= FEW and sum(recent) > SHARE * len(recent)]
        wrong = [self.failure, *self.taught.problems, *moved]
        said = next(filter(None, wrong), '')
        return status(name, WARN if said else OK, said or 'questions can be taught', {
            'folder': self.taught.folder.path, 'switched_on': self.taught.count,
            'waiting': self._worker.waiting, 'problems': '; '.join(filter(None, wrong))})

    def close(self) -> bool:
        """End the message in hand, a fit soon; those that wait get ``inactive``.

        Return whether there were any.
        """
        self._closing = True
        busy = bool(self._worker.items())
        for message, *_ in self._worker.stop():
            self._publish(blank(message.do, message.id, Status.INACTIVE.value, DEACTIVATED))
        return busy


def _sizes(frames: Iterable[Frame | Absent]) -> dict[int, int]:
    """Return the bytes of each frame, each once."""
    return {id(frame): frame.nbytes for frame in frames if isinstance(frame, Frame)}


def lower_priority() -> None:
    """Let this thread compute only where others leave time; Linux has that by thread."""
    thread = threading.get_native_id()
    if os.getpriority(os.PRIO_PROCESS, thread) < NICE:
        os.setpriority(os.PRIO_PROCESS, thread, NICE)


def not_one(message: Message, kept: Sequence[Remembered], settings: Settings) -> str:
    """Return why a message does not name one frame that is kept."""
    id_ = f'the id {str(message.about)[:40]!r}'
    if kept:
        return (f'details of {len(kept)} cameras have {id_}: give the camera, one of '
                + ', '.join(one.detail.camera or '(unnamed)' for one in kept))
    return (f'no frame of a detail with {id_} is kept '
            f'(remembered_frames {settings.remembered_frames}, and at most '
            f'{MAX_REMEMBERED_BYTES >> 20} MiB of frames)')
