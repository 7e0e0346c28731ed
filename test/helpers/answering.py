"""Shared by the tests of answers about bags: frames to write, one run, what came out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.bags.answer import answers, choose_topics
from latent_vqa_ros.bags.answer_output import open_output
from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.write import BagWriter
from latent_vqa_ros.core.pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / 'test' / 'data' / 'demo_bag'
START_NS = 1_700_000_000 * 10**9
COLOUR, SHAPE = 'what color is the shape?', 'what shape is in the image?'
IMAGE, COMPRESSED, CLOUD = (
    'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage', 'sensor_msgs/msg/PointCloud2')
JOB = {'bag': 'a', 'questions': [COLOUR]}


@lru_cache(maxsize=1)
def shipped_pipeline() -> Pipeline:
    """Return the pipeline with the shipped bundle."""
    return open_pipeline(ROOT / 'models' / 'easy_vqa')


@lru_cache(maxsize=1)
def demo_frames() -> tuple[np.ndarray, ...]:
    """Return the demo bag's 20 pictures, 640x480 RGB."""
    with BagReader(DEMO) as bag:
        return tuple(bag.deserialize(record).data.reshape(480, 640, 3)
                     for record in bag if record.topic == '/image_raw')


def jpeg(rgb_hwc: np.ndarray) -> bytes:
    """Return a picture as the bytes of a JPEG file."""
    return cv2.imencode('.jpg', rgb_hwc[:, :, ::-1])[1].tobytes()


def write_cloud(bag: BagWriter, topic: str, stamp_ns: int, rgb_hwc: np.ndarray) -> None:
    """Write an organized cloud: x as float32, then 0x00RRGGBB."""
    height, width = rgb_hwc.shape[:2]
    points = np.zeros((height, width, 8), np.uint8)
    points[:, :, 4:7] = rgb_hwc[:, :, ::-1]
    types = bag._types.types
    fields = [types['sensor_msgs/msg/PointField'](name=name, offset=offset, datatype=7, count=1)
              for name, offset in (('x', 0), ('rgb', 4))]
    bag._write(topic, CLOUD, stamp_ns, header=bag._header(topic, stamp_ns, 'depth'),
               height=height, width=width, fields=fields, is_bigendian=False, point_step=8,
               row_step=8 * width, data=points.reshape(-1), is_dense=True)


def answer_bag(bag_path: Path, out: Path | str, questions: Sequence[str] = (COLOUR,),
               topics: Sequence[str] = (), every: int = 1, stop_after: int | None = None) -> int:
    """Answer into ``out``; return how many frames were there before."""
    with BagReader(bag_path) as bag:
        chosen = choose_topics(bag.topics, topics)
        with open_output(str(out), JOB) as output:
            before = output.tally.frames
            for index, answered in enumerate(
                    answers(bag, shipped_pipeline(), chosen, questions, every, before)):
                if index == stop_after:
                    raise KeyboardInterrupt
                output.write(answered)
    return before


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a JSONL file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
