"""An answer, and the JSON that goes out on ``answer/detail`` (schema 1)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.questions import plain
from latent_vqa_ros.core.statuses import Status

SCHEMA = 1
NANO = 1_000_000_000


def softmax(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return probabilities over the last axis; ``temperature`` as in Guo et al. 2017, eq. 9."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    with np.errstate(invalid='ignore'):  # infinite logits become NaN, without a word
        exp = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Latency:
    """Milliseconds spent on one question; None where a step was not reached or reused."""

    decode: float | None = None
    encode: float | None = None
    answer: float | None = None
    total: float | None = None


@dataclass(frozen=True)
class Evidence:
    """Where the model looked for a phrase: ``box`` is x, y, width, height in source pixels."""

    phrase: str
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Detail:
    """Everything known about one question, whatever became of it."""

    status: Status
    question: str
    id: Any = None
    camera: str = ''
    reason: str = ''
    answer: str | None = None
    confidence: float | None = None
    top: tuple[tuple[str, float], ...] = ()
    stamp_ns: int | None = None
    frame_id: str = ''
    image_age_ms: float | None = None
    latency_ms: Latency = field(default_factory=Latency)
    encoding_reused: bool = False
    evidence: tuple[Evidence, ...] = ()
    model: tuple[str, str, str] = ('', '', '')  # name, version, sha256
    forced: bool = False  # a taught answer that its judge did not trust

    def to_dict(self) -> dict[str, Any]:
        """Return the document of ``answer/detail``."""
        stamp = None if self.stamp_ns is None else {
            'sec': self.stamp_ns // NANO, 'nanosec': self.stamp_ns % NANO}
        latency = {name: _rounded(getattr(self.latency_ms, name), 4)
                   for name in ('decode', 'encode', 'answer', 'total')}
        return {
            'v': SCHEMA, 'id': self.id, 'question': self.question, 'camera': self.camera,
            'status': self.status.value, 'reason': self.reason, 'answer': self.answer,
            'confidence': _rounded(self.confidence, 6),
            'top': [[word, _rounded(p, 6)] for word, p in self.top],
            'stamp': stamp, 'frame_id': self.frame_id,
            'image_age_ms': _rounded(self.image_age_ms, 3), 'latency_ms': latency,
            'encoding_reused': self.encoding_reused,
            'evidence': [{'phrase': e.phrase, 'box': list(e.box)} for e in self.evidence],
            'model': dict(zip(('name', 'version', 'sha256'), self.model, strict=True)),
            **({'forced': True} if self.forced else {}),
        }

    def to_json(self) -> str:
        """Return the document on one line, as a topic takes it."""
        return on_one_line(self.to_dict())


def on_one_line(document: Any) -> str:
    """Return JSON without blanks; a lone surrogate, as of a folder's name, becomes U+FFFD."""
    return str(plain(json.dumps(document, ensure_ascii=False, separators=(',', ':'))))


def _rounded(value: float | None, digits: int) -> float | None:
    """Return a number that JSON has; NaN and infinity become null."""
    return None if value is None or not math.isfinite(value) else round(float(value), digits)
