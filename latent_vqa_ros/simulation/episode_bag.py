"""Draws a scripted episode frame by frame and writes it as a ROS 2 bag.

    record('episode', seed=1, seconds=24, rate=10, size=384, storage='mcap')

    /camera/image_raw     sensor_msgs/Image, rgb8; or /camera/image_raw/compressed, JPEG
    /camera/camera_info   sensor_msgs/CameraInfo, the pinhole that drew the picture
    /clock                rosgraph_msgs/Clock
    /truth                std_msgs/String: {"stamp", "camera", "scene", "answers"}

The scene is as truth.Scene; the answers are those to episode_questions.followed. A frame that
cannot be asked about fairly, as observe.py says, has "scene": null and no answer but null.
The same arguments give the same pictures on one machine. What happens is episode.py's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.write import BagWriter
from latent_vqa_ros.core.answer import NANO
from latent_vqa_ros.simulation import episode
from latent_vqa_ros.simulation.dataset import SIZES
from latent_vqa_ros.simulation.language import episode_questions
from latent_vqa_ros.simulation.truth import Scene
from latent_vqa_ros.simulation.world import observe, sensor
from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.layout import Layout
from latent_vqa_ros.simulation.world.picture import Studio

SPLIT = 'episode'  # of its scenes; no dataset has it
FRAME_ID = 'camera'
IMAGE_TOPIC, INFO_TOPIC, TRUTH_TOPIC = '/camera/image_raw', '/camera/camera_info', '/truth'
START_NS = 1_700_000_000 * NANO  # any fixed time: the bytes must not depend on today
SECONDS, RATE, SIZE, STORAGE = 24.0, 10.0, 384, 'mcap'
JPEG_QUALITY = 85
RATES = (0.1, 100.0)  # frames a second
LOOKS = 40  # moments at which the truth of a script is looked at
AMBIGUOUS = 0.25  # share of them that may be ambiguous: taking and releasing are


@dataclass(frozen=True, eq=False)
class Shot:
    """One frame: RGB (size, size, 3), its truth, None where that is ambiguous."""

    stamp_ns: int
    image_hwc: NDArray[np.uint8]
    scene: Scene | None
    layout: Layout
    camera: Camera


def record(out: str | Path, seed: int = 0, seconds: float = SECONDS, rate: float = RATE,
           size: int = SIZE, storage: str = STORAGE,
           on_frame: Callable[[], object] = lambda: None,
           compressed: bool = False) -> dict[str, Any]:
    """Write the episode of a seed to a bag that must not exist yet; return what it holds.

    ``rate`` is in frames a second, ``size`` in pixels, both ways. ``on_frame`` is called after
    each frame. Raises BagError and RenderError.
    """
    frames = count(seconds, rate)
    check(seed, size)
    ambiguous = 0
    with BagWriter(out, storage) as bag:
        for shot in film(Studio(size), seed, frames, rate):
            write(bag, shot, compressed)
            ambiguous += shot.scene is None
            on_frame()
    return {'out': str(out), 'seed': seed, 'size': size, 'seconds': seconds, 'rate': rate,
            'storage': storage, 'compressed': compressed, 'frames': frames,
            'ambiguous_frames': ambiguous}


def count(seconds: float, rate: float) -> int:
    """Return how many frames an episode has; BagError where that makes no sense."""
    if not RATES[0] <= rate <= RATES[1]:
        raise BagError(f'rate {rate:g}: expected {RATES[0]:g} to {RATES[1]:g} frames a second')
    if not 1 <= seconds * rate <= 100_000:
        raise BagError(f'{seconds:g} s at {rate:g} Hz: expected 1 to 100000 frames')
    return round(seconds * rate)


def check(seed: int, size: int) -> None:
    """Raise BagError if seed or size make no sense."""
    if seed < 0:
        raise BagError(f'seed {seed}: expected a whole number from 0')
    if not SIZES[0] <= size <= SIZES[1]:
        raise BagError(f'size {size}: expected {SIZES[0]} to {SIZES[1]} pixels')


def film(studio: Studio, seed: int, frames: int, rate: float) -> Iterator[Shot]:
    """Yield the frames of the episode of a seed."""
    script = choose(studio, seed)
    for frame in range(frames):
        stamp_ns = START_NS + round(frame * NANO / rate)
        yield shoot(studio, script, seed, frame, frame / max(frames - 1, 1), stamp_ns)


def choose(studio: Studio, seed: int) -> episode.Script:
    """Return the first good episode of a seed; BagError if none could be made."""
    for script in episode.scripts(seed):
        if plain(studio, script) and episode.sound(studio.cell, script):
            return script
    raise BagError(f'no episode could be made of seed {seed}')


def plain(studio: Studio, script: episode.Script) -> bool:
    """Return whether few moments are ambiguous, and neither the first nor the last."""
    def clear(at: float) -> bool:
        return see(studio, script, 0, 0, at) is not None

    return clear(0.0) and clear(1.0) and (
        sum(not clear(at) for at in np.linspace(0, 1, LOOKS)) <= AMBIGUOUS * LOOKS)


def see(studio: Studio, script: episode.Script, seed: int, frame: int, at: float) -> Scene | None:
    """Set up a moment before the camera; return its truth, None where that is ambiguous."""
    cell, view = studio.cell, studio.view
    layout, look = script.layout(at), script.look(at, frame)
    cell.build(layout)
    cell.settle(layout)  # sound() has seen that it does
    cell.dress(layout, look)
    view.update()
    if script.ambiguous(at):
        return None
    return observe.observe(seed, SPLIT, layout, cell.positions(len(layout.things)), look.camera,
                           view.owners(layout))


def shoot(studio: Studio, script: episode.Script, seed: int, frame: int, at: float,
          stamp_ns: int) -> Shot:
    """Return the picture of a moment, also where its truth is ambiguous."""
    scene = see(studio, script, seed, frame, at)
    look = script.look(at, frame)
    image_hwc = sensor.expose(studio.view.colors(), look.sensor)
    return Shot(stamp_ns, image_hwc, scene, script.layout(at), look.camera)


def write(bag: BagWriter, shot: Shot, compressed: bool = False) -> None:
    """Write the four messages of a frame; the clock comes first."""
    height, width = shot.image_hwc.shape[:2]
    bag.write_clock(shot.stamp_ns)
    bag.write_camera_info(INFO_TOPIC, shot.stamp_ns, FRAME_ID, (width, height),
                          height / (2 * math.tan(math.radians(shot.camera.fovy) / 2)))
    if compressed:
        bag.write_compressed(f'{IMAGE_TOPIC}/compressed', shot.stamp_ns, FRAME_ID,
                             jpeg(shot.image_hwc), 'jpeg')
    else:
        bag.write_image(IMAGE_TOPIC, shot.stamp_ns, FRAME_ID, shot.image_hwc)
    bag.write_string(TRUTH_TOPIC, shot.stamp_ns, truth(shot))


def jpeg(rgb_hwc: NDArray[np.uint8]) -> bytes:
    """Return a picture as a JPEG file."""
    bgr_hwc = rgb_hwc[:, :, ::-1]
    return cv2.imencode('.jpg', bgr_hwc, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def truth(shot: Shot) -> str:
    """Return the message on /truth: the stamp of the image, camera pose, scene, answers."""
    sec, nanosec = divmod(shot.stamp_ns, NANO)
    camera = {'height': round(float(shot.camera.position[2]), 6),
              'elevation': round(shot.camera.elevation, 6), 'roll': round(shot.camera.roll, 6)}
    scene = None if shot.scene is None else json.loads(shot.scene.to_json())
    carried = shot.layout.things[0]  # as episode.Script has it
    answers = {asked.text: asked.truth(shot.scene)
               for asked in episode_questions.followed(carried)}
    return json.dumps({'stamp': {'sec': sec, 'nanosec': nanosec}, 'camera': camera,
                       'scene': scene, 'answers': answers}, separators=(',', ':'))
