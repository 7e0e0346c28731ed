"""Further questions, as people speak: "what do you see", "is anything on the table", "where is …".

What questions.py asks is asked in other words, too (`RESTATED`); the other kinds are new, with
their truth: what is on the table, on which side of the picture something is, how many there are
beside a number, what several things have in common. Where the truth is not certain, nothing is
asked (None). Knows no wording (spoken_wording.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from types import MappingProxyType

from latent_vqa_ros.simulation.language import answering, proposals
from latent_vqa_ros.simulation.language.answering import Outcome
from latent_vqa_ros.simulation.language.meaning import Description, Meaning
from latent_vqa_ros.simulation.language.spoken_truth import LEFT, MIDDLE, RIGHT, TRUTHS
from latent_vqa_ros.simulation.truth import COLORS, SHAPES, Scene

_NUMBERS = '2345'
_COUNTED = ('count_of', 'count_more', 'count_fewer', 'count_least', 'count_most', 'count_only')

RESTATED = MappingProxyType({  # kinds of questions.py -> how early each is tried
    'exists': 2.0, 'count': 2.0, 'color': 1.5, 'shape': 0.6, 'is_color': 0.4, 'is_shape': 0.3,
    'is_size': 0.1, 'relation': 0.8, 'related_any': 0.4, 'related_shape': 0.8, 'gripper_any': 0.3,
    'gripper_what': 0.5, 'gripper_a': 0.3, 'tray_any': 0.3, 'tray_a': 0.4, 'tray_the': 0.3,
    'tray_what': 0.5, 'tray_count': 0.5, 'tray_empty': 0.2, 'tray_seen': 0.15,
    'gripper_seen': 0.15})
DEFINITE = frozenset((  # which presuppose that there is exactly one, or (all_are) any
    'color', 'shape', 'is_color', 'is_shape', 'is_size', 'relation', 'related_any',
    'related_shape', 'tray_the', 'table_color', 'where', 'side_the', 'same_color', 'related_a',
    'related_count', 'choose_color', 'choose_shape', 'all_are', 'table_the', 'side_the_color',
    'related_number', 'beside_color', 'gripper_the'))
WEIGHTS = MappingProxyType({
    **RESTATED, 'table_any': 0.6, 'table_empty': 0.4, 'table_a': 1.0, 'table_what': 2.0,
    'table_count': 1.2, 'table_color': 0.6, 'seen_what': 3.0, 'seen_color': 1.2, 'seen_is': 1.0,
    'what_is': 1.0, 'all_are': 0.8, 'colors': 0.8, 'one_color': 0.5, 'same_color': 0.5,
    'choose_color': 0.4, 'choose_shape': 0.3, 'count_of': 0.5, 'count_more': 0.4,
    'count_fewer': 0.2, 'count_least': 0.4, 'count_most': 0.1, 'count_only': 0.2,
    'more_than_one': 0.5, 'only_one': 0.4, 'both': 0.5, 'either': 0.5, 'where': 1.5,
    'side_the': 0.8, 'side_any': 0.6,
    'side_a': 0.8, 'side_what': 1.0, 'side_color': 0.6, 'side_count': 0.6, 'related_a': 1.0,
    'related_count': 0.6, 'tray_number': 0.4, 'table_the': 0.6, 'seen_any': 0.4, 'seen_empty': 0.3,
    'side_the_color': 0.8, 'related_number': 0.6, 'beside_color': 0.8, 'gripper_the': 0.3})
_GROUPS = MappingProxyType({  # for reports; the first beginning of a kind's name that fits
    'table': 'table', 'side': 'side', 'where': 'side', 'seen': 'seen', 'what_is': 'what',
    'count_': 'number', 'more_than_one': 'number', 'only_one': 'number', 'both': 'two',
    'either': 'two', 'all_are': 'several', 'colors': 'several', 'one_color': 'several',
    'same_color': 'two', 'choose': 'two', 'beside': 'beside', 'tray': 'tray', 'gripper': 'gripper',
    'exists': 'existence', 'count': 'count', 'color': 'attribute', 'shape': 'attribute',
    'is_': 'verify', 'relat': 'beside'})


def propose(scene: Scene, kind: str, chooser: Random) -> list[Meaning]:
    """Return different meanings of a kind that may be worth asking, in a random order."""
    if kind in RESTATED:
        return proposals.propose(scene, kind, chooser)
    if kind in ('table_a', 'side_a', 'tray_number'):
        found = proposals.propose(scene, 'tray_a', chooser)
    elif kind in (*_COUNTED, 'table_count', 'side_count', 'more_than_one', 'only_one'):
        found = proposals.propose(scene, 'count', chooser)
    elif kind in ('table_color', 'side_the_color'):
        found = proposals.propose(scene, 'color', chooser)
    elif kind in ('where', 'side_the', 'table_the', 'gripper_the'):
        like = chooser.choice(('shape', 'color', 'size', 'tray_the'))
        found = proposals.propose(scene, like, chooser)
    elif kind.startswith('choose_'):
        found = proposals.propose(scene, kind.removeprefix('choose_'), chooser)
    elif kind in ('related_a', 'related_count', 'related_number', 'beside_color'):
        return _beside(scene, kind, chooser)
    elif kind in ('same_color', 'both', 'either'):
        return _pairs(scene, kind, chooser)
    elif kind in ('all_are', 'colors', 'one_color'):
        said = [Description(), *(Description(shape=shape) for shape in SHAPES)]
        found = [Meaning(kind, (one,)) for one in said]
    elif kind == 'what_is':
        found = [Meaning(kind, (Description(color=color),)) for color in COLORS]
        found += proposals.propose(scene, 'shape', chooser)
    elif kind in ('seen_is', 'seen_color'):
        found = [Meaning(kind, (Description(),))]
    else:
        found = [Meaning(kind)]
    return [meaning._replace(kind=kind, value=value)
            for meaning in found for value in _values(scene, kind, chooser)]


def _values(scene: Scene, kind: str, chooser: Random) -> Sequence[str]:
    """Return what a kind may claim of each meaning."""
    if kind.startswith('side_'):
        return (LEFT, RIGHT, MIDDLE)
    if kind in _COUNTED:
        return _NUMBERS
    if kind.startswith('choose_'):
        wanted = chooser.sample(COLORS if kind == 'choose_color' else SHAPES, 4)
        held = [getattr(thing, kind.removeprefix('choose_')) for thing in scene.things]
        pairs = {*zip(held, wanted, strict=False), *zip(wanted, held, strict=False)}
        return [f'{a} {b}' for a, b in sorted(pairs) if a and b and a != b]
    colors = list({thing.color: None for thing in scene.things if thing.color})
    if kind == 'all_are':
        return list(dict.fromkeys((*colors, chooser.choice(COLORS))))
    if kind == 'seen_is':
        shapes = [thing.shape for thing in scene.things]
        return list(dict.fromkeys((*colors, *shapes, chooser.choice(COLORS),
                                   chooser.choice(SHAPES))))
    return ('',)


def _beside(scene: Scene, kind: str, chooser: Random) -> list[Meaning]:
    """Return questions for things of a kind beside another: "is there a cube left of the ball"."""
    found = []
    for meaning in proposals.propose(scene, 'related_any', chooser):
        if kind == 'related_count':
            found.append(meaning._replace(kind=kind))
            continue
        shown = chooser.choice(scene.things) if scene.things else None
        shape = shown.shape if shown and chooser.random() < 0.7 else chooser.choice(SHAPES)
        color = shown.color if shown and chooser.random() < 0.7 else chooser.choice(COLORS)
        said = chooser.choice((Description(shape=shape), Description(color=color),
                               Description(color=color, shape=shape)))
        if kind == 'beside_color':
            said = Description(shape=shape)
        if said != Description():
            found.append(meaning._replace(kind=kind, about=(said, *meaning.about)))
    return found


def _pairs(scene: Scene, kind: str, chooser: Random) -> list[Meaning]:
    """Return pairs: of any two kinds of things, or of two things that are there."""
    if kind in ('both', 'either'):
        name = chooser.choice(('shape', 'shape', 'color'))
        wanted = SHAPES if name == 'shape' else COLORS
        said = [Description(**{name: value}) for value in wanted]
        found = proposals.propose(scene, 'exists', chooser)[:4]
        pairs = [(a, b) for a in said for b in said if a != b]
        chooser.shuffle(pairs)
        return [Meaning(kind, pair) for pair in pairs[:16]] + [
            Meaning(kind, (a.about[0], b.about[0])) for a in found for b in found
            if not _overlap(a.about[0], b.about[0])]
    return [meaning._replace(kind=kind, relation='')
            for meaning in proposals.propose(scene, 'relation', chooser)]


def _overlap(a: Description, b: Description) -> bool:
    """Whether one thing could be both."""
    return all(not x or not y or x == y for x, y in zip(a, b, strict=True))


def outcome(scene: Scene, meaning: Meaning) -> Outcome | None:
    """Return what the truth answers; None where it is not certain from what can be seen."""
    kind = meaning.kind
    if kind in RESTATED:
        return answering.outcome(scene, meaning)
    found = TRUTHS[kind](scene, meaning)
    if found is None or isinstance(found, Outcome):
        return found
    return Outcome(found, kind) if found else None


def group_of(kind: str) -> str:
    """Return the group under which a kind is reported."""
    return 'spoken_' + next(group for start, group in _GROUPS.items() if kind.startswith(start))
