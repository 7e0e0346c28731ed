"""The truth's answer to each kind of question, and the group under which it is reported.

A kind about a place is named `<place>_<what>`: `tray_any` (is anything in it), `tray_empty`,
`tray_a` (is there a red cube in it), `tray_the` (is the red cube in it), `tray_what`,
`tray_count`, `tray_seen`. meaning.py says what counts as seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latent_vqa_ros.simulation.language.meaning import (
    NO,
    NONE,
    NOTHING,
    SEVERAL,
    YES,
    Meaning,
    matches,
    placed,
    refer,
    related,
    related_things,
    signature,
)
from latent_vqa_ros.simulation.truth import Scene

PLACES = {'gripper': 'held', 'tray': 'in_tray', 'edge': 'at_edge'}  # -> the flag of a Thing
PRESUPPOSITION, PRESUPPOSITION_RELATED = 'presupposition', 'presupposition_related'
ATTRIBUTES = ('color', 'shape', 'size')
VERIFIES = tuple(f'is_{name}' for name in ATTRIBUTES)
COMPARISONS = ('more', 'fewer', 'equal')
RELATIONAL = ('relation', 'related_any', 'related_color', 'related_shape')
DEFINITE = (*ATTRIBUTES, *VERIFIES, *RELATIONAL, 'tray_the', 'edge_the')  # "the …", not "a …"
PLACE_KINDS = ('gripper_seen', 'gripper_any', 'gripper_empty', 'gripper_a', 'gripper_what',
               'gripper_color', 'tray_seen', 'tray_any', 'tray_empty', 'tray_a', 'tray_the',
               'tray_what', 'tray_count', 'edge_any', 'edge_the', 'edge_what')
KINDS = ('exists', 'count', 'count_is', *ATTRIBUTES, *VERIFIES, *RELATIONAL, *COMPARISONS,
         *PLACE_KINDS)
_DIRECTIONS = {'left': 'left_right', 'right': 'left_right', 'front': 'front_behind',
               'behind': 'front_behind', 'on': 'on_top'}
_GROUPS = {'exists': 'existence', **dict.fromkeys(VERIFIES, 'verify'),
           **dict.fromkeys(COMPARISONS, 'comparison')}


@dataclass(frozen=True)
class Outcome:
    """An answer, its group, and the things that "what", "anything" or "the thing" stand for."""

    answer: str
    group: str
    targets: tuple[int, ...] = ()


def outcome(scene: Scene, meaning: Meaning) -> Outcome | None:
    """Return what the truth answers; None where it is not certain from what can be seen."""
    if meaning.kind in DEFINITE:
        referred = [refer(scene, said) for said in meaning.about]
        failed = {found for found in referred if isinstance(found, str)}
        if None in referred or len(failed) > 1:
            return None
        if failed:
            return Outcome(failed.pop(), PRESUPPOSITION)
        return _about_the(scene, meaning, [i for i in referred if isinstance(i, int)])
    place, _, what = meaning.kind.partition('_')
    if place in PLACES:
        return _at_place(scene, meaning, place, what)
    found = _about_any(scene, meaning)
    return None if found is None else Outcome(found, group_of(meaning))


def group_of(meaning: Meaning) -> str:
    """Return the group under which a meaning is reported, unless what it presupposes is wrong."""
    kind = meaning.kind
    if kind == 'count':
        return '_'.join(['count', *signature(meaning.about[0])])
    if kind == 'relation':
        return _DIRECTIONS[meaning.relation]
    place, _, what = kind.partition('_')
    if place in PLACES:
        return {'what': f'{place}_what', 'color': f'{place}_what',
                'count': f'{place}_count'}.get(what, place)
    return _GROUPS.get(kind, kind)


def _about_any(scene: Scene, meaning: Meaning) -> str | None:
    """Answer about how many things fit one or two descriptions."""
    found = [matches(scene, said) for said in meaning.about]
    counts = [len(sure) for sure, _ in found]
    unsure = any(maybe for _, maybe in found)
    if meaning.kind == 'exists' and counts[0]:
        return YES
    if unsure or meaning.kind == 'equal' and counts == [0, 0]:
        return None
    if meaning.kind == 'count':
        return str(counts[0])
    if meaning.kind == 'count_is':
        return _yes(counts[0] == int(meaning.value))
    if meaning.kind == 'exists':
        return NO
    first, second = counts
    return _yes({'more': first > second, 'fewer': first < second,
                 'equal': first == second}[meaning.kind])


def _about_the(scene: Scene, meaning: Meaning, things: Sequence[int]) -> Outcome | None:
    """Answer about things that exist and are unique."""
    kind, first = meaning.kind, scene.things[things[0]]
    if kind in ATTRIBUTES:
        return _told(getattr(first, kind), meaning)
    if kind in VERIFIES:
        value = getattr(first, kind.removeprefix('is_'))
        return _told(value and _yes(value == meaning.value), meaning)
    if kind in ('tray_the', 'edge_the'):
        place = kind.partition('_')[0]
        if not (scene.tray_visible if place == 'tray' else scene.edge_visible):
            return None
        return Outcome(_yes(getattr(first, PLACES[place])), group_of(meaning))
    if kind == 'relation':
        if things[0] == things[1]:
            return None
        holds = related(scene, things[0], meaning.relation, things[1])
        return None if holds is None else Outcome(_yes(holds), group_of(meaning))
    return _about_related(scene, meaning, things[0])


def _about_related(scene: Scene, meaning: Meaning, to: int) -> Outcome | None:
    """Answer about what is, e.g., left of a thing."""
    sure, maybe = related_things(scene, meaning.relation, to)
    if meaning.kind == 'related_any':
        found = YES if sure else None if maybe else NO
        return None if found is None else Outcome(found, group_of(meaning), tuple(sure))
    if maybe and len(sure) < 2:
        return None
    if meaning.kind == 'related_shape':
        return Outcome(_what(scene, sure, 'shape'), group_of(meaning), tuple(sure))
    # "the thing left of" presupposes that there is exactly one
    if len(sure) != 1:
        return Outcome(SEVERAL if sure else NONE, PRESUPPOSITION_RELATED, tuple(sure))
    return _told(scene.things[sure[0]].color, meaning, sure)


def _told(answer: str, meaning: Meaning, targets: Sequence[int] = ()) -> Outcome | None:
    """Return an answer, None where it is '': an attribute that nobody could name."""
    return Outcome(answer, group_of(meaning), tuple(targets)) if answer else None


def _what(scene: Scene, found: Sequence[int], attribute: str) -> str:
    """Answer "what is there": the attribute of the only thing, `nothing` or `several`."""
    if len(found) == 1:
        return str(getattr(scene.things[found[0]], attribute))
    return SEVERAL if found else NOTHING


def _at_place(scene: Scene, meaning: Meaning, place: str, what: str) -> Outcome | None:
    """Answer about what is held, in the tray or at the edge."""
    sure, hidden = placed(scene, PLACES[place])
    seen = {'gripper': scene.gripper_visible, 'tray': scene.tray_visible,
            'edge': scene.edge_visible}[place]
    if not seen and (sure or hidden):
        return None  # the place is there, but nothing of it is in the picture
    found: str | None
    if what == 'seen':
        found = _yes(seen)
    elif place == 'gripper' and not seen and any(t.in_air for t in scene.things):
        return None  # a person's hand holds it
    elif not seen:
        found = NONE
    elif what in ('any', 'empty'):
        found = (None if hidden and not sure else _yes(bool(sure) == (what == 'any')))
    elif what == 'a':
        fitting = [i for i in matches(scene, meaning.about[0])[0] if i in sure]
        maybe = hidden or any(meaning.about[0].might_fit(scene.things[i]) for i in sure)
        found = YES if fitting else None if maybe else NO
        sure = fitting
    elif hidden:
        found = None
    elif what == 'count':
        found = str(len(sure))
    elif what == 'color':
        found = scene.things[sure[0]].color if len(sure) == 1 else SEVERAL if sure else NONE
    else:
        found = _what(scene, sure, 'shape')
    return _told(found or '', meaning, sure)


def _yes(value: bool) -> str:
    return YES if value else NO


