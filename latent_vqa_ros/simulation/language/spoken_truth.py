"""The truth's answers to the further questions of spoken.py; None where it is not certain.

A thing in the tray may be said to be on the table or not, and one near the border of two sides to
be on either: where that could change the answer, there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from latent_vqa_ros.simulation.language.answering import Outcome
from latent_vqa_ros.simulation.language.meaning import (
    NO,
    NONE,
    NOTHING,
    SEVERAL,
    YES,
    Description,
    Meaning,
    matches,
    refer,
    related_things,
)
from latent_vqa_ros.simulation.truth import SHAPES, Scene

LEFT, MIDDLE, RIGHT = 'left', 'middle', 'right'
SURELY = (0.42, 0.58)  # of the picture's width: nearer to its middle nobody is sure of a side
_CENTRAL, _OUTER = (0.44, 0.56), (0.35, 0.65)  # surely in the middle; surely not

Truth = Callable[[Scene, Meaning], 'Outcome | str | None']


def _yes(value: bool) -> str:
    return YES if value else NO


def _one(scene: Scene, meaning: Meaning, found: Sequence[int], attribute: str,
         empty: str) -> Outcome | None:
    """Answer with an attribute of the only thing, ``empty`` or `several`."""
    if len(found) == 1:
        told = str(getattr(scene.things[found[0]], attribute))
        return Outcome(told, meaning.kind, tuple(found)) if told else None
    return Outcome(SEVERAL if found else empty, meaning.kind, tuple(found))


def _of_the(holds: Callable[[Scene, Meaning, int], str | bool | None]) -> Truth:
    """Return a truth about the one thing that is meant, from what holds of it."""
    def told(scene: Scene, meaning: Meaning) -> Outcome | None:
        found = refer(scene, meaning.about[0])
        if not isinstance(found, int):
            return Outcome(found, meaning.kind) if found else None
        answer = holds(scene, meaning, found)
        if answer is None:
            return None
        return Outcome(answer if isinstance(answer, str) else _yes(answer), meaning.kind, (found,))
    return told


# What stands on the table.

def _stands(scene: Scene, index: int) -> bool | None:
    """Whether a thing is on the table, directly or on another; in the tray it might be said to."""
    thing = scene.things[index]
    while not (thing.in_air or thing.in_tray) and thing.on_top_of is not None:
        thing = scene.things[thing.on_top_of]
    return False if thing.in_air else None if thing.in_tray else True


def _on_table(scene: Scene) -> tuple[list[int], list[int]]:
    """Return the things that are on the table, and those that may be said to be or are hidden."""
    told = {i: _stands(scene, i) for i in range(len(scene.things))}
    sure = [i for i, on in told.items() if on and scene.things[i].counts]
    return sure, [i for i, on in told.items()
                  if on is None or on and not scene.things[i].counts]


def _table_any(scene: Scene, meaning: Meaning) -> str | None:
    sure, maybe = _on_table(scene)
    if maybe and not sure:
        return None
    return _yes(bool(sure) == (meaning.kind == 'table_any'))


def _table_fitting(scene: Scene, said: Description) -> tuple[list[int], bool]:
    """Return the things on the table that fit, and whether another one might."""
    sure, maybe = _on_table(scene)
    fitting, others = matches(scene, said)
    unsure = others or any(i in fitting for i in maybe)
    return [i for i in fitting if i in sure], unsure


def _table_a(scene: Scene, meaning: Meaning) -> str | None:
    fitting, maybe = _table_fitting(scene, meaning.about[0])
    return YES if fitting else None if maybe else NO


def _table_count(scene: Scene, meaning: Meaning) -> str | None:
    fitting, maybe = _table_fitting(scene, meaning.about[0])
    return None if maybe else str(len(fitting))


def _table_what(scene: Scene, meaning: Meaning) -> Outcome | None:
    sure, maybe = _on_table(scene)
    return (None if maybe and len(sure) < 2
            else _one(scene, meaning, sure, 'shape', NOTHING))


def _table_color(scene: Scene, meaning: Meaning) -> Outcome | None:
    fitting, maybe = _table_fitting(scene, meaning.about[0])
    return (None if maybe and len(fitting) < 2
            else _one(scene, meaning, fitting, 'color', NONE))


# What is there.

def _seen(scene: Scene, attribute: str, meaning: Meaning, empty: str) -> Outcome | None:
    sure = [i for i, _ in scene.counted]
    return (None if scene.hidden and len(sure) < 2
            else _one(scene, meaning, sure, attribute, empty))


def _seen_any(scene: Scene, meaning: Meaning) -> str | None:
    if scene.hidden and not scene.counted:
        return None
    return _yes(bool(scene.counted) == (meaning.kind == 'seen_any'))


def _seen_is(scene: Scene, meaning: Meaning) -> Outcome | None:
    told = _seen(scene, 'shape' if meaning.value in SHAPES else 'color', meaning, NONE)
    if told is None or told.answer in (NONE, SEVERAL):
        return told
    return Outcome(_yes(told.answer == meaning.value), meaning.kind, told.targets)


def _what_is(scene: Scene, meaning: Meaning) -> Outcome | None:
    sure, maybe = matches(scene, meaning.about[0])
    return (None if maybe and len(sure) < 2
            else _one(scene, meaning, sure, 'shape', NOTHING))


# What several things have in common.

def _colors(scene: Scene, meaning: Meaning) -> set[str] | None:
    """Return the colours of all things that fit; None where one is not certain."""
    sure, maybe = matches(scene, meaning.about[0])
    found = {scene.things[i].color for i in sure}
    return None if maybe or '' in found else found


def _all_are(scene: Scene, meaning: Meaning) -> str | None:
    found = _colors(scene, meaning)
    return None if found is None else _yes(found == {meaning.value}) if found else NONE


def _what_colors(scene: Scene, meaning: Meaning) -> str | None:
    found = _colors(scene, meaning)
    return None if found is None else SEVERAL if len(found) > 1 else min(found, default=NONE)


def _one_color(scene: Scene, meaning: Meaning) -> str | None:
    if len(matches(scene, meaning.about[0])[0]) < 2:
        return None
    found = _colors(scene, meaning)
    return None if found is None else _yes(len(found) == 1)


def _same_color(scene: Scene, meaning: Meaning) -> str | None:
    referred = [refer(scene, said) for said in meaning.about]
    failed = {found for found in referred if isinstance(found, str)}
    things = [i for i in referred if isinstance(i, int)]
    if None in referred or len(failed) > 1 or not failed and things[0] == things[1]:
        return None
    colors = [scene.things[i].color for i in things]
    return failed.pop() if failed else _yes(colors[0] == colors[1]) if all(colors) else None


def _choose(scene: Scene, meaning: Meaning, index: int) -> str | None:
    """Answer which of two a thing is, "is the ball red or blue"; None where it is neither."""
    told = str(getattr(scene.things[index], meaning.kind.removeprefix('choose_')))
    return told if told in meaning.value.split(' ') else None


# Numbers.

def _number(holds: Callable[[int, int], bool | None]) -> Callable[[Scene, Meaning], str | None]:
    """Return a truth: what holds of how many there are and of a number."""
    def told(scene: Scene, meaning: Meaning) -> str | None:
        sure, maybe = matches(scene, meaning.about[0])
        found = None if maybe else holds(len(sure), int(meaning.value or 1))
        return None if found is None else _yes(found)
    return told


def _both(scene: Scene, meaning: Meaning) -> str | None:
    found = [matches(scene, said) for said in meaning.about]
    there = [bool(sure) for sure, _ in found]
    sure_no = [not sure and not maybe for sure, maybe in found]
    if meaning.kind == 'both':
        return YES if all(there) else NO if any(sure_no) else None
    return YES if any(there) else NO if all(sure_no) else None


# Sides of the picture.

def _place(scene: Scene, index: int, side: str) -> bool | None:
    """Whether a thing is on a side of the picture; None near the border between two."""
    x = scene.things[index].center[0] / scene.width
    if side == MIDDLE:
        central = _CENTRAL[0] < x < _CENTRAL[1]
        return central if central or not _OUTER[0] < x < _OUTER[1] else None
    if SURELY[0] < x < SURELY[1]:
        return None
    return (x < 0.5) == (side == LEFT)


def _side(scene: Scene, side: str) -> tuple[list[int], bool]:
    """Return the things on a side, and whether another one might be, or a hidden one."""
    told = {i: _place(scene, i, side) for i in range(len(scene.things))}
    sure = [i for i, there in told.items() if there and scene.things[i].counts]
    return sure, any(there is None or there and not scene.things[i].counts
                     for i, there in told.items())


def _where(scene: Scene, _: Meaning, index: int) -> str | None:
    if _place(scene, index, MIDDLE) is not False:
        return MIDDLE if _place(scene, index, MIDDLE) else None
    return LEFT if _place(scene, index, LEFT) else RIGHT


def _side_any(scene: Scene, meaning: Meaning) -> Outcome | None:
    sure, maybe = _side(scene, meaning.value)
    found = YES if sure else None if maybe else NO
    return Outcome(found, meaning.kind, tuple(sure)) if found else None


def _side_a(scene: Scene, meaning: Meaning) -> str | None:
    fitting, maybe = matches(scene, meaning.about[0])
    places = [_place(scene, i, meaning.value) for i in fitting]
    return YES if True in places else None if maybe or None in places else NO


def _side_what(scene: Scene, meaning: Meaning) -> Outcome | None:
    sure, maybe = _side(scene, meaning.value)
    if maybe and len(sure) < 2:
        return None
    color = meaning.kind == 'side_color'
    return _one(scene, meaning, sure, 'color' if color else 'shape', NONE if color else NOTHING)


def _side_the_color(scene: Scene, meaning: Meaning) -> Outcome | None:
    """Answer about the only one of a kind on a side: "the cube on the left", "the left cube"."""
    fitting, maybe = matches(scene, meaning.about[0])
    places = [_place(scene, i, meaning.value) for i in fitting]
    found = [i for i, there in zip(fitting, places, strict=True) if there]
    if (maybe or None in places) and len(found) < 2:
        return None
    return _one(scene, meaning, found, 'color', NONE)


def _side_count(scene: Scene, meaning: Meaning) -> str | None:
    fitting, maybe = matches(scene, meaning.about[0])
    places = [_place(scene, i, meaning.value) for i in fitting]
    return None if maybe or None in places else str(places.count(True))


# Beside another thing, and in the tray.

def _neighbours(scene: Scene, meaning: Meaning) -> tuple[list[int], bool] | Outcome | None:
    """Return the things beside another one, those of a kind where one is said, and whether further
    ones might be; `none` or `several` where the other is that, None where nobody knows.
    """
    to = refer(scene, meaning.about[-1])
    if not isinstance(to, int):
        return Outcome(to, meaning.kind) if to else None
    beside, maybe = related_things(scene, meaning.relation, to)
    if len(meaning.about) == 1:
        return beside, maybe
    fitting, others = matches(scene, meaning.about[0])
    return [i for i in fitting if i in beside], maybe or others


def _beside(scene: Scene, meaning: Meaning) -> Outcome | str | None:
    """Answer whether one is beside a thing, how many are, or of which colour the only one is."""
    told = _neighbours(scene, meaning)
    if told is None or isinstance(told, Outcome):
        return told
    found, unsure = told
    if meaning.kind == 'related_a' and found:
        return Outcome(YES, meaning.kind, tuple(found))
    if unsure and not (meaning.kind == 'beside_color' and len(found) > 1):
        return None
    if meaning.kind == 'beside_color':
        return _one(scene, meaning, found, 'color', NONE)
    return NO if meaning.kind == 'related_a' else str(len(found))


def _held(scene: Scene, _: Meaning, index: int) -> bool | None:
    """Whether the gripper holds a thing; None where a person's hand does, or it is not seen."""
    thing = scene.things[index]
    return None if not scene.gripper_visible or thing.in_air and not thing.held else thing.held


def _tray_number(scene: Scene, meaning: Meaning) -> str | None:
    fitting, maybe = matches(scene, meaning.about[0])
    inside = [i for i in fitting if scene.things[i].in_tray]
    if not scene.tray_visible:
        return None if any(thing.in_tray for thing in scene.things) else NONE
    return None if maybe else str(len(inside))


TRUTHS: Mapping[str, Truth] = MappingProxyType({
    'table_any': _table_any, 'table_empty': _table_any, 'table_a': _table_a,
    'table_what': _table_what, 'table_count': _table_count, 'table_color': _table_color,
    'seen_what': lambda scene, meaning: _seen(scene, 'shape', meaning, NOTHING),
    'seen_color': lambda scene, meaning: _seen(scene, 'color', meaning, NONE),
    'seen_is': _seen_is, 'what_is': _what_is,
    'all_are': _all_are, 'colors': _what_colors, 'one_color': _one_color,
    'same_color': _same_color, 'choose_color': _of_the(_choose),
    'choose_shape': _of_the(_choose),
    # "are there two cubes" beside three: some say yes, some no
    'count_of': _number(lambda n, said: None if n > said else n == said),
    'count_more': _number(lambda n, said: n > said),
    'count_fewer': _number(lambda n, said: n < said),
    'count_least': _number(lambda n, said: n >= said),
    'count_most': _number(lambda n, said: n <= said),
    'count_only': _number(lambda n, said: n == said),
    'more_than_one': _number(lambda n, _: n > 1), 'only_one': _number(lambda n, _: n == 1),
    'both': _both, 'either': _both, 'where': _of_the(_where),
    'side_the': _of_the(lambda scene, meaning, i: _place(scene, i, meaning.value)),
    'side_any': _side_any, 'side_a': _side_a, 'side_what': _side_what, 'side_color': _side_what,
    'side_count': _side_count, 'related_a': _beside, 'related_count': _beside,
    'tray_number': _tray_number, 'table_the': _of_the(lambda scene, _, i: _stands(scene, i)),
    'seen_any': _seen_any,
    'seen_empty': _seen_any, 'side_the_color': _side_the_color, 'related_number': _beside,
    'beside_color': _beside, 'gripper_the': _of_the(_held)})
