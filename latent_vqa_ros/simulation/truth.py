"""What is true of a simulated scene: the objects, where they are, what the camera sees of them.

Plain data, written to ``truth.jsonl`` and read back. Knows neither MuJoCo nor questions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

SHAPES = ('cube', 'ball', 'cylinder', 'cone', 'mug', 'bowl')
COLORS = ('red', 'green', 'blue', 'yellow', 'purple', 'orange', 'white', 'gray')
SIZES = ('small', 'large')
MIN_VISIBLE = 0.3  # share of an object that must be seen for it to be asked about
IN_AIR = 0.3  # metres: what is higher is not on the table


@dataclass(frozen=True)
class Thing:
    """One object. An attribute is '' where a person could not name it from the picture.

    Positions are metres in the camera's ground frame: x right, y away, z up. ``visible`` is the
    share of the object's own pixels that nothing hides; ``box`` is x, y, width, height of what is
    seen, in pixels, ``center`` the centroid of the seen pixels.
    """

    shape: str
    color: str
    size: str
    position: tuple[float, float, float]
    visible: float
    box: tuple[int, int, int, int]
    center: tuple[float, float]
    on_top_of: int | None = None  # index of the object it stands on
    in_tray: bool = False
    held: bool = False
    at_edge: bool = False  # so near the edge of the table that a push would drop it

    @property
    def in_air(self) -> bool:
        """Whether something holds it up that is no thing: a gripper or a hand."""
        return self.held or self.position[2] > IN_AIR and self.on_top_of is None

    @property
    def counts(self) -> bool:
        """Whether the object may be asked about."""
        return self.visible >= MIN_VISIBLE


@dataclass(frozen=True)
class Scene:
    """All that is true of one picture (``width`` x ``height`` pixels)."""

    seed: int
    split: str
    width: int
    height: int
    things: tuple[Thing, ...]
    tray_visible: bool
    gripper_visible: bool
    image: str = ''  # file name within its dataset
    world: str = 'workcell'  # which simulation drew it: workcell or wide
    edge_visible: bool = True  # of the table
    ground_margin: float = 0.03  # metres: places nearer to each other are not compared

    @cached_property
    def counted(self) -> tuple[tuple[int, Thing], ...]:
        """The objects that may be asked about, each after its index."""
        return tuple((i, thing) for i, thing in enumerate(self.things) if thing.counts)

    @cached_property
    def hidden(self) -> tuple[Thing, ...]:
        """The objects that are hidden too much to be asked about."""
        return tuple(thing for thing in self.things if not thing.counts)

    @cached_property
    def fitting(self) -> dict[tuple[str, str, str], tuple[tuple[int, ...], bool]]:
        """What meaning.matches found so far: a scene is asked the same 500 times."""
        return {}

    def to_json(self) -> str:
        """Return the scene on one line."""
        # not vars(self), which also holds what was cached
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps(values, default=vars, separators=(',', ':'))

    @classmethod
    def from_json(cls, line: str) -> Scene:
        """Read a scene back."""
        values: dict[str, Any] = json.loads(line)
        things = tuple(_thing(fields) for fields in values.pop('things'))
        return cls(**values, things=things)


def _thing(fields: dict[str, Any]) -> Thing:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value
                              for key, value in fields.items()}
    return Thing(**values)
