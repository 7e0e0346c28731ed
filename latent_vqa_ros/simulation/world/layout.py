"""What stands where in a workcell, as plain data: the plan that sampling writes and MuJoCo obeys.

World: metres, origin at the middle of the table's top, z up; ``yaw`` in radians about z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world import meshes
from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.meshes import FORMS, Form

Floats = NDArray[np.float64]
Rgb = tuple[float, float, float]

TABLE = (0.26, 0.23)  # half width and half depth
SCALES = {'small': 0.025, 'large': 0.040}  # half-width of the cube
VARIANTS = (0.95, 1.0, 1.05)  # no two makers agree on small
MAX_THINGS = 6
MAX_CLUTTER = 4
TRAY = (0.105, 0.08)  # half width and half depth inside the rim
TRAY_RIM = (0.005, 0.011)  # half thickness and half height of the rim
TRAY_FLOOR = 0.003  # thickness
FINGER = (0.007, 0.011, 0.030)  # half sizes: along the closing axis, across it, vertical
MAX_OPENING = 0.13
EDGE_NEAR = 0.012  # nearer to the table's edge than this is at the edge
EDGE_FAR = 0.035  # farther than this is not; nothing stands in between
STRETCHED = {'pen', 'cable'}


@dataclass(frozen=True)
class Placed:
    """One object; ``position`` is the middle of its height."""

    shape: str
    color: str
    size: str
    variant: int
    rgb: Rgb
    position: tuple[float, float, float]
    yaw: float
    on_top_of: int | None = None
    in_tray: bool = False
    held: bool = False

    @property
    def form(self) -> Form:
        """Its dimensions at scale 1."""
        return FORMS[self.shape]

    @property
    def scale(self) -> float:
        """Metres per unit of ``form``."""
        return SCALES[self.size] * VARIANTS[self.variant]

    @property
    def height(self) -> float:
        """Metres from bottom to top."""
        return 2 * self.form.half_height * self.scale

    @property
    def reach(self) -> float:
        """Radius in metres of the upright circle that holds it."""
        return self.form.reach * self.scale

    def world(self, points: Floats) -> Floats:
        """Return points (n, 3) given at scale 1 in the world."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])  # for rows
        return np.asarray(points * self.scale @ turn + self.position)

    def edge_distance(self) -> float:
        """Return metres from its outermost point to the nearest edge of the table."""
        far = np.abs(self.world(meshes.points(self.shape))[:, :2]).max(0)
        return float((TABLE - far).min())


@dataclass(frozen=True)
class Tray:
    """A shallow box on the table."""

    x: float
    y: float
    yaw: float
    rgb: Rgb

    def inside(self, x: float, y: float) -> tuple[float, float]:
        """Return a world place along the tray's own axes, from its middle."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        dx, dy = x - self.x, y - self.y
        return c * dx + s * dy, -s * dx + c * dy

    def gap(self, x: float, y: float) -> float:
        """Return metres from a place outside to the tray's rim (0 inside)."""
        a, b = self.inside(x, y)
        rim = 2 * TRAY_RIM[0]
        return math.hypot(max(abs(a) - TRAY[0] - rim, 0), max(abs(b) - TRAY[1] - rim, 0))


@dataclass(frozen=True)
class Gripper:
    """Two fingers above the table; ``z`` is the height of their tips, ``opening`` between them."""

    x: float
    y: float
    z: float
    yaw: float  # direction in which the fingers close
    opening: float
    rgb: Rgb


@dataclass(frozen=True)
class Clutter:
    """A thin neutral thing that is none of the shapes: pen, cable, card or washer."""

    kind: str
    half: tuple[float, float, float]  # along its axis, across, vertical
    x: float
    y: float
    yaw: float
    rgb: Rgb

    @property
    def reach(self) -> float:
        """Radius in metres of the upright circle that holds it."""
        return math.hypot(self.half[0] + self.half[1] * (self.kind in STRETCHED), self.half[1])


@dataclass(frozen=True)
class Light:
    """A lamp that shines along ``direction``; ``strength`` is its colour times its power."""

    direction: tuple[float, float, float]
    strength: Rgb
    shadow: bool


@dataclass(frozen=True)
class Surface:
    """A texture, its tint and how often it repeats per metre."""

    texture: int
    rgb: Rgb
    repeat: float


@dataclass(frozen=True)
class Sensor:
    """What the camera does to light: exposure to JPEG (quality 0: stored without loss)."""

    brightness: float  # mean of the picture after exposure, of 255
    balance: Rgb
    vignette: float  # share of light lost in the corners
    blur: float  # standard deviation in pixels
    noise: float  # standard deviation, of 255
    jpeg: int
    seed: int


@dataclass(frozen=True)
class Look:
    """Everything that changes the picture and not the truth, but for the camera's place."""

    camera: Camera
    lights: tuple[Light, ...]
    ambient: float
    table: Surface
    floor: Surface
    gloss: float
    sensor: Sensor


@dataclass(frozen=True)
class Layout:
    """A whole workcell before physics."""

    things: tuple[Placed, ...]
    tray: Tray | None
    gripper: Gripper | None
    clutter: tuple[Clutter, ...]
