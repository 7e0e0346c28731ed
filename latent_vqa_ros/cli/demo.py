"""The verb `demo`: the real node answers about a shipped episode, over real middleware.

examples:
  latent_vqa demo --out runs/demo
  latent_vqa demo --model easy_vqa
  latent_vqa demo --bag BAG

Starts vqa_node as a process, shows it the frames of a bag at their pace, asks about some of them
on the topic `question`, and compares every `answer/detail` with the truth in the bag. Writes one
picture of them, as the node annotates them. What the truth is not certain of is not asked. Exit
code 0 only when every question was answered.

With the shipped episode and without --bag, two questions that the model does not know are then
taught to the same node, on the topic `teach`, from 24 frames of another bag: one works, one
cannot, and the judge says so, as it should. What is taught lies in a folder below --out for as
long as the demo runs.

The bag is one that `simulate bag` wrote, with /truth. The shipped ones are
  latent_vqa simulate bag test/data/episode --seed 0 --rate 5 --size 224 --compressed
  python3 -m latent_vqa_ros.simulation.tray_bag test/data/tray
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.common import (
    add_json,
    add_model,
    add_verb,
    count,
    positive,
    progress,
)

if TYPE_CHECKING:
    from latent_vqa_ros.bags.read import BagReader
    from latent_vqa_ros.bags.truth import TrueFrame
    from latent_vqa_ros.ros.tools.asker import Asker

BAG, OTHER_BAGS = 'episode', {'easy_vqa': 'demo_bag'}  # by the name in the manifest
RATE, MOMENTS = 3.0, 8
ROUND_TRIPS = 100
PICTURE, NODE_LOG, ECHO_LOG = 'answers.png', 'node.log', 'echo.log'
DOMAINS = 100  # ROS_DOMAIN_ID 1 to 100 leave Linux's ephemeral ports alone

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `demo` to the command line."""
    parser = add_verb(subparsers, 'demo', 'watch the real node answer about a shipped episode',
                      __doc__)
    add_model(parser)
    parser.add_argument('--bag', metavar='BAG', type=Path, help='another bag with /truth')
    parser.add_argument('--rate', metavar='R', type=positive, default=RATE,
                        help='times as fast as the bag was recorded (default %(default)g)')
    parser.add_argument('--moments', metavar='N', type=count, default=MOMENTS,
                        help='frames that are asked about (default %(default)s)')
    parser.add_argument('--out', metavar='DIR', type=Path, default=Path('runs/demo'),
                        help='where picture and logs go (default %(default)s)')
    add_json(parser, '{"rows", "right", "latency_ms", "round_trip_ms", "taught", …}')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo, print its table, draw its picture; 0 when every question was answered."""
    from latent_vqa_ros.bags.read import BagReader
    from latent_vqa_ros.bags.truth import true_frames
    from latent_vqa_ros.cli import demo_report, demo_teach
    from latent_vqa_ros.core.bundle import read_manifest
    from latent_vqa_ros.core.models import find_model

    model = find_model(args.model)
    path = args.bag or find_bag(read_manifest(model)[0].name)
    tray = shipped(demo_teach.BAG) if not args.bag and path.name == BAG else None
    with BagReader(path) as bag:
        frames = true_frames(bag)
        args.out.mkdir(parents=True, exist_ok=True)
        prepare_environment()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        asked = spread(frames, args.moments)
        rows, pictures, measured = converse(bag, frames, asked, args.rate, model, args.out,
                                            tray)
    document = demo_report.summarize(rows, measured)
    document['picture'] = str((args.out / PICTURE).resolve()) if pictures else None
    if pictures:
        demo_report.draw(Path(document['picture']), pictures, rows)
    taught = document['taught'] or []
    tables = [demo_report.render(document), *([demo_teach.render(taught)] if taught else [])]
    print(json.dumps(document) if args.json else '\n\n'.join(tables) + f'\n{how_to_look(path)}')
    whole = document['answered'] == document['n'] and bool(pictures) and (
        tray is None or demo_teach.as_expected(taught))
    return 0 if whole and document['node_exit'] == 0 else 1


def how_to_look(bag: Path) -> str:
    """Return the line that says how to open the page on the same bag."""
    here = Path(sys.argv[0])
    command = '.venv/bin/latent_vqa' if here.suffix == '.py' else here.name
    near = bag.resolve()
    shown = near.relative_to(Path.cwd()) if near.is_relative_to(Path.cwd()) else near
    return f'look and ask in a browser: {command} web --bag {shown}'


def find_bag(model: str) -> Path:
    """Return the shipped bag for a model; BagError."""
    return shipped(OTHER_BAGS.get(model, BAG))


def shipped(name: str) -> Path:
    """Return a bag of the source tree or of an install prefix; BagError."""
    from latent_vqa_ros.bags import BagError
    from latent_vqa_ros.core.models import share_folders

    for share in share_folders():
        for place in (f'test/data/{name}', name):
            if (share / place / 'metadata.yaml').is_file():
                return share / place
    raise BagError(f'the bag {name} is not installed; make one with '
                   '"latent_vqa simulate bag OUT" and name it with --bag OUT')


def spread(frames: Sequence[TrueFrame], count: int) -> list[TrueFrame]:
    """Return at most so many frames that can be asked about, evenly from the first to the last."""
    told = [frame for frame in frames if frame.questions]
    count = min(max(count, 1), len(told))
    return [told[i * (len(told) - 1) // max(count - 1, 1)] for i in range(count)]


def prepare_environment() -> None:
    """Choose transports for large frames and a ROS domain, unless the user did."""
    try:
        from latent_vqa_ros.ros import use_large_frames
    except ImportError as error:
        raise OSError(f'the demo needs ROS 2 ({error}): source /opt/ros/$ROS_DISTRO/setup.bash, '
                      'or pip install -r requirements/demo.txt') from None
    use_large_frames()
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % DOMAINS))


def converse(bag: BagReader, frames: Sequence[TrueFrame], asked: Sequence[TrueFrame],
             rate: float, model: Path, out: Path, tray: Path | None,
             ) -> tuple[list[dict[str, Any]], list[Any], dict[str, Any]]:
    """Ask the node; return a row per question, a picture per asked frame, what was measured.

    What fails after the questions is said and left out: their answers are worth a table.
    """
    from latent_vqa_ros.bags.answer import picture_topics
    from latent_vqa_ros.bags.read import BagReader
    from latent_vqa_ros.bags.truth import published
    from latent_vqa_ros.cli.demo_teach import teach
    from latent_vqa_ros.core.process import resident_mb
    from latent_vqa_ros.ros.tools.asker import Asker, DemoError, running

    topic = picture_topics(bag)[0]
    compressed = bag.topics[topic].endswith('CompressedImage')
    shown = published(bag, {frame.stamp_ns for frame in frames})
    parameters = ('-p', f'model:={model.resolve()}', '-p', 'max_image_age:=0.0',  # old stamps
                  '-p', f'image_transport:={"compressed" if compressed else "raw"}')
    known = asked[0].questions[0][0]
    try:
        with (tempfile.TemporaryDirectory(prefix='taught-', dir=out) as taught,
              running('latent_vqa_ros.ros.main', out / NODE_LOG, *parameters,
                      '-p', f'taught_folder:={Path(taught).resolve()}') as node,
              running('latent_vqa_ros.ros.tools.echo', out / ECHO_LOG),
              Asker(compressed) as asker):
            asker.await_node(node, known)
            rows, cdrs = replay(asker, progress(shown, 'frames', len(frames)), asked, rate)
            measured: dict[str, Any] = {'round_trip_ms': [], 'node_rss_mb': resident_mb(node.pid)}
            pictures = []
            try:
                measured['round_trip_ms'] = asker.round_trips(ROUND_TRIPS)
                pictures = look(asker, cdrs, rows)
                if tray:
                    with BagReader(tray) as lessons:
                        measured['taught'] = teach(asker, lessons, known)
            except DemoError as error:
                log.error('%s; see %s', error, out / NODE_LOG)
    except DemoError as error:
        raise OSError(f'{error}; see {out / NODE_LOG}: {last_line(out / NODE_LOG)}') from None
    return rows, pictures, measured | {'node_exit': node.returncode}


def replay(asker: Asker, pictures: Iterable[tuple[int, bytes]], asked: Sequence[TrueFrame],
           rate: float) -> tuple[list[dict[str, Any]], dict[int, bytes]]:
    """Show every picture in its time and ask about some; return rows and the pictures asked about.

    Pictures are pairs of stamp and serialized message, and only those asked about are kept.
    """
    from latent_vqa_ros.core.answer import NANO

    questions = {frame.stamp_ns: frame.questions for frame in asked}
    rows: list[dict[str, Any]] = []
    kept: dict[int, bytes] = {}
    first_ns, started = None, time.perf_counter()
    for stamp_ns, cdr in pictures:
        first_ns = stamp_ns if first_ns is None else first_ns
        time_s = (stamp_ns - first_ns) / NANO
        asker.wait_until(started + time_s / rate)
        asker.show(cdr)
        if stamp_ns in questions:
            kept[stamp_ns] = cdr
            rows += [row(time_s, question, truth, asker.ask(question, stamp_ns))
                     for question, truth in questions[stamp_ns]]
    return rows, kept


def row(time_s: float, question: str, truth: str, reply: Any) -> dict[str, Any]:
    """Return one line of the table as plain types."""
    detail = reply.detail
    return {'time_s': time_s, 'question': question, 'truth': truth,
            'status': detail['status'], 'answer': detail['answer'],
            'confidence': detail['confidence'], 'latency_ms': round(reply.milliseconds, 3),
            'attempts': reply.attempts, 'encoding_reused': detail['encoding_reused'],
            'evidence': detail['evidence']}


def look(asker: Asker, cdrs: Mapping[int, bytes], rows: Sequence[dict[str, Any]]) -> list[Any]:
    """Return the node's picture of each asked frame, RGB: its last question that has evidence."""
    from latent_vqa_ros.core.image_formats import raw_to_rgb

    pictures = []
    for (stamp_ns, cdr), (_, of_frame) in zip(
            cdrs.items(), groupby(rows, lambda row: row['time_s']), strict=True):
        mine = list(of_frame)
        told = next((one for one in reversed(mine) if one['evidence']), mine[0])
        asker.show(cdr)
        pictures.append(raw_to_rgb(asker.look(told['question'], stamp_ns)))
    return pictures


def last_line(path: Path) -> str:
    """Return the last line of a log, '' for an empty one."""
    lines = path.read_text(errors='replace').strip().splitlines()
    return lines[-1] if lines else ''
