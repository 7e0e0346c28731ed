"""Keeps answers even over a data set, so that a guesser who sees no picture gains little.

A tally counts the answers given so far at several levels: to the kind of question, to what its
phrases say, to its shapes, to the meaning itself, and, where places decide, to the number of
things in the picture. Of several possible questions the one is asked whose answer is rarest
there; one whose answer is already too frequent is left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from latent_vqa_ros.simulation.language.answering import (
    PRESUPPOSITION,
    PRESUPPOSITION_RELATED,
    RELATIONAL,
    Outcome,
)
from latent_vqa_ros.simulation.language.meaning import (
    NO,
    NONE,
    NOTHING,
    SEVERAL,
    YES,
    Meaning,
    signature,
)

SLACK = 1.5  # questions by which an answer may exceed its share
# Largest share of one answer among the questions of a kind; 0.5 for all others (yes or no).
SHARES = {'color': 0.16, 'related_color': 0.16, 'shape': 0.22, 'related_shape': 0.22,
          'count': 0.2, 'count_color': 0.28, 'count_shape': 0.28, 'count_color_shape': 0.34,
          'gripper_what': 0.16, 'gripper_color': 0.14, 'tray_what': 0.16, 'tray_count': 0.25,
          'edge_what': 0.16,
          'table_what': 0.24, 'table_count': 0.2, 'table_color': 0.18, 'seen_what': 0.26,
          'seen_color': 0.22, 'seen_is': 0.35, 'what_is': 0.2, 'all_are': 0.45, 'colors': 0.2,
          'where': 0.28, 'side_the': 0.45, 'side_what': 0.2, 'side_color': 0.2,
          'side_count': 0.34, 'related_a': 0.45, 'related_count': 0.3, 'tray_number': 0.3,
          'side_the_color': 0.18, 'related_number': 0.34, 'beside_color': 0.18}
_CATEGORIES = (YES, NO, NONE, NOTHING, SEVERAL)


@dataclass(frozen=True)
class Candidate:
    """A question that could be asked.

    ``others`` counts the things that a relational question does not name, 0 to 6.
    """

    meaning: Meaning
    told: Outcome
    others: int

    @property
    def failed(self) -> bool:
        """Whether what it presupposes is wrong."""
        return self.told.group in (PRESUPPOSITION, PRESUPPOSITION_RELATED)

    @property
    def share(self) -> float:
        """Return the largest share that its answer may have."""
        if self.failed:
            return 0.5
        kind = self.meaning.kind
        return SHARES.get(self.told.group if kind == 'count' else kind, 0.5)


class Tally:
    """Counts of the answers given so far. One for each split, filled in a fixed order."""

    def __init__(self) -> None:
        # plain dicts: most keys are new, and a Counter calls a function for each
        self._counts: dict[tuple[Hashable, str], int] = {}
        self._totals: dict[Hashable, int] = {}

    def excess(self, candidate: Candidate, limit: float) -> float:
        """Return by how many questions this answer would exceed its share, at the worst level.

        Levels that come after one above ``limit`` are not looked at.
        """
        worst = float('-inf')
        for level, answer, share in _levels(candidate):
            given = self._counts.get((level, answer), 0) + 1
            worst = max(worst, given - share * (self._totals.get(level, 0) + 1))
            if worst > limit:
                break
        return worst

    def add(self, candidate: Candidate) -> None:
        """Count a question that is asked."""
        for level, answer, _ in _levels(candidate):
            self._counts[level, answer] = self._counts.get((level, answer), 0) + 1
            self._totals[level] = self._totals.get(level, 0) + 1


def _levels(candidate: Candidate) -> Iterator[tuple[Hashable, str, float]]:
    """Yield what is counted: (key, answer, largest share)."""
    meaning, answer, share = candidate.meaning, candidate.told.answer, candidate.share
    kind = (candidate.told.group, meaning.kind, meaning.relation)
    yield kind, answer, share
    yield (*kind, tuple(signature(said) for said in meaning.about)), answer, share
    said = [(each.size, each.color, each.shape) for each in meaning.about]
    if meaning.relation != 'on':  # nothing stands on a ball: such pairs can never be made even
        shapes = [('', '', shape) for _, _, shape in said]
        yield (kind, meaning.value, *shapes), answer, share
    yield (kind, meaning.value, *said), answer, share
    if meaning.kind in RELATIONAL and candidate.told.group != PRESUPPOSITION:
        category, most = (answer, 0.5) if answer in _CATEGORIES else ('one', 0.7)
        yield ('others', meaning.kind, meaning.relation, candidate.others), category, most
