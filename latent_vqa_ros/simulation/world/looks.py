"""Draws what a scene looks like: camera, lights, textures, colours, sensor.

The split ``shifted`` draws textures, tints, lights and camera poses from ranges that no other
split uses; everything else shares one set of ranges.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

import numpy as np

from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.layout import Light, Look, Rgb, Sensor, Surface
from latent_vqa_ros.simulation.world.textures import SHIFTED_TEXTURES, TRAIN_TEXTURES

Span = tuple[float, float]

HUES: dict[str, tuple[Span, Span, Span]] = {  # hue in degrees, saturation, value
    'red': ((-6, 4), (0.82, 0.95), (0.68, 0.88)),
    'orange': ((21, 28), (0.88, 1.0), (0.82, 0.94)),
    'yellow': ((50, 57), (0.80, 0.95), (0.88, 1.0)),
    'green': ((112, 140), (0.70, 0.90), (0.42, 0.66)),
    'blue': ((214, 232), (0.78, 0.95), (0.60, 0.88)),
    'purple': ((278, 292), (0.55, 0.75), (0.48, 0.68)),
    'white': ((0, 360), (0.0, 0.03), (0.93, 1.0)),
    'gray': ((0, 360), (0.0, 0.05), (0.31, 0.41)),
}


@dataclass(frozen=True)
class Ranges:
    """From where the look of a split is drawn."""

    textures: range
    elevation: tuple[Span, ...]  # degrees; one of the spans is chosen
    azimuth: tuple[Span, ...]
    fovy: tuple[Span, ...]
    light_height: tuple[Span, ...]  # degrees above the horizon of the lamp with the shadow
    warmth: tuple[Span, ...]  # > 0: red stronger and blue weaker by this share
    tint_hue: tuple[Span, ...]  # of the table, degrees


TRAINED = Ranges(TRAIN_TEXTURES, ((42, 58),), ((-25, 25),), ((36, 50),), ((48, 82),),
                 ((-0.07, 0.07),), ((15, 60), (180, 230)))
SHIFTED = Ranges(SHIFTED_TEXTURES, ((36, 41), (59, 66)), ((-38, -26), (26, 38)),
                 ((31, 35), (51, 56)), ((34, 46),), ((-0.14, -0.08), (0.08, 0.14)),
                 ((70, 170), (240, 350)))


def _pick(rng: np.random.Generator, spans: tuple[Span, ...]) -> float:
    low, high = spans[int(rng.integers(len(spans)))]
    return float(rng.uniform(low, high))


def object_rgb(rng: np.random.Generator, color: str) -> Rgb:
    """Return one of the tints that people call by this name."""
    hue, saturation, value = (float(rng.uniform(*span)) for span in HUES[color])
    return colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)


def neutral_rgb(rng: np.random.Generator, low: float, high: float) -> Rgb:
    """Return a brownish or bluish grey that is none of the colours."""
    return colorsys.hsv_to_rgb(float(rng.choice((0.08, 0.1, 0.6))), float(rng.uniform(0.05, 0.3)),
                               float(rng.uniform(low, high)))


def _camera(rng: np.random.Generator, ranges: Ranges) -> Camera:
    fovy = _pick(rng, ranges.fovy)
    width = rng.uniform(0.52, 0.60)  # metres of the picture at the target
    target = rng.uniform((-0.025, -0.025, 0.03), (0.025, 0.025, 0.06))
    return Camera((float(target[0]), float(target[1]), float(target[2])),
                  _pick(rng, ranges.azimuth), _pick(rng, ranges.elevation),
                  width / 2 / math.tan(math.radians(fovy) / 2), fovy, float(rng.uniform(-3, 3)))


def _light(rng: np.random.Generator, height: float, power: float, warmth: float,
           shadow: bool) -> Light:
    around, up = rng.uniform(0, 2 * math.pi), math.radians(height)
    direction = (-math.cos(around) * math.cos(up), -math.sin(around) * math.cos(up),
                 -math.sin(up))
    return Light(direction, (power * (1 + warmth), power, power * (1 - warmth)), shadow)


def _lights(rng: np.random.Generator, ranges: Ranges) -> tuple[Light, ...]:
    """Return one or two lamps, the first with a shadow in most scenes."""
    warmth = _pick(rng, ranges.warmth)
    lamps = [_light(rng, _pick(rng, ranges.light_height), rng.uniform(0.36, 0.50), warmth,
                    rng.random() < 0.85)]
    if rng.random() < 0.5:
        lamps.append(_light(rng, rng.uniform(40, 80), rng.uniform(0.08, 0.2), -warmth, False))
    return tuple(lamps)


def _surface(rng: np.random.Generator, ranges: Ranges, value: Span, repeat: Span) -> Surface:
    rgb = colorsys.hsv_to_rgb(_pick(rng, ranges.tint_hue) / 360, float(rng.uniform(0.0, 0.4)),
                              float(rng.uniform(*value)))
    return Surface(int(rng.choice(ranges.textures)), rgb, float(rng.uniform(*repeat)))


def _sensor(rng: np.random.Generator) -> Sensor:
    balance = rng.uniform(0.96, 1.04, 3)
    return Sensor(
        brightness=float(rng.uniform(95, 135)),
        balance=(float(balance[0]), float(balance[1]), float(balance[2])),
        vignette=float(rng.uniform(0, 0.2)),
        blur=float(max(rng.uniform(-0.4, 0.7), 0)), noise=float(rng.uniform(0.5, 5)),
        jpeg=int(rng.integers(75, 96)) if rng.random() < 0.5 else 0,
        seed=int(rng.integers(2**31)))


def draw(rng: np.random.Generator, ranges: Ranges) -> Look:
    """Return a random look."""
    return Look(
        _camera(rng, ranges), _lights(rng, ranges), float(rng.uniform(0.38, 0.48)),
        _surface(rng, ranges, (0.28, 0.80), (2, 5)), _surface(rng, ranges, (0.2, 0.7), (1, 3)),
        float(rng.uniform(0.0, 0.35)), _sensor(rng))
