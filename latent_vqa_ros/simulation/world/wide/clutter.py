"""What lies about in the wide world and is none of the shapes: sheets, boxes, pens, cables, hands.

Plain data for cell.py. What lies here is drawn in quiet colours, so that no question about a
colour could mean it.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world.layout import Rgb
from latent_vqa_ros.simulation.world.wide.framing import Setting
from latent_vqa_ros.simulation.world.wide.items import Item
from latent_vqa_ros.simulation.world.wide.plan import Stage

Floats = NDArray[np.float64]
Rng = np.random.Generator

MAX_BARS, MAX_SHEETS, MAX_PROPS = 30, 5, 2
PROP_SIZES = (0.09, 0.14, 0.2)  # metres of the longest side
SKIN = ((0.95, 0.76, 0.65), (0.85, 0.62, 0.48), (0.72, 0.50, 0.36), (0.55, 0.36, 0.25),
        (0.38, 0.25, 0.18))
AT_BORDER = 0.12  # share of scenes with something that the picture's border cuts, as shoes
FINGERS = (-0.032, -0.011, 0.010, 0.030)  # metres across the palm


@dataclass(frozen=True)
class Bar:
    """A capsule or an ellipsoid of one colour; ``half`` are MuJoCo's sizes, z along its length."""

    kind: str
    place: Floats
    along: Floats  # where its z points
    half: tuple[float, float, float]
    rgb: Rgb


@dataclass(frozen=True)
class Sheet:
    """A flat or low box with a picture on it: paper, a book, a telephone, a carton."""

    half: tuple[float, float, float]
    x: float
    y: float
    yaw: float
    printed: bool


@dataclass(frozen=True)
class Prop:
    """A mesh that stands about."""

    mesh: int
    size: int  # index of PROP_SIZES
    x: float
    y: float
    yaw: float


@dataclass
class Clutter:
    """All of it."""

    bars: list[Bar] = field(default_factory=list)
    sheets: list[Sheet] = field(default_factory=list)
    props: list[Prop] = field(default_factory=list)


def scatter(rng: Rng, stage: Stage, setting: Setting, meshes: int) -> Clutter:
    """Return what lies about a stage; ``meshes`` is how many meshes there are to choose from."""
    clutter = Clutter()
    if setting.in_hand:
        _hold(rng, clutter, stage.things[0], setting)
        return clutter
    wanted = int(rng.choice(7, p=(0.22, 0.2, 0.18, 0.15, 0.12, 0.08, 0.05)))
    for _ in range(wanted):
        kind = rng.random()
        if kind < 0.4:
            _sheet(rng, clutter, stage, setting)
        elif kind < 0.6:
            _pen(rng, clutter, stage, setting)
        elif kind < 0.78:
            _cable(rng, clutter, setting)
        elif kind < 0.9 and meshes:
            _prop(rng, clutter, stage, setting, meshes)
        else:
            _lump(rng, clutter, stage, setting)
    if rng.random() < AT_BORDER:
        _at_border(rng, clutter, stage, setting)
    if rng.random() < 0.08:
        _reach_in(rng, clutter, stage, setting)
    return clutter


def quiet(rng: Rng) -> Rgb:
    """Return a colour that nobody would call one of the colours but white, gray or black."""
    if rng.random() < 0.4:
        return colorsys.hsv_to_rgb(rng.uniform(0, 1), rng.uniform(0, 0.12), rng.uniform(0.02, 0.2))
    return colorsys.hsv_to_rgb(float(rng.choice((0.08, 0.1, 0.6))), rng.uniform(0, 0.3),
                               rng.uniform(0.1, 0.95))


def _spot(rng: Rng, setting: Setting, stage: Stage, reach: float,
          under: bool = False) -> tuple[float, float] | None:
    """Return a place on the table in or at the picture with room for a circle; None without.

    ``under``: things may stand on it.
    """
    for _ in range(6):
        at = setting.camera.ground_at(rng.uniform(-0.08, 1.08, 2), 0.0)
        if at is None or math.dist(
                at[:2], setting.camera.position[:2]) > 4 * setting.camera.distance:
            continue
        if _room(at, reach, stage, setting, under):
            return float(at[0]), float(at[1])
    return None


def _sheet(rng: Rng, clutter: Clutter, stage: Stage, setting: Setting) -> None:
    if len(clutter.sheets) == MAX_SHEETS:
        return
    flat = rng.random() < 0.55
    long = float(rng.uniform(0.08, 0.5) * setting.width)
    half = (long / 2, long * float(rng.uniform(0.25, 0.8)) / 2,
            0.0002 * (len(clutter.sheets) + 1) if flat else long * float(rng.uniform(0.03, 0.1)))
    spot = _spot(rng, setting, stage, math.hypot(half[0], half[1]), under=flat)
    if spot:
        clutter.sheets.append(Sheet(half, *spot, float(rng.uniform(-3.2, 3.2)),
                                    flat or rng.random() < 0.4))


def _pen(rng: Rng, clutter: Clutter, stage: Stage, setting: Setting) -> None:
    long, thick = rng.uniform(0.05, 0.3) * setting.width, rng.uniform(0.004, 0.012)
    thick = min(thick, 0.04 * long)  # a thicker one is a cylinder
    spot = _spot(rng, setting, stage, long / 2)
    yaw = rng.uniform(0, math.pi)
    if spot and len(clutter.bars) < MAX_BARS:
        clutter.bars.append(Bar('capsule', np.array([*spot, thick]),
                                np.array([math.cos(yaw), math.sin(yaw), 0]),
                                (thick, long / 2, 0), quiet(rng)))


def _cable(rng: Rng, clutter: Clutter, setting: Setting) -> None:
    """Lay a cable on the table, also below things."""
    at = setting.camera.ground_at(rng.uniform(0, 1, 2), 0.0)
    if at is None or setting.table[0] < 1 or len(clutter.bars) + 10 > MAX_BARS:
        return
    thick, step = float(rng.uniform(0.0012, 0.003)), float(rng.uniform(0.06, 0.15)) * setting.width
    rgb, angle, bend = quiet(rng), rng.uniform(0, 6.3), rng.normal(0, 0.35)
    point = np.array([at[0], at[1], thick])
    for _ in range(10):
        bend += rng.normal(0, 0.25)
        angle += bend
        after = point + step * np.array([math.cos(angle), math.sin(angle), 0])
        clutter.bars.append(_between(point, after, thick, rgb))
        point = after


def _between(start: Floats, end: Floats, radius: float, rgb: Rgb) -> Bar:
    """Return a capsule from one point to another."""
    way = end - start
    return Bar('capsule', (start + end) / 2, way, (radius, float(np.linalg.norm(way)) / 2, 0), rgb)


def _prop(rng: Rng, clutter: Clutter, stage: Stage, setting: Setting, meshes: int) -> None:
    size = int(rng.integers(len(PROP_SIZES)))
    spot = _spot(rng, setting, stage, PROP_SIZES[size] / 2)
    if spot and len(clutter.props) < MAX_PROPS and PROP_SIZES[size] < 0.5 * setting.width:
        clutter.props.append(Prop(int(rng.integers(meshes)), size, *spot,
                                  float(rng.uniform(-3.2, 3.2))))


def _lump(rng: Rng, clutter: Clutter, stage: Stage, setting: Setting) -> None:
    """Put a long rounded thing, as a mouse or a tool's handle, on the table."""
    long = float(rng.uniform(0.08, 0.25) * setting.width)
    half = (long * float(rng.uniform(0.12, 0.3)), long * float(rng.uniform(0.15, 0.35)), long)
    spot = _spot(rng, setting, stage, long)
    yaw = rng.uniform(0, math.pi)
    if spot and len(clutter.bars) < MAX_BARS:
        clutter.bars.append(Bar('ellipsoid', np.array([*spot, half[0] * 0.6]),
                                np.array([math.cos(yaw), math.sin(yaw), 0]), half, quiet(rng)))


def _at_border(rng: Rng, clutter: Clutter, stage: Stage, setting: Setting) -> None:
    """Let one or two long rounded things, as shoes, reach into the picture over one border."""
    side, rgb = int(rng.integers(4)), quiet(rng)
    where = rng.uniform(0.1, 0.9)
    for _ in range(int(rng.integers(1, 3))):
        long = float(rng.uniform(0.05, 0.14) * setting.width)
        half = (long * float(rng.uniform(0.2, 0.4)), long * float(rng.uniform(0.2, 0.4)), long)
        beyond = rng.uniform(-0.4, 0.5) * long / setting.width
        at = np.array((where, beyond) if side < 2 else (beyond, where))
        spot = setting.camera.ground_at(at if side % 2 else 1 - at, 0.0)
        where = where + rng.uniform(0.2, 0.45) * (1 if where < 0.5 else -1)
        if spot is None or len(clutter.bars) == MAX_BARS or not _room(spot, long, stage, setting):
            continue
        inward = np.asarray(setting.camera.target) - spot
        yaw = math.atan2(inward[1], inward[0]) + rng.normal(0, 0.3)
        clutter.bars.append(Bar('ellipsoid', np.array([spot[0], spot[1], half[0] * 0.5]),
                                np.array([math.cos(yaw), math.sin(yaw), 0]), half, rgb))


def _room(spot: Floats, reach: float, stage: Stage, setting: Setting,
          under: bool = False) -> bool:
    """Return whether a circle on the table is free of the tray, and of things unless ``under``."""
    at = float(spot[0]), float(spot[1])
    if (np.abs(at) > np.array(setting.table) - reach).any() \
            or stage.tray and stage.tray.gap(*at) < reach:
        return False
    return under or all(math.dist(at, item.position[:2]) > item.reach + reach + 0.003
                        for item in stage.things)


def _skin(rng: Rng) -> Rgb:
    red, green, blue = np.array(SKIN[int(rng.integers(len(SKIN)))]) * rng.uniform(0.85, 1.08)
    return min(float(red), 1.0), float(green), float(blue)


def _reach_in(rng: Rng, clutter: Clutter, stage: Stage, setting: Setting) -> None:
    """Let a hand lie on the table at the border of the picture, away from the things."""
    side = float(rng.choice((0.02, 0.98)))
    at = setting.camera.ground_at(np.array([side, rng.uniform(0.3, 0.95)]), 0.02)
    if at is None or len(clutter.bars) + 16 > MAX_BARS or setting.width < 0.22:
        return
    if any(math.dist(at[:2], item.position[:2]) < item.reach + 0.12 for item in stage.things):
        return
    middle = setting.camera.ground_at(np.array([0.5, 0.5]), 0.02)
    if middle is None:
        return
    forward = (middle - at) * (1, 1, 0)
    forward /= max(float(np.linalg.norm(forward)), 1e-6)
    clutter.bars += palm(rng, at, forward, np.array([0.0, 0.0, 1.0]), 0.1)


def _hold(rng: Rng, clutter: Clutter, item: Item, setting: Setting) -> None:
    """Hold a thing on an open palm or between fingers."""
    camera = setting.camera
    if camera.elevation > 12 and rng.random() < 0.6:
        toward = math.atan2(*(camera.position - item.position)[1::-1])
        angle = toward + rng.uniform(-2.2, 2.2)  # the arm comes from there
        forward = -np.array([math.cos(angle), math.sin(angle), 0.0])
        palm_at = np.array(item.position) - (0, 0, item.height / 2 + 0.012) - 0.012 * forward
        clutter.bars += palm(rng, palm_at, forward, np.array([0.0, 0.0, 1.0]),
                             float(rng.uniform(0.15, 0.8)))
    else:
        clutter.bars += _pinched(rng, item, camera.axes)


def palm(rng: Rng, at: Floats, forward: Floats, up: Floats, curl: float) -> list[Bar]:
    """Return an open hand: palm, four fingers that curl up by so many radians a joint, thumb, arm.

    ``at`` is the middle of the palm, ``forward`` where the fingers point; unit vectors (3,).
    """
    rgb = _skin(rng)
    across = np.cross(forward, up)
    bars = [Bar('ellipsoid', at, up, (0.044, 0.046, 0.013), rgb)]
    for offset in FINGERS:
        point = at + 0.04 * forward + offset * across
        bent = rng.uniform(0, 0.3)
        for length in (0.040, 0.026, 0.021):
            bent += curl * rng.uniform(0.6, 1.3)
            after = point + length * (math.cos(bent) * forward + math.sin(bent) * up)
            bars.append(_between(point, after, float(rng.uniform(0.0075, 0.0095)), rgb))
            point = after
    side = float(rng.choice((-1, 1)))
    point = at - 0.01 * forward + side * 0.036 * across
    for length in (0.035, 0.03):
        after = point + length * (0.6 * forward + side * 0.6 * across + curl * up) / 1.2
        bars.append(_between(point, after, 0.0095, rgb))
        point = after
    wrist = at - 0.05 * forward
    sleeve = quiet(rng) if rng.random() < 0.5 else rgb
    bars.append(_between(wrist, wrist - 0.35 * forward - 0.05 * up, 0.027, sleeve))
    return bars


def _pinched(rng: Rng, item: Item, axes: Floats) -> list[Bar]:
    """Return fingers that hold a thing from behind and from the sides; rows of axes: the eye's."""
    right, up, back = axes
    rgb = _skin(rng)
    reach = 0.5 * (item.reach + item.height / 2)
    start = rng.uniform(-math.pi, 0) if rng.random() < 0.85 else rng.uniform(0, math.pi)
    out = right * math.cos(start) + up * math.sin(start)
    root = item.position + out * (reach + rng.uniform(0.06, 0.1)) - back * rng.uniform(0.01, 0.06)
    bars = [Bar('ellipsoid', root - back * 0.01, out, (0.038, 0.03, 0.045), rgb),
            _between(root, root + 0.3 * out - 0.05 * back, 0.028, rgb)]
    for finger in range(int(rng.integers(2, 5))):
        turn = start + rng.uniform(0.5, 1.5) * (1 if finger % 2 else -1)
        tip = item.position + (right * math.cos(turn) + up * math.sin(turn)) * reach \
            * rng.uniform(0.85, 1.1) + back * rng.uniform(-0.6, 0.6) * reach
        knuckle = (root + tip) / 2 + out * rng.uniform(0, 0.015) - back * rng.uniform(0, 0.01)
        base = root + rng.uniform(-0.03, 0.03) * np.cross(back, out)
        bars += [_between(base, knuckle, 0.009, rgb), _between(knuckle, tip, 0.0085, rgb)]
    return bars
