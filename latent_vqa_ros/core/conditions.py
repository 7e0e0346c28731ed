"""Whether a condition holds: answers compared with the expected words, changed only with patience.

    holds = Hysteresis()
    state = holds.feed(verdict(detail, ('yes',)), hold=3)    # True, False, or None: unknown

What is not known is a third result beside true and false: never "no". Knows neither topics, nor
cameras, nor clocks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.statuses import Status


def verdict(detail: Detail, expected: Collection[str]) -> bool | None:
    """Return whether the answer is an expected word, in any case; None where there is none."""
    if detail.status is not Status.OK or detail.answer is None:
        return None
    return any_expected((detail.answer,), expected)


def any_expected(answers: Iterable[str], expected: Collection[str]) -> bool:
    """Return whether one of these answers is an expected word, in any case."""
    wanted = {_plain(word) for word in expected}
    return any(_plain(answer) in wanted for answer in answers)


def _plain(word: str) -> str:
    return word.strip().casefold()


class Hysteresis:
    """A state that changes once the same result has come ``hold`` times in a row."""

    def __init__(self) -> None:
        self.state: bool | None = None
        self._result: bool | None = None
        self.in_a_row = 0  # times that the last result came without another between

    def feed(self, result: bool | None, hold: int) -> bool | None:
        """Count one result; return the state after it."""
        self.in_a_row = self.in_a_row + 1 if self.in_a_row and result is self._result else 1
        self._result = result
        if self.in_a_row >= hold:
            self.state = result
        return self.state
