"""The judge: what a head is worth, by moments that it was not shown, and whether to trust it.

    judgement = judge(shown, answers, fitted, curve)

A moment is left out as a whole, as neighbouring frames look alike: leaving out single frames
promises too much. For the same reason the lower bound counts moments, not frames.
Refuses to know files and pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.answer import softmax
from latent_vqa_ros.teach.features import Layout
from latent_vqa_ros.teach.head import Fitted, Shown, fit

Array = NDArray[Any]
NEEDED = {'shots': 10, 'moments': 3}  # of each answer
SURER = 6  # moments of each answer (docs/results/teaching.json, "moments")
GATE = 0.95  # the least share of shots that is right in moments left out
LEAST_OF_ANSWER = 0.8  # of each answer's own shots: a rare one may not hide behind the others
CONFIDENCE = 0.9  # below, a taught answer is unsure
CURVE = (2, 5, 10, 20)  # shots per answer
DOUBTFUL = 3  # shots named at most
_Z = 1.645  # one-sided 95 %


@dataclass(frozen=True)
class Judgement:
    """What was measured; docs/teaching.md has the meaning of each field."""

    trusted: bool
    reason: str
    by: str
    n: int
    right: float
    lower_bound: float
    gate: float
    answered: float
    right_when_answered: float | None
    per_answer: dict[str, dict[str, Any]]
    curve: tuple[tuple[int, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), 'curve': [list(pair) for pair in self.curve]}


def wilson(right: float, n: int) -> float:
    """Return the one-sided 95 % lower bound of a share (Wilson 1927)."""
    if not n:
        return 0.0
    middle, spread = right + _Z ** 2 / (2 * n), right * (1 - right) / n + _Z ** 2 / (4 * n * n)
    return max(0.0, (middle - _Z * math.sqrt(spread)) / (1 + _Z ** 2 / n))


def judge(shown: Shown, answers: Sequence[str], fitted: Fitted,
          curve: Sequence[tuple[int, float]] = ()) -> Judgement:
    """Judge a head by the scores of its shots where their moment is left out."""
    whole = bool(np.isfinite(fitted.moment_out_nc).all())
    scores_nc = fitted.moment_out_nc if whole else fitted.shot_out_nc
    p_nc = softmax(scores_nc, 1 / fitted.head.scale)
    right_n = p_nc.argmax(1) == shown.answer_n
    answered_n = (p_nc.max(1) >= CONFIDENCE) & (fitted.far_n <= fitted.head.limit)
    n, right = len(right_n), float(right_n.mean())
    bound = wilson(right, len(np.unique(shown.moment_n)))  # frames of a moment are alike
    per_answer = {answer: {'n': int((shown.answer_n == c).sum()),
                           'right': float(right_n[shown.answer_n == c].mean())}
                  for c, answer in enumerate(answers)}
    reason = missing(shown, answers) or (
        _distrust(right, bound, per_answer) if whole else 'not every moment can be left out')
    return Judgement(
        not reason, reason, 'moment' if whole else 'shot', n, right, bound, GATE,
        float(answered_n.mean()),
        float(right_n[answered_n].mean()) if answered_n.any() else None,
        per_answer, tuple(curve))


def missing(shown: Shown, answers: Sequence[str]) -> str:
    """Return what was not shown enough for a judgement, '' if nothing is missing."""
    if len(answers) < 2:
        return 'answers: 1 of 2'
    for name, needed in NEEDED.items():
        for c, answer in enumerate(answers):
            rows = shown.answer_n == c
            have = int(rows.sum()) if name == 'shots' else len(np.unique(shown.moment_n[rows]))
            if have < needed:
                return f'{name}: {have} of {needed} for {answer!r}'
    return ''


def _distrust(right: float, bound: float, per_answer: Mapping[str, Mapping[str, Any]]) -> str:
    worst = min(per_answer, key=lambda one: per_answer[one]['right'])
    share = per_answer[worst]['right']
    if right >= GATE:
        return '' if share >= LEAST_OF_ANSWER else (
            f'{worst!r} is right in {math.floor(100 * share)} % in moments left out; '
            f'{100 * LEAST_OF_ANSWER:.0f} % of each answer are needed')
    return (f'right {math.floor(100 * right)} % in moments left out, at least '
            f'{math.floor(100 * bound)} %; {100 * GATE:.0f} % are needed')


def margins(shown: Shown, fitted: Fitted) -> tuple[Array, Array]:
    """Return how clearly each shot, left out, has its own answer; and which other is nearest."""
    rows = np.arange(len(shown.answer_n))
    others_nc = fitted.shot_out_nc.copy()
    own_n = others_nc[rows, shown.answer_n]
    others_nc[rows, shown.answer_n] = -np.inf
    return own_n - others_nc.max(1), others_nc.argmax(1)


def learning_curve(shown: Shown, count: int, layout: Layout, generic_mk: Array,
                   breathe: Callable[[], object] = lambda: None) -> list[tuple[int, float]]:
    """Return (shots per answer, share right in moments left out) for growing parts."""
    most = int(np.bincount(shown.answer_n, minlength=count).min())
    found = []
    for shots in (k for k in CURVE if k <= most):
        part = shown.some(spread(shown, shots))
        fitted = fit(part, count, layout, generic_mk, breathe)
        if np.isfinite(fitted.moment_out_nc).all():
            right = (fitted.moment_out_nc.argmax(1) == part.answer_n).mean()
            found.append((shots, round(float(right), 4)))
    return found


def spread(shown: Shown, shots: int) -> Array:
    """Return rows with so many shots of each answer, from as many moments as there are."""
    chosen: list[int] = []
    for answer in np.unique(shown.answer_n):
        rows = np.flatnonzero(shown.answer_n == answer)
        turn = [int((shown.moment_n[rows[:i]] == shown.moment_n[row]).sum())
                for i, row in enumerate(rows)]
        chosen += list(rows[np.argsort(turn, kind='stable')][:shots])
    return np.sort(np.array(chosen))
