"""The verb `simulate`: draws the simulated workcell.

examples:
  latent_vqa simulate dataset train_scenes/ --scenes 30000 --split train --seed 1 --workers 2
  latent_vqa simulate dataset wide_scenes/ --world wide --scenes 30000 --workers 2
  latent_vqa simulate bag episode/ --seed 1
  latent_vqa simulate bag test/data/episode --rate 5 --size 224 --compressed   # the demo's

`dataset` writes a folder with pictures, their truth, questions and captions, as `evaluate --split`
reads it (`train` wants train, val and test in one folder). The same command gives the same bytes
on one machine. The folder is there whole or not at all: it grows in OUT.part, where the same
command continues after an interruption.

splits:
  train, val, test   the same ranges, other seeds
  compositional      each scene has a pair of colour and shape that no other split shows
  shifted            textures, lights and camera poses from ranges that no other split uses

`--world wide` draws what any camera sees, in the shape of its frame: it has train, val and test,
whose surfaces are of other kinds, and takes pictures and meshes of the package robosuite (MIT;
pip install --no-deps robosuite==1.5.2) and of the folders of --photos and --meshes.

`bag` writes a scripted episode as a ROS 2 bag: a gripper picks an object, carries it over a tray
and puts it down there; somebody adds and removes others; the camera drifts. Topics:
  /camera/image_raw (or /camera/image_raw/compressed) /camera/camera_info /clock
  /truth   std_msgs/String, JSON: what is true of the image of the same stamp, null where that is
           ambiguous; `evaluate --data BAG` and `demo --bag BAG` read it

`datasheet` counts what the data set `tabletop` (or `tabletop_wide`) holds, which `train` draws
into the cache, and writes datasheet.md (or datasheet_wide.md) and example pictures.

Needs MuJoCo (pip install mujoco) and, on a machine without a GPU, the Debian package libosmesa6.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from latent_vqa_ros.cli.common import (
    add_json,
    add_verb,
    count,
    counting,
    end_cleanly,
    positive,
    whole,
)

log = logging.getLogger(__name__)

SPLITS = ('train', 'val', 'test', 'compositional', 'shifted')  # simulation.world.scenes.SPLITS
STORAGES = ('mcap', 'sqlite3')  # bags.write.STORAGES
WORLDS = {'workcell': 128, 'wide': 160}  # datasets.tabletop.SIZE, .WIDE_SIZE
SIZES, RATES = (32, 1024), (0.1, 100.0)  # simulation.dataset.SIZES, .episode_bag.RATES


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `simulate dataset`, `simulate bag` and `simulate datasheet` to the command line."""
    parser = add_verb(subparsers, 'simulate', 'draw the simulated workcell', __doc__)
    what = parser.add_subparsers(metavar='WHAT', required=True)
    _add_dataset(what)
    _add_bag(what)
    _add_datasheet(what)


def _add_dataset(what: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    dataset = what.add_parser('dataset', help='a folder of pictures, truth, questions, captions')
    dataset.add_argument('out', metavar='OUT', type=Path, help='folder to be made')
    dataset.add_argument('--scenes', metavar='N', type=count, required=True)
    dataset.add_argument('--split', choices=SPLITS, default='train')
    dataset.add_argument('--seed', metavar='K', type=whole, default=0,
                         help='other scenes of the same split (default 0)')
    dataset.add_argument('--world', choices=WORLDS, default='workcell',
                         help='(default %(default)s)')
    dataset.add_argument('--photos', metavar='DIR', type=Path,
                         help='wide: JPEG and PNG to make surfaces and backdrops of')
    dataset.add_argument('--meshes', metavar='DIR', type=Path,
                         help='wide: .obj meshes, with .png beside them, that lie about unnamed')
    dataset.add_argument('--size', metavar='PIXELS', type=_square,
                         help='width and height of the pictures; wide: the shorter of them '
                              '(default 128, wide: 160)')
    dataset.add_argument('--questions', metavar='N', type=count, default=10,
                         help='questions per scene, at most (default 10)')
    dataset.add_argument('--held-out-wordings', action='store_true',
                         help='ask in the wordings that training never sees')
    dataset.add_argument('--masks', action='store_true',
                         help='also write whose pixel each one is')
    dataset.add_argument('--workers', metavar='N', type=count, default=os.cpu_count() or 1,
                         help='processes that draw (default: one per core)')
    add_json(dataset, '{"out", "split", "seed", "size", "scenes", "questions", "captions", …}')
    dataset.set_defaults(run=run_dataset)


def _add_bag(what: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    bag = what.add_parser('bag', help='a scripted episode as a ROS 2 bag with its truth')
    bag.add_argument('out', metavar='OUT', type=Path, help='bag to be made')
    bag.add_argument('--seed', metavar='K', type=whole, default=0,
                     help='other episodes (default 0)')
    bag.add_argument('--seconds', metavar='S', type=positive, default=24.0,
                     help='how long it all takes (default %(default)g)')
    bag.add_argument('--rate', metavar='HZ', type=_rate, default=10.0,
                     help='frames a second (default %(default)g)')
    bag.add_argument('--size', metavar='PIXELS', type=_square, default=384,
                     help='side of the square pictures in pixels (default %(default)s)')
    bag.add_argument('--storage', choices=STORAGES, default=STORAGES[0],
                     help='(default %(default)s)')
    bag.add_argument('--compressed', action='store_true',
                     help='JPEG on /camera/image_raw/compressed, for a smaller bag')
    add_json(bag, '{"out", "seed", "size", "seconds", "rate", "frames", "ambiguous_frames", …}')
    bag.set_defaults(run=run_bag)


def _add_datasheet(what: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sheet = what.add_parser('datasheet', help='what a simulated data set holds, for readers')
    sheet.add_argument('out', metavar='OUT', type=Path, nargs='?', default=Path('docs'),
                       help='folder of the page and its pictures (default %(default)s)')
    sheet.add_argument('--scenes', metavar='N', type=count,
                       help='only so many of each split, for a quick look')
    sheet.add_argument('--world', choices=WORLDS, default='workcell',
                       help='workcell: of tabletop; wide: of tabletop_wide (default %(default)s)')
    add_json(sheet, '{"out", "splits": {name: {"scenes", "questions", "captions"}}}')
    sheet.set_defaults(run=run_datasheet)


def _square(text: str) -> int:
    """Turn '384' or '384x384' into 384."""
    sides = text.split('x')
    if len(sides) > 2 or len(set(sides)) > 1 or not sides[0].isdecimal():
        raise argparse.ArgumentTypeError(
            f'expected PIXELS or WxH with W = H, not {text!r}: the pictures are square')
    size = int(sides[0])
    if not SIZES[0] <= size <= SIZES[1]:
        raise argparse.ArgumentTypeError(f'expected {SIZES[0]} to {SIZES[1]} pixels, not {size}')
    return size


def _rate(text: str) -> float:
    """Read frames a second."""
    rate = positive(text)
    if not RATES[0] <= rate <= RATES[1]:
        raise argparse.ArgumentTypeError(
            f'expected {RATES[0]:g} to {RATES[1]:g} frames a second, not {rate:g}')
    return rate


def run_dataset(args: argparse.Namespace) -> int:
    """Write the dataset and print a summary; return 0."""
    end_cleanly()
    from latent_vqa_ros.simulation.dataset import Job, make

    started = time.monotonic()
    job = Job(args.scenes, args.split, args.seed, args.size or WORLDS[args.world],
              args.questions, args.held_out_wordings, args.masks, args.world,
              *(str(folder or '') for folder in (args.photos, args.meshes)))
    with counting(args.scenes, 'scene') as on_scenes:
        counts = make(args.out, job, args.workers, on_scenes)
    duration = time.monotonic() - started
    document = {'out': str(args.out), 'split': args.split, 'seed': args.seed, 'size': job.size,
                **counts, 'duration_s': round(duration, 2),
                'scenes_per_s': round(args.scenes / duration, 1)}
    print(json.dumps(document) if args.json else sentence(document))
    return 0


def run_bag(args: argparse.Namespace) -> int:
    """Write the episode and print a summary; return 0."""
    end_cleanly()
    from latent_vqa_ros.simulation.episode_bag import count, record

    started = time.monotonic()
    with counting(count(args.seconds, args.rate), 'frame') as on_frames:
        document = record(args.out, args.seed, args.seconds, args.rate, args.size, args.storage,
                          lambda: on_frames(1), args.compressed)
    document['duration_s'] = round(time.monotonic() - started, 2)
    print(json.dumps(document) if args.json else
          '{out}: {frames} frames of {size}x{size} pixels, {ambiguous_frames} of them ambiguous, '
          'in {duration_s:.1f} s'.format(**document))
    return 0


def run_datasheet(args: argparse.Namespace) -> int:
    """Write the datasheet and print a summary; return 0."""
    from latent_vqa_ros.simulation.datasheet import page_name, write

    splits = {name: {'scenes': found.scenes['all'], 'questions': found.questions,
                     'captions': found.captions}
              for name, found in write(args.out, args.scenes, args.world).items()}
    total = sum(split['scenes'] for split in splits.values())
    print(json.dumps({'out': str(args.out), 'splits': splits}) if args.json else
          f'{args.out / page_name(args.world)}: {len(splits)} splits, {total} scenes')
    return 0


def sentence(document: dict[str, Any]) -> str:
    """Return the summary for people."""
    return ('{out}: {scenes} scenes, {questions} questions, {captions} captions in '
            '{duration_s:.1f} s ({scenes_per_s:.0f} scenes a second)').format(**document)
