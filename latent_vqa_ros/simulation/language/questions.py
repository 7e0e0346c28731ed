"""Questions about a scene, each with its true answer and where its noun phrases are.

    tally = Tally()  # one for each split
    for scene in scenes:
        asked = ask(scene, np.random.default_rng(scene.seed), tally=tally)

An answer is chosen first, then a question that has it. So a rare answer is asked for as often as
a common one. A tally makes the answers even over all scenes, too: a single scene cannot do this,
as it has one gripper. Renders nothing; meaning.py knows which truths are certain enough to ask.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from latent_vqa_ros.simulation.language import grammar, spoken
from latent_vqa_ros.simulation.language.answering import (
    DEFINITE,
    PRESUPPOSITION,
    PRESUPPOSITION_RELATED,
    RELATIONAL,
    Outcome,
    group_of,
    outcome,
)
from latent_vqa_ros.simulation.language.balance import SLACK, Candidate, Tally
from latent_vqa_ros.simulation.language.captions import caption_words
from latent_vqa_ros.simulation.language.grammar import (
    LIKE_HELD_OUT,
    TARGET,
    Span,
    Wordings,
    say,
)
from latent_vqa_ros.simulation.language.meaning import (
    NO,
    NONE,
    NOTHING,
    SEVERAL,
    YES,
    Meaning,
    matches,
)
from latent_vqa_ros.simulation.language.proposals import propose
from latent_vqa_ros.simulation.language.spoken_wording import SPOKEN
from latent_vqa_ros.simulation.language.wording import TRAIN
from latent_vqa_ros.simulation.truth import Scene, Thing

# How early a kind is tried, and how often a wrong presupposition is wanted.
WEIGHTS = {'exists': 2.0, 'count': 3.0, 'count_is': 0.7, 'color': 2.0, 'shape': 2.0, 'size': 1.5,
           'is_color': 0.4, 'is_shape': 0.4, 'is_size': 0.4, 'relation': 9.0, 'related_any': 3.0,
           'related_color': 5.0, 'related_shape': 6.0, 'more': 1.0, 'fewer': 0.5, 'equal': 0.5,
           'gripper_seen': 0.15, 'gripper_any': 0.4, 'gripper_empty': 0.4, 'gripper_a': 0.5,
           'gripper_what': 0.8, 'gripper_color': 0.7, 'tray_seen': 0.15, 'tray_any': 0.4,
           'tray_empty': 0.4, 'tray_a': 0.4, 'tray_the': 0.4, 'tray_what': 0.8,
           'tray_count': 0.6, 'edge_any': 0.6, 'edge_the': 0.6, 'edge_what': 1.0}
FAILED = {PRESUPPOSITION: 0.12, PRESUPPOSITION_RELATED: 0.3}
ROUNDS = 3  # how often each kind may be tried in one scene
EASY = 0.2  # share of "what colour is the thing left of …" kept where all others have one colour


@dataclass(frozen=True)
class Phrase:
    """Words ``start`` to ``stop`` (exclusive) of a question and the index of their thing.

    A token's index is its word's index + 1 (CLS). ``named`` is False for "what", "anything" and
    "the thing", whose thing is found by its place and not by the words.
    """

    text: str
    start: int
    stop: int
    thing: int
    named: bool = True


@dataclass(frozen=True)
class Question:
    """A question with its true answer; ``group`` is the kind of question, for reports."""

    text: str
    answer: str
    group: str
    phrases: tuple[Phrase, ...]
    meaning: Meaning


def ask(scene: Scene, rng: np.random.Generator, limit: int = 10, wordings: Wordings = TRAIN,
        tally: Tally | None = None) -> list[Question]:
    """Return at most ``limit`` questions, no two of one meaning; a function of its arguments.

    ``wordings``: TRAIN, HELD_OUT, which training never sees, or SPOKEN, whose kinds are those of
    spoken.py. ``tally`` is read and filled.
    """
    chooser = Random(int(rng.integers(2**63)))
    asked: dict[Meaning, Question] = {}
    for kind in _order(chooser, spoken.WEIGHTS if wordings is SPOKEN else WEIGHTS):
        candidates = (_spoken if wordings is SPOKEN else _candidates)(scene, kind, chooser, asked)
        found = (_any_of(candidates, chooser) if tally is None
                 else _rarest(candidates, chooser, tally))
        if found is None:
            continue
        if tally is not None:
            tally.add(found)
        asked[found.meaning] = word(scene, found.meaning, found.told, chooser, wordings)
        if len(asked) == limit:
            break
    return list(asked.values())


def word(scene: Scene, meaning: Meaning, told: Outcome, chooser: Random,
         wordings: Wordings = TRAIN) -> Question:
    """Return a meaning as a question; its phrases are those that mean exactly one thing."""
    spoken_so = wordings is SPOKEN  # what looks held out is not said, so that it stays unseen
    text, spans = say(meaning, chooser, wordings, LIKE_HELD_OUT if spoken_so else None)
    phrases = [Phrase(span.text, span.start, span.stop, thing, span.of != TARGET)
               for span in spans if (thing := _meant(scene, meaning, told, span)) is not None]
    group = spoken.group_of(meaning.kind) if spoken_so else told.group
    return Question(text, told.answer, group, tuple(phrases), meaning)


def _meant(scene: Scene, meaning: Meaning, told: Outcome, span: Span) -> int | None:
    """Return the thing that a noun phrase means, None unless it is exactly one."""
    if span.of == TARGET:
        return told.targets[0] if len(told.targets) == 1 else None
    sure, maybe = matches(scene, meaning.about[int(span.of)])
    return sure[0] if len(sure) == 1 and not maybe else None


def _order(chooser: Random, weights: Mapping[str, float]) -> list[str]:
    """Return the kinds to try, the heavier ones earlier (Efraimidis and Spirakis 2006)."""
    keys = [(chooser.random() ** (1 / weight), kind)
            for _ in range(ROUNDS) for kind, weight in weights.items()]
    return [kind for _, kind in sorted(keys, reverse=True)]


def _candidates(scene: Scene, kind: str, chooser: Random,
                asked: dict[Meaning, Question]) -> list[Candidate]:
    """Return meanings that have an answer; the presupposition of all is wrong, or of none."""
    failed = ''
    if kind in DEFINITE and chooser.random() < FAILED[PRESUPPOSITION]:
        failed = PRESUPPOSITION
    elif kind == 'related_color' and chooser.random() < FAILED[PRESUPPOSITION_RELATED]:
        failed = PRESUPPOSITION_RELATED
    found = []
    for meaning in propose(scene, kind, chooser):
        told = None if meaning in asked else outcome(scene, meaning)
        if told is None or told.group != (failed or group_of(meaning)):
            continue
        others = _others(scene, meaning) if kind in RELATIONAL else ()
        easy = kind == 'related_color' and len({thing.color for thing in others}) == 1
        if failed or not easy or chooser.random() < EASY:
            found.append(Candidate(meaning, told, len(others)))
    return found


def _spoken(scene: Scene, kind: str, chooser: Random,
            asked: dict[Meaning, Question]) -> list[Candidate]:
    """Return meanings of a kind of spoken.py that have an answer, as ``_candidates`` does."""
    failed = chooser.random() < FAILED[PRESUPPOSITION]
    found = [Candidate(meaning, told, 0) for meaning in spoken.propose(scene, kind, chooser)
             if meaning not in asked and (told := spoken.outcome(scene, meaning))]
    return [one for one in found
            if kind not in spoken.DEFINITE or failed == _presupposes_wrongly(kind, one.told)]


def _presupposes_wrongly(kind: str, told: Outcome) -> bool:
    """Return whether "the …" is none or several things; several left of the ball are no error."""
    return (told.answer in (NONE, SEVERAL)
            and not (kind == 'related_shape' and told.group == 'related_shape'))


def _others(scene: Scene, meaning: Meaning) -> list[Thing]:
    """Return the things that can be told and that the meaning does not name."""
    named = [i for said in meaning.about for i in matches(scene, said)[0]]
    return [thing for i, thing in scene.counted if i not in named]


def _any_of(candidates: Sequence[Candidate], chooser: Random) -> Candidate | None:
    """Choose an answer at random, then a question that has it."""
    if not candidates:
        return None
    answer = chooser.choice(sorted({one.told.answer for one in candidates}))
    return chooser.choice([one for one in candidates if one.told.answer == answer])


def _rarest(candidates: Sequence[Candidate], chooser: Random, tally: Tally) -> Candidate | None:
    """Choose the question whose answer is rarest so far; None where all are too frequent."""
    best, least = None, (SLACK, math.inf)
    for one in candidates:
        score = tally.excess(one, least[0]), chooser.random()
        if score < least:
            best, least = one, score
    return best


def shortcut_answers(scene: Scene, questions: Sequence[Question]) -> list[str | None]:
    """Answer knowing which things are in the picture but not where they are.

    None for a question that needs no place. A floor beside the blind one: a model that is no
    better than this has learned no relation.
    """
    return [_shortcut(scene, question) for question in questions]


def _shortcut(scene: Scene, question: Question) -> str | None:
    meaning = question.meaning
    place, _, what = meaning.kind.partition('_')
    if meaning.kind not in RELATIONAL and place not in ('gripper', 'tray', 'edge'):
        return None
    if question.group == PRESUPPOSITION:
        return question.answer  # what is in the picture decides
    others = _others(scene, meaning)
    if what in ('color', 'shape', 'what'):
        values = [name for thing in others
                  if (name := thing.color if what == 'color' else thing.shape)]
        empty = NONE if what == 'color' else NOTHING
        return Counter(values).most_common(1)[0][0] if values else empty
    if what == 'count':
        return '1' if others else '0'
    if what == 'empty':
        return NO if others else YES
    if what == 'a':
        return YES if len(others) < len(scene.counted) else NO
    return NO if not others and what == 'any' else YES


def vocabulary() -> tuple[str, ...]:
    """Return all words of questions, answers and captions, sorted."""
    return grammar.vocabulary(caption_words())
