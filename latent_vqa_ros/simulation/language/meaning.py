"""What a question asks, apart from its words, and what the truth of a scene answers.

Answers come from what can be seen. A thing that is hidden too much (`Thing.counts` is False) is
never asked about: its colour may be seen, its shape and size may not, so it *may be* anything of
its colour. An attribute that nobody could name ('') may be any. Where that could change the
answer, the question has no answer (None) and is not asked.
A reference that fits nothing is answered `none`, one that fits several things `several`.

Relations are half planes in the camera's frame, as in CLEVR (Johnson et al. 2017), and hold only
where ground and picture agree by a margin. Knows neither wording nor chance.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from latent_vqa_ros.simulation.truth import COLORS, SHAPES, SIZES, Scene, Thing

PIXEL_MARGIN = 0.03  # of the picture's width or height, between the seen centroids
NONE, SEVERAL, NOTHING, YES, NO = 'none', 'several', 'nothing', 'yes', 'no'
MOST = 6  # things that are counted
ANSWERS = (YES, NO, *map(str, range(MOST + 1)), *COLORS, *SHAPES, *SIZES, NONE, SEVERAL, NOTHING)
RELATIONS = ('left', 'right', 'front', 'behind', 'on')
# relation -> (index of position and centre, sign on the ground, sign in the picture)
_AXES = {'left': (0, -1, -1), 'right': (0, 1, 1), 'front': (1, -1, 1), 'behind': (1, 1, -1)}


class Description(NamedTuple):
    """What a noun phrase says of a thing; an empty string is not said."""

    size: str = ''
    color: str = ''
    shape: str = ''

    def may_fit(self, hidden: Thing) -> bool:
        """Whether a thing that is mostly hidden could be meant, by what is seen of it."""
        return self.color in ('', hidden.color) or not hidden.color

    def might_fit(self, thing: Thing) -> bool:
        """Whether a thing that does not surely fit would, if its unnamed attributes were right."""
        untold = self.size and not thing.size or self.color and not thing.color
        return bool(untold and self.shape in ('', thing.shape)
                    and (not self.size or thing.size in ('', self.size))
                    and (not self.color or thing.color in ('', self.color)))


@cache
def signature(said: Description) -> tuple[str, ...]:
    """Return the names of the attributes that are said."""
    return tuple(name for name, value in zip(said._fields, said, strict=True) if value)


def describe(thing: Thing, names: tuple[str, ...]) -> Description:
    """Return what is true of the thing, naming only these attributes, those that can be named."""
    return Description(**{name: getattr(thing, name) for name in names})


class Meaning(NamedTuple):
    """One question without its words. ``value`` is a claimed attribute or number."""

    kind: str
    about: tuple[Description, ...] = ()
    relation: str = ''
    value: str = ''


def matches(scene: Scene, said: Description) -> tuple[tuple[int, ...], bool]:
    """Return the things that fit, and whether a hidden one might fit too."""
    found = scene.fitting.get(said)
    if found is None:
        size, color, shape = said  # no call for each thing
        sure = [i for i, thing in scene.counted if (not size or size == thing.size)
                and (not color or color == thing.color) and (not shape or shape == thing.shape)]
        maybe = (any(said.may_fit(thing) for thing in scene.hidden)
                 or any(said.might_fit(thing) for _, thing in scene.counted))
        found = scene.fitting[said] = tuple(sure), maybe
    return found


def refer(scene: Scene, said: Description) -> int | str | None:
    """Return the one thing that "the …" means, `none`, `several`, or None where nobody knows."""
    sure, maybe = matches(scene, said)
    if len(sure) > 1:
        return SEVERAL
    if maybe:
        return None
    return sure[0] if sure else NONE


def related(scene: Scene, first: int, relation: str, second: int) -> bool | None:
    """Return whether ``first`` is, e.g., left of ``second``; None where it cannot be told."""
    a, b = scene.things[first], scene.things[second]
    if not (a.counts and b.counts):
        return False if relation == 'on' and not _above(scene, first, second) else None
    if relation == 'on':
        if a.held or b.held:
            return None
        above = _above(scene, first, second)
        return None if above and a.on_top_of != second else above
    axis, ground_sign, pixel_sign = _AXES[relation]
    if axis == 1 and (a.held or b.held):
        return None  # what hangs in the air appears further away than it is
    ground = ground_sign * (a.position[axis] - b.position[axis])
    pixels = (pixel_sign * (a.center[axis] - b.center[axis])
              / (scene.width if axis == 0 else scene.height))
    if ground >= scene.ground_margin and pixels >= PIXEL_MARGIN:
        return True
    return False if ground <= -scene.ground_margin and pixels <= -PIXEL_MARGIN else None


def _above(scene: Scene, first: int, second: int) -> bool:
    """Whether ``first`` stands on ``second``, directly or over things between."""
    below = scene.things[first].on_top_of
    for _ in scene.things:
        if below is None or below == second:
            break
        below = scene.things[below].on_top_of
    return below == second


def related_things(scene: Scene, relation: str, to: int) -> tuple[list[int], bool]:
    """Return the things for which the relation holds, and whether it might for another."""
    told = {i: related(scene, i, relation, to) for i in range(len(scene.things)) if i != to}
    return [i for i, holds in told.items() if holds], None in told.values()


def placed(scene: Scene, where: str) -> tuple[list[int], bool]:
    """Return the things that are 'held', 'in_tray' or 'at_edge', and whether a hidden one is."""
    found = [i for i, thing in enumerate(scene.things) if getattr(thing, where)]
    sure = [i for i in found if scene.things[i].counts]
    return sure, len(sure) < len(found)
