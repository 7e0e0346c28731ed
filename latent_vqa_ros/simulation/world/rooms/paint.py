"""What furniture, walls and floors of rooms are made of: pictures drawn once, tinted for each.

    paints = Paints();  name, rgb = paints.of(rng, 'books')
"""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from latent_vqa_ros.simulation.world.layout import Rgb
from latent_vqa_ros.simulation.world.wide import kinds, surfaces
from latent_vqa_ros.simulation.world.wide.kinds import SIDE, Picture, Rng, tone
from latent_vqa_ros.simulation.world.wide.sources import Sources
from latent_vqa_ros.simulation.world.wide.surfaces import Bank

TEX = 96  # pixels of a side of furniture
WALLS, SURFACES = 72, 100  # pictures of walls and floors, and of furniture
PLAIN = 2 * surfaces.EACH  # of the walls' are white, paint and plaster
GROUPS = {'books': 12, 'panels': 16, 'poster': 24, 'screen': 6, 'view': 10, 'curtain': 8,
          'keys': 3}  # and how many pictures of each
SPANS = {  # hue in degrees, saturation, value of what has no picture
    'white': ((0, 360), (0, 0.06), (0.8, 1)), 'steel': ((190, 230), (0, 0.1), (0.4, 0.8)),
    'dark': ((0, 360), (0, 0.2), (0.02, 0.15)), 'glow': ((20, 60), (0, 0.25), (0.95, 1)),
    'skin': ((10, 30), (0.3, 0.6), (0.3, 0.95)), 'leaf': ((70, 140), (0.3, 0.9), (0.15, 0.6))}


class Paints:
    """The pictures, RGB: ``walls`` (n, SIDE, SIDE, 3), ``skins`` by name (TEX, TEX, 3)."""

    def __init__(self) -> None:
        bank, rng = Bank('train', Sources()), np.random.default_rng(55)
        blank = np.full((SIDE, SIDE, 3), 255, np.uint8)
        self.walls = [blank, *bank.drawn[1:PLAIN],
                      *(bank.surface(rng) for _ in range(WALLS - PLAIN))]
        skins = {f'surface{i}': bank.surface(rng) for i in range(SURFACES)}
        for group, count in GROUPS.items():
            skins |= {f'{group}{i}': DRAWN[group](rng, bank) for i in range(count)}
        skins['plain'] = np.full((TEX, TEX, 3), 255, np.uint8)
        self.skins = {name: np.asarray(cv2.resize(skin, (TEX, TEX), interpolation=cv2.INTER_AREA))
                      for name, skin in skins.items()}

    def of(self, rng: Rng, look: str) -> tuple[str, Rgb]:
        """Return a skin's name and the tint of a part with this look."""
        if look in GROUPS:
            tint = kinds.near(rng, tone(rng), 0.2) if look in ('panels', 'curtain') \
                else np.full(3, rng.uniform(0.7, 1))
            return f'{look}{int(rng.integers(GROUPS[look]))}', as_rgb(tint)
        if look in SPANS:
            hue, saturation, value = (float(rng.uniform(*span)) for span in SPANS[look])
            return 'plain', colorsys.hsv_to_rgb(hue / 360, saturation, value)
        if rng.random() < 0.45:
            return f'surface{int(rng.integers(SURFACES))}', as_rgb(rng.uniform(0.6, 1, 3))
        strong = look == 'any' and rng.random() < 0.4
        return 'plain', as_rgb(kinds.color(rng, (0, 360), (0.4, 1), (0.2, 1)) if strong
                               else tone(rng))


def as_rgb(values: np.ndarray) -> Rgb:
    """Return three values in [0, 1]."""
    red, green, blue = (float(v) for v in np.clip(values, 0, 1))
    return red, green, blue


def _blank(color: np.ndarray) -> Picture:
    return np.full((SIDE, SIDE, 3), 255 * color, np.uint8)


def _books(rng: Rng, bank: Bank) -> Picture:
    """Return the backs of books side by side, some lower than others."""
    picture, x = _blank(tone(rng) * 0.3), 0
    while x < SIDE:
        wide, top = int(rng.integers(5, 26)), int(rng.uniform(0, 0.35) * SIDE)
        strong = kinds.color(rng, (0, 360), (0.2, 0.9), (0.1, 0.9))
        paint = (255 * (strong if rng.random() < 0.6 else tone(rng)))
        cv2.rectangle(picture, (x, top), (x + wide - 1, SIDE), paint.tolist(), -1)
        band = top + int(rng.uniform(0.1, 0.6) * (SIDE - top))
        cv2.rectangle(picture, (x, band), (x + wide - 1, band + int(rng.integers(2, 40))),
                      (255 * tone(rng)).tolist(), -1)
        x += wide
    return picture


def _panels(rng: Rng, bank: Bank) -> Picture:
    """Return doors or drawers with their joints and handles, light enough to be tinted."""
    base = np.ascontiguousarray(bank.surface(rng), np.float32)
    picture = base / max(float(base.mean()), 1) * 190 if rng.random() < 0.5 \
        else np.full((SIDE, SIDE, 3), 230, np.float32)
    across, down = (int(v) for v in rng.integers(1, 5, 2))
    wide, tall, dark = SIDE // across, SIDE // down, float(rng.uniform(10, 120))
    inset = int(min(wide, tall) * 0.14)
    for x in range(0, SIDE, wide):
        for y in range(0, SIDE, tall):
            cv2.rectangle(picture, (x, y), (x + wide, y + tall), (dark,) * 3, 2)
            if down < 4 and rng.random() < 0.5:
                end = (x + wide - inset, y + tall - inset)
                cv2.rectangle(picture, (x + inset, y + inset), end, (dark + 60,) * 3, 2)
            knob = (x + wide // 2, y + tall // 2) if down > 1 else (x + wide * 6 // 7, SIDE // 2)
            cv2.circle(picture, knob, int(rng.integers(2, 6)), (dark,) * 3, -1, cv2.LINE_AA)
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def _poster(rng: Rng, bank: Bank) -> Picture:
    """Return a picture in a frame, a page or a board with notes."""
    picture = np.array(bank.photo(rng, SIDE, SIDE))
    if rng.random() < 0.4:
        picture = _blank(tone(rng))
        for _ in range(int(rng.integers(1, 14))):
            x, y, w, h = (int(v) for v in rng.integers((0, 0, 10, 10), (200, 200, 90, 90)))
            cv2.rectangle(picture, (x, y), (x + w, y + h), (255 * tone(rng)).tolist(), -1)
    rim = int(rng.integers(0, 30))
    if rim:
        cv2.rectangle(picture, (0, 0), (SIDE, SIDE), (255 * tone(rng)).tolist(), 2 * rim)
    return picture


def _screen(rng: Rng, bank: Bank) -> Picture:
    """Return dark glass with a reflection."""
    glass = _blank(kinds.color(rng, (180, 260), (0, 0.4), (0.02, 0.25))).astype(np.float32)
    glass += 60 * np.clip(kinds.rough(rng, 2), 0, 1)[..., None]
    return np.asarray(np.clip(glass, 0, 255), np.uint8)


def _view(rng: Rng, bank: Bank) -> Picture:
    """Return what a window shows: sky, trees and houses, or mere light; bars, blinds."""
    picture = _blank(kinds.color(rng, (190, 230), (0, 0.3), (0.85, 1)))
    if rng.random() < 0.5:
        green = kinds.between(kinds.color(rng, (70, 140), (0.2, 0.7), (0.1, 0.6)),
                              kinds.color(rng, (60, 140), (0.1, 0.5), (0.4, 0.9)),
                              0.5 + kinds.rough(rng, 12))
        low = int(rng.uniform(0.3, 0.8) * SIDE)
        picture[low:] = 255 * np.clip(green[low:], 0, 1)
    if rng.random() < 0.15:
        picture //= 8  # at night
    shade = (255 * tone(rng)).tolist()
    if rng.random() < 0.35:
        for y in range(0, int(rng.uniform(0.3, 1) * SIDE), int(rng.integers(8, 20))):
            cv2.line(picture, (0, y), (SIDE, y), shade, int(rng.integers(3, 8)))
    for at in np.linspace(0, SIDE, int(rng.integers(2, 5))).astype(int).tolist():
        cv2.line(picture, (at, 0), (at, SIDE), shade, int(rng.integers(4, 12)))
    for at in np.linspace(0, SIDE, int(rng.integers(2, 4))).astype(int).tolist():
        cv2.line(picture, (0, at), (SIDE, at), shade, int(rng.integers(4, 12)))
    return picture


def _curtain(rng: Rng, bank: Bank) -> Picture:
    """Return folds, in a light cloth that is tinted."""
    folds = np.sin(np.arange(SIDE) * rng.uniform(0.1, 0.5) + 2 * kinds.noise(rng, 4, 2))
    return np.asarray(np.repeat((190 + 60 * folds)[..., None], 3, axis=-1), np.uint8)


def _keys(rng: Rng, bank: Bank) -> Picture:
    """Return a keyboard."""
    picture = _blank(np.full(3, rng.choice((0.1, 0.7))))
    picture[8::16, 8::12] //= 2
    return np.asarray(cv2.erode(picture, np.ones((7, 7), np.uint8)), np.uint8)


DRAWN = {'books': _books, 'panels': _panels, 'poster': _poster, 'screen': _screen, 'view': _view,
         'curtain': _curtain, 'keys': _keys}
