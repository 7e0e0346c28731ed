"""Make the demo bag: camera frames with known answers, from EasyVQA's test images.

    python3 -m latent_vqa_ros.bags.demo_bag OUT [--frames N] [--size WxH] [--storage S] [--seed S]

Topics: /image_raw (sensor_msgs/Image, rgb8) and /truth (std_msgs/String), two frames a second,
both with the same stamp. A truth is {"image": id, "questions": [[question, answer], ...]} with
five questions: one about the shape, one about the colour, three to be answered yes or no.
The same seed gives the same bytes. It knows no model; the easy_vqa wheel brings the pictures.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.write import STORAGES, BagWriter
from latent_vqa_ros.core.answer import NANO

IMAGE_TOPIC = '/image_raw'
TRUTH_TOPIC = '/truth'
START_NS = 1_700_000_000 * NANO  # any fixed time: the bytes must not depend on today
PERIOD_NS = 500_000_000  # 2 Hz
DEFAULT_SEED = 1  # with it all 13 answers of EasyVQA occur in 20 frames
SHAPES = ('circle', 'rectangle', 'triangle')
QUOTA = {'shape': 1, 'colour': 1, 'yes/no': 3}

Question = tuple[str, str]


def group_of(answer: str) -> str:
    """Return the group of an EasyVQA answer: 'yes/no', 'shape' or 'colour'."""
    if answer in ('yes', 'no'):
        return 'yes/no'
    return 'shape' if answer in SHAPES else 'colour'


def enlarge(image_hwc: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Centre a square picture in a frame of width × height, its background at the sides.

    Nearest neighbour keeps the picture's flat colours, so that the model's centre crop and
    area resize give back the picture (mean difference below one grey level of 255).
    """
    square_hwc = cv2.resize(image_hwc, (height, height), interpolation=cv2.INTER_NEAREST)
    frame_hwc = np.empty((height, width, 3), np.uint8)
    frame_hwc[:] = background_of(image_hwc)
    left = (width - height) // 2
    frame_hwc[:, left:left + height] = square_hwc
    return frame_hwc


def background_of(image_hwc: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the commonest colour of a picture's border, [3]: a shape may touch the border."""
    border_nc = np.concatenate(
        [image_hwc[0], image_hwc[-1], image_hwc[:, 0], image_hwc[:, -1]])
    colours_nc, counts_n = np.unique(border_nc, axis=0, return_counts=True)
    chosen: NDArray[np.uint8] = colours_nc[counts_n.argmax()]
    return chosen


def easy_vqa_test() -> Path:
    """Return the folder of EasyVQA's test split; BagError says how to install it."""
    spec = find_spec('easy_vqa')
    if spec is None or not spec.submodule_search_locations:
        raise BagError('the demo bag needs EasyVQA: python3 -m pip install easy-vqa')
    return Path(spec.submodule_search_locations[0]) / 'data' / 'test'


def choose(questions: list[tuple[str, str, int]], frames: int,
           seed: int) -> list[tuple[int, list[Question]]]:
    """Draw `frames` images with five questions each, every group in every frame.

    questions: (question, answer, image id). Raises BagError when there are too few images.
    """
    by_image: dict[int, dict[str, list[Question]]] = {}
    for question, answer, image in questions:
        groups = by_image.setdefault(image, {group: [] for group in QUOTA})
        groups[group_of(answer)].append((question, answer))
    usable = sorted(image for image, groups in by_image.items()
                    if all(len(groups[group]) >= many for group, many in QUOTA.items()))
    if not 1 <= frames <= len(usable):
        raise BagError(f'--frames must be 1 to {len(usable)}, not {frames}')
    rng = random.Random(seed)
    return [(image, [one for group, many in QUOTA.items()
                     for one in rng.sample(by_image[image][group], many)])
            for image in rng.sample(usable, frames)]


def make_demo_bag(out: Path, frames: int = 20, width: int = 640, height: int = 480,
                  storage: str = 'mcap', seed: int = DEFAULT_SEED) -> None:
    """Write the demo bag to `out`, a directory that must not exist yet."""
    if not 0 < height <= width:
        raise BagError(f'--size must be at least as wide as high, not {width}x{height}')
    source = easy_vqa_test()
    questions = json.loads((source / 'questions.json').read_text(encoding='utf-8'))
    chosen = choose([(q, a, i) for q, a, i in questions], frames, seed)
    with BagWriter(out, storage) as bag:
        for index, (image, pairs) in enumerate(chosen):
            stamp_ns = START_NS + index * PERIOD_NS
            bgr_hwc = cv2.imread(str(source / 'images' / f'{image}.png'), cv2.IMREAD_COLOR)
            if bgr_hwc is None:
                raise BagError(f'{source}/images/{image}.png: cannot be read; reinstall easy-vqa')
            rgb_hwc = np.asarray(bgr_hwc, np.uint8)[:, :, ::-1]
            bag.write_image(IMAGE_TOPIC, stamp_ns, 'camera', enlarge(rgb_hwc, width, height))
            bag.write_string(TRUTH_TOPIC, stamp_ns,
                             json.dumps({'image': image, 'questions': pairs}))
    if storage == 'sqlite3':
        _shrink(out / f'{out.name}.db3')


def _shrink(database: Path) -> None:
    """Repack with small pages: a third less on disk when the frames are tiny."""
    connection = sqlite3.connect(database)
    connection.execute('PRAGMA page_size = 1024')
    connection.execute('VACUUM')
    connection.close()


def parse_size(text: str) -> tuple[int, int]:
    """Turn '640x480' into (640, 480)."""
    try:
        width, height = (int(part) for part in text.split('x'))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'expected WIDTHxHEIGHT, not {text!r}') from error
    return width, height


def main() -> int:
    """Parse the arguments, make the bag, say how large it is."""
    parser = argparse.ArgumentParser(description='make the demo bag from EasyVQA test images')
    parser.add_argument('out', type=Path, help='directory to make')
    parser.add_argument('--frames', type=int, default=20)
    parser.add_argument('--size', type=parse_size, default=(640, 480), metavar='WxH')
    parser.add_argument('--storage', choices=STORAGES, default='mcap')
    parser.add_argument('--seed', type=int, default=DEFAULT_SEED)
    args = parser.parse_args()
    try:
        width, height = args.size
        make_demo_bag(args.out, args.frames, width, height, args.storage, args.seed)
    except BagError as error:
        print(error, file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in args.out.iterdir())
    print(f'{args.out}: {args.frames} frames, {size / 1000:.0f} kB', file=sys.stderr)
    return 0


if __name__ == '__main__':
    sys.exit(main())
