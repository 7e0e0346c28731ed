"""The truth of a wide scene, and whether a person could tell it from the picture.

A scene is refused where a thing is neither clearly seen nor clearly hidden, too small, or cut off
too far; where half a tray, half a gripper or a hint of the table's edge shows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.truth import Scene, Thing
from latent_vqa_ros.simulation.world.observe import (
    between_fingers,
    gripper_seen,
    own_pixels,
    see,
    tray_seen,
)
from latent_vqa_ros.simulation.world.wide.cell import BEYOND_PIXEL, TABLE_PIXEL
from latent_vqa_ros.simulation.world.wide.framing import Setting
from latent_vqa_ros.simulation.world.wide.items import Item
from latent_vqa_ros.simulation.world.wide.plan import NEAR, Stage

Owners = NDArray[np.int8]

HIDDEN, SEEN, CUT = 0.08, 0.5, 0.7  # visible shares: below, above, and above if the border cuts
SMALLEST = (0.06, 0.065)  # of a thing's box, shares of the picture's width and height
HANDLED = 1.35  # times as large must a mug be, so that its handle is seen
UNSURE = (0.04, 0.5)  # shares of the tray and the gripper that no scene shows
EDGE = (0.02, 0.25)  # of the picture's height: length of the table's edge that no scene shows
LARGER = 1.2  # by how much large things look larger than small ones, where sizes are told
APART = 0.055  # of the picture's width: places nearer to each other are not compared


def observe(seed: int, split: str, stage: Stage, setting: Setting, owners: Owners) -> Scene | None:
    """Return the truth; None where it is not certain from the picture.

    ``owners`` (height, width) says whose each pixel is.
    """
    camera, (height, width) = setting.camera, owners.shape
    rows, columns = np.nonzero(owners >= 0)
    seen = owners[rows, columns]
    things = tuple(_at_edge(see(item, camera, height, rows[seen == i], columns[seen == i]),
                            item, setting) for i, item in enumerate(stage.things))
    if not all(_certain(thing, width, height) for thing in things):
        return None
    shown = [thing.counts for thing in things]
    if things and not (all(shown) if setting.in_hand else any(shown)):
        return None
    tray = tray_seen(stage.tray, camera, owners) if stage.tray else 0.0
    gripper = gripper_seen(stage.gripper, camera, owners) if stage.gripper else 0.0
    edge = _edge(owners) / height
    for share, (least, most) in ((tray, UNSURE), (gripper, UNSURE), (edge, EDGE)):
        if least < share < most:
            return None
    if stage.gripper and (gripper < UNSURE[1] or not any(thing.held for thing in things) and
                          between_fingers(stage.gripper, camera, owners, len(things))):
        return None
    if not _sizes_told(stage, things, setting, height):
        things = tuple(replace(thing, size='') for thing in things)
    return Scene(seed, split, width, height, things, tray > UNSURE[1], gripper > UNSURE[1],
                 world='wide', edge_visible=edge >= EDGE[1],
                 ground_margin=round(APART * setting.width, 4))


def _at_edge(thing: Thing, item: Item, setting: Setting) -> Thing:
    stands = not (item.held or item.in_tray or setting.in_hand) and item.on_top_of is None
    return replace(thing, at_edge=stands and item.edge_distance() < NEAR * setting.width)


def _certain(thing: Thing, width: int, height: int) -> bool:
    """Return whether a thing is clearly hidden, or seen well enough to be told."""
    if thing.visible < HIDDEN:
        return True
    x, y, w, h = thing.box
    cut = x == 0 or y == 0 or x + w == width or y + h == height
    if x == 0 and x + w == width or y == 0 and y + h == height:
        return False  # from border to border: it may be anything
    least = HANDLED if thing.shape == 'mug' else 1.0
    return (thing.visible > (CUT if cut else SEEN)
            and w >= least * SMALLEST[0] * width and h >= least * SMALLEST[1] * height)


def _edge(owners: Owners) -> float:
    """Return how many pixels of the table's edge are seen."""
    found = 0
    for first, second in ((owners[1:], owners[:-1]), (owners[:, 1:], owners[:, :-1])):
        found += int(((first == TABLE_PIXEL) & (second == BEYOND_PIXEL)).sum())
        found += int(((first == BEYOND_PIXEL) & (second == TABLE_PIXEL)).sum())
    return found / 1.3  # a slanted line of n pixels has between n and 2 n such neighbours


def _sizes_told(stage: Stage, things: tuple[Thing, ...], setting: Setting, height: int) -> bool:
    """Return whether both sizes are seen, and large things also look larger than small ones."""
    looks: dict[str, list[float]] = {'small': [], 'large': []}
    for thing, item in zip(things, stage.things, strict=True):
        if not thing.size:
            return False
        if thing.counts:
            looks[thing.size].append(own_pixels(item, setting.camera, height) ** 0.5)
    return bool(looks['small'] and looks['large']
                and min(looks['large']) > LARGER * max(looks['small']))
