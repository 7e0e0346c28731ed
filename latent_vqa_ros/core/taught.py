"""What the pipeline asks of questions that were taught; ``teach.taught`` has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]
OFF = 'it is taught, and not switched on'  # of Taught.why_not


@dataclass(frozen=True, eq=False)
class Seen:
    """What a taught question sees of a frame: a probability per answer, and how strange it is.

    ``box`` is its region in pixels of the frame; ``encode_ms`` None where the region was encoded
    for another question already. ``grey``: R = G = B in the frame; None where the question is not
    about colours.
    """

    answers: tuple[str, ...]
    probabilities: Array
    distance: float
    limit: float
    box: tuple[int, int, int, int]
    decode_ms: float
    encode_ms: float | None
    answer_ms: float
    grey: bool | None = None


class TaughtQuestion(Protocol):
    """A question that was taught and is switched on."""

    @property
    def min_confidence(self) -> float:
        """The confidence below which it is unsure."""

    @property
    def identity(self) -> tuple[str, str, str]:
        """Name, version and digest of what answers."""

    @property
    def broken(self) -> str:
        """Why it cannot answer, empty where it can."""

    @property
    def forced(self) -> bool:
        """Whether it was switched on though it was not trusted."""

    @property
    def answers(self) -> tuple[str, ...]:
        """What it can answer; empty where it is broken."""

    @property
    def shown(self) -> frozenset[str]:
        """The sha256 of each picture file that it was taught with."""

    def see(self, frame: Any) -> Seen:
        """Return what it sees of a ``core.pipeline.Frame``; raises ImageError."""


class Taught(Protocol):
    """The questions that were taught."""

    def find(self, question: str, camera: str) -> TaughtQuestion | None:
        """Return the one that has this text; None leaves the question to the bundle."""

    def why_not(self, question: str, camera: str) -> str:
        """Return why a text that was taught was not found, empty where it was not taught."""
