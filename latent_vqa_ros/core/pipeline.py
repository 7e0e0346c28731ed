"""The way of a question: tokenize, find the frame, decode, encode once, answer.

    encoded = pipeline.encode(frame)                  # ImageError where it cannot be decoded
    detail = pipeline.answer(request, encoded)        # any number of them about one encoding
    detail = pipeline.respond(request, frame)         # both; a camera's last frame is kept

``respond`` and ``answer`` give every status that depends on request and frame; they never raise
on bad input. Knows no ROS, no threads and no graph runtime.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core import evidence
from latent_vqa_ros.core.answer import NANO, Detail, Evidence, Latency, softmax
from latent_vqa_ros.core.bundle import Bundle
from latent_vqa_ros.core.colours import about_colours, is_grey
from latent_vqa_ros.core.image_formats import ImageError, Pixels, finish_rgb
from latent_vqa_ros.core.preprocess import prepare, to_source
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.reading import Reader
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.core.taught import Taught
from latent_vqa_ros.core.tokenizer import QuestionError, UnknownWordsError, words

Array = NDArray[Any]
GREY = 'the picture is grey (R = G = B): colours cannot be told from it'


class Backend(Protocol):
    """Executes a bundle's two graphs."""

    name: str

    def encode(self, image_hwc: Array) -> tuple[Array, float]:
        """Return one image's features (positions, channels) and familiarity distance."""

    def answer(self, features_nc: Array, tokens_t: Array) -> tuple[Array, Array | None]:
        """Return one question's logits (answers,) and where each token looked (tokens, positions).

        The second is None where the bundle has no evidence.
        """


@dataclass(frozen=True, eq=False)
class Frame:
    """One camera frame, not yet decoded.

    ``decode`` returns pixels uint8 (H, W[, channels]) and the OpenCV code that makes them RGB
    after the resize, None where they are (as ``image_formats.raw_to_view``); or ImageError.
    ``stamp_ns`` and ``received_ns`` are nanoseconds of the node's clock. 0 means that the camera
    sets no stamp, or that the arrival is not known; without a stamp the age counts from the
    arrival. ``arrived_s`` is the arrival by time.monotonic(), which nobody can set back;
    ``waited_s`` is None where it does not count, as under simulated time. ``is_grey`` tells
    whether R = G = B, None where only ``decode`` does; or ImageError.
    """

    decode: Callable[[], Pixels]
    stamp_ns: int = 0
    received_ns: int = 0
    frame_id: str = ''
    camera: str = ''
    arrived_s: float | None = None
    nbytes: int = 0  # that it takes in memory
    is_grey: Callable[[], bool | None] = lambda: None

    def age_s(self, now_ns: int) -> float:
        """Return how old it is, from its arrival where it has no stamp; negative: future."""
        return (now_ns - (self.stamp_ns or self.received_ns)) / NANO

    def outdated_s(self, now_ns: int) -> float:
        """Return how long ago it was taken or arrived, whichever is longer.

        A camera whose clock runs ahead would else stay fresh after its end, and any camera after
        the wall clock was set back.
        """
        known = [at_ns for at_ns in (self.stamp_ns, self.received_ns) if at_ns]
        return max((now_ns - min(known, default=0)) / NANO, self.waited_s or 0.0)

    @property
    def waited_s(self) -> float | None:
        """How long ago it arrived, by the wall; None under simulated time."""
        return None if self.arrived_s is None else time.monotonic() - self.arrived_s

    def why_outdated(self, now_ns: int, limit_s: float) -> str:
        """Return what to look at where the frame is older than ``limit_s``."""
        old, waited_s = f'the newest image is {self.outdated_s(now_ns):.1f} s old', self.waited_s
        taken = f'at most {limit_s:g} s are taken'
        if waited_s is None:
            return f'{old}, {taken}; does the camera still run, does use_sim_time fit its stamps?'
        if waited_s > limit_s:
            return f'{old}, {taken}; does the camera still run?'
        return (f'{old} by its stamp, {taken}, but it arrived {waited_s:.1f} s ago: the clocks of '
                'camera and node differ; synchronize them, or set use_sim_time where the images '
                'come from a bag or a simulation')


@dataclass(frozen=True, eq=False)
class Encoded:
    """A frame with its features; whoever made it may hold it. ``size`` is height and width.

    ``grey``: R = G = B everywhere, so that no question about colours can be answered.
    """

    frame: Frame
    features_nc: Array
    distance: float
    size: tuple[int, int]
    decode_ms: float
    encode_ms: float
    grey: bool = False


class Refused(Exception):
    """Why a question gets no answer; it never leaves the pipeline."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Pipeline:
    """Answers requests about frames with one bundle. Use it from one thread at a time.

    ``top_k``, ``min_confidence``, ``max_age_s``, ``max_distance`` and ``taught`` may be set at
    any time; a question that ``taught`` knows never reaches the bundle.
    """

    taught: Taught | None = None

    def __init__(self, bundle: Bundle, backend: Backend, top_k: int = 3,
                 min_confidence: float | None = None, max_age_s: float = 0.0) -> None:
        """``min_confidence`` None takes the bundle's; ``max_age_s`` 0 takes frames of any age."""
        self.bundle = bundle
        self.backend = backend
        self.top_k = top_k
        self.min_confidence = (bundle.manifest.min_confidence if min_confidence is None
                               else min_confidence)
        self.max_age_s = max_age_s
        self.max_distance = bundle.manifest.max_distance
        self._reader = Reader(bundle.manifest)
        self._encoded: dict[str, Encoded] = {}
        self._grey: dict[str, bool] = {}  # by camera

    def respond(self, request: Request, frame: Frame | None, now_ns: int = 0,
                absent: str = 'no image has arrived yet') -> Detail:
        """Answer one request; ``frame`` None means no camera image, ``absent`` says why.

        The last frame of each camera is kept: any number of questions about it encode it once.
        """
        start = time.perf_counter()
        found: dict[str, Any] = {}  # fields of the detail; made once, as each copy costs 4 us
        latency: dict[str, float] = {}
        try:
            if self._taught(request, frame, now_ns, absent, found, latency):
                return self._detail(request, found, latency, start)
            said, tokens_t = self._check(request, frame, now_ns, absent, found)
            assert frame is not None
            encoded = self._encoded.get(frame.camera)
            found['encoding_reused'] = encoded is not None and encoded.frame is frame
            if encoded is None or encoded.frame is not frame:
                encoded = self._encoded[frame.camera] = self._encode(frame)
                self._grey[frame.camera] = encoded.grey
                latency.update(decode=encoded.decode_ms, encode=encoded.encode_ms)
            self._answer(said, tokens_t, encoded, found, latency)
        except Refused as refused:
            self._refuse(refused, request, found)
        return self._detail(request, found, latency, start)

    def forget(self) -> None:
        """Let go of all frames and of the taught questions."""
        self._encoded.clear()
        self._grey.clear()
        self.taught = None

    def shows_colours(self, camera: str) -> bool:
        """Return whether the camera's last frame that was answered about is not grey.

        True where none was; of taught questions those about colours count. Any thread may call it.
        """
        return not self._grey.get(camera)

    def encode(self, frame: Frame) -> Encoded:
        """Return the frame's features for any number of calls of ``answer``; raises ImageError."""
        start = time.perf_counter()
        pixels, code = frame.decode()
        image_hwc = finish_rgb(prepare(pixels, self.bundle.manifest.preprocess), code)
        decoded = time.perf_counter()
        features, distance = self.backend.encode(image_hwc)
        done = time.perf_counter()
        return Encoded(frame, features, distance, pixels.shape[:2], (decoded - start) * 1e3,
                       (done - decoded) * 1e3, is_grey(image_hwc))

    def answer(self, request: Request, encoded: Encoded, now_ns: int = 0) -> Detail:
        """Answer one request about a frame that ``encode`` of this pipeline has encoded."""
        start = time.perf_counter()
        found: dict[str, Any] = {'encoding_reused': True}
        latency: dict[str, float] = {}
        try:
            if self._taught(request, encoded.frame, now_ns, '', found, latency):
                return self._detail(request, found, latency, start)
            said, tokens_t = self._check(request, encoded.frame, now_ns, '', found)
            self._answer(said, tokens_t, encoded, found, latency)
        except Refused as refused:
            self._refuse(refused, request, found)
        return self._detail(request, found, latency, start)

    def _refuse(self, refused: Refused, request: Request, found: dict[str, Any]) -> None:
        """Put status and reason into ``found``; of a text that was taught, why that is off."""
        vain = not request.error and refused.status in (Status.UNKNOWN_WORDS, Status.BAD_QUESTION)
        why = self.taught.why_not(request.question, request.camera) if vain and self.taught else ''
        found.update(status=refused.status, reason='; '.join(filter(
            None, (why, found.get('reason'), refused.reason))))

    def _detail(self, request: Request, found: dict[str, Any], latency: dict[str, float],
                start: float) -> Detail:
        latency['total'] = (time.perf_counter() - start) * 1e3
        found.setdefault('model', self.bundle.identity)
        return Detail(question=request.question, id=request.id, camera=request.camera,
                      latency_ms=Latency(**latency), **found)

    def _taught(self, request: Request, frame: Frame | None, now_ns: int, absent: str,
                found: dict[str, Any], latency: dict[str, float]) -> bool:
        """Answer a taught question; return whether it was one."""
        question = (None if self.taught is None or request.error
                    else self.taught.find(request.question, request.camera))
        if question is None:
            return False
        found.update(model=question.identity, forced=question.forced)
        if question.broken:
            raise Refused(Status.FAILED, question.broken)
        frame = self._fresh(frame, now_ns, absent, found)
        try:
            seen = question.see(frame)
        except ImageError as error:
            raise Refused(Status.BAD_IMAGE, str(error)) from None
        found.update(encoding_reused=seen.encode_ms is None,
                     evidence=(Evidence(request.question, seen.box),))
        latency['answer'] = seen.answer_ms
        if seen.encode_ms is not None:
            latency.update(decode=seen.decode_ms, encode=seen.encode_ms)
        if seen.grey is not None:
            self._grey[frame.camera] = seen.grey
        if not seen.distance <= seen.limit and not seen.grey:
            raise Refused(Status.UNFAMILIAR_IMAGE, (
                'the region is unlike all that was shown (distance '
                f'{seen.distance:.3g}, limit {seen.limit:.3g})'))
        default = self.min_confidence == self.bundle.manifest.min_confidence
        self._choose(seen.answers, seen.probabilities, found)
        if seen.grey:
            raise Refused(Status.UNSURE, GREY)
        self._check_confidence(found['confidence'], max(
            question.min_confidence, 0.0 if default else self.min_confidence))
        return True

    def _check(self, request: Request, frame: Frame | None, now_ns: int, absent: str,
               found: dict[str, Any]) -> tuple[list[str], Array]:
        """Return words and tokens asked; Refused where these, or the frame's age, rule it out."""
        if request.error:
            raise Refused(Status.BAD_QUESTION, request.error)
        try:
            asked, said, tokens_t = self._reader.read(request.question)
        except UnknownWordsError as error:
            raise Refused(Status.UNKNOWN_WORDS, str(error)) from None
        except QuestionError as error:
            raise Refused(Status.BAD_QUESTION, str(error)) from None
        if asked is not request.question:
            found['reason'] = f'read as {asked!r}'
        self._fresh(frame, now_ns, absent, found)
        return said, tokens_t

    def _fresh(self, frame: Frame | None, now_ns: int, absent: str,
               found: dict[str, Any]) -> Frame:
        """Return the frame; Refused where there is none, or an old one."""
        if frame is None:
            raise Refused(Status.NO_IMAGE, absent)
        found.update(stamp_ns=frame.stamp_ns, frame_id=frame.frame_id,
                     image_age_ms=frame.age_s(now_ns) * 1e3)
        if self.max_age_s and frame.outdated_s(now_ns) > self.max_age_s:
            raise Refused(Status.STALE_IMAGE, frame.why_outdated(now_ns, self.max_age_s))
        return frame

    def _encode(self, frame: Frame) -> Encoded:
        try:
            return self.encode(frame)
        except ImageError as error:
            raise Refused(Status.BAD_IMAGE, str(error)) from None

    def _answer(self, said: list[str], tokens_t: Array, encoded: Encoded, found: dict[str, Any],
                latency: dict[str, float]) -> None:
        """Put answer, status and evidence into ``found``, and the time into ``latency``."""
        colourless = encoded.grey and about_colours(said)
        limit = self.max_distance
        if limit is not None and not encoded.distance <= limit and not colourless:
            raise Refused(Status.UNFAMILIAR_IMAGE, (
                'the image is unlike what the model was trained on (distance '
                f'{encoded.distance:.3g}, limit {limit:.3g})'))
        start = time.perf_counter()
        logits, attention_tn = self.backend.answer(encoded.features_nc, tokens_t)
        latency['answer'] = (time.perf_counter() - start) * 1e3
        manifest, config = self.bundle.manifest, self.bundle.manifest.evidence
        if config is not None and attention_tn is not None:
            found['evidence'] = self._evidence(said, attention_tn, config.grid, encoded.size)
        self._choose(manifest.answers, softmax(logits, manifest.temperature), found)
        if colourless or encoded.grey and about_colours(words(found['answer'])):
            raise Refused(Status.UNSURE, GREY)
        doubt = self._reader.doubt(said, found['answer'])
        if doubt:
            raise Refused(Status.UNSURE, doubt)
        self._check_confidence(found['confidence'], self.min_confidence)

    def _evidence(self, said: list[str], attention_tn: Array, grid: tuple[int, int],
                  size: tuple[int, int]) -> tuple[Evidence, ...]:
        rule = self.bundle.manifest.preprocess
        return tuple(
            Evidence(phrase, to_source(cells, grid, *size, rule))
            for phrase, cells in evidence.find(said, attention_tn, self._reader.nouns, grid))

    def _choose(self, answers: Sequence[str], p: Array, found: dict[str, Any]) -> None:
        """Put the likeliest answers into ``found``."""
        order = np.argsort(-p, kind='stable')[:max(1, self.top_k)]
        top = tuple((answers[i], float(p[i])) for i in order)
        answer, confidence = top[0]
        found.update(answer=answer, confidence=confidence, top=top, status=Status.OK)

    def _check_confidence(self, confidence: float, limit: float) -> None:
        if not confidence >= limit:  # not a number: logits of a damaged bundle
            raise Refused(Status.UNSURE, f'confidence {confidence:.2f} is below {limit:g}')
