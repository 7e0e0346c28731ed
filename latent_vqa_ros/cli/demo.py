"""The verb `demo`: the real node answers about a shipped bag of frames, over real middleware.

example:
  latent_vqa demo --out runs/demo

Starts vqa_node as a process, shows it each frame, asks the frame's questions on the topic
`question`, and compares every `answer/detail` with the truth in the bag. Writes one annotated
picture. Exit code 0 only when every question was answered.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.common import add_json, add_model, add_verb, progress, resident_mb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IMAGE_TOPIC, TRUTH_TOPIC = '/image_raw', '/truth'
ROUND_TRIPS = 100
PICTURE, NODE_LOG, ECHO_LOG = 'answers.png', 'node.log', 'echo.log'
DOMAINS = 100  # ROS_DOMAIN_ID 1 to 100 leave Linux's ephemeral ports alone

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrueFrame:
    """A frame of the bag: as it is published, as it looks, and what is true of it."""

    name: str
    stamp_ns: int
    cdr: bytes
    rgb_hwc: NDArray[np.uint8]
    questions: tuple[tuple[str, str], ...]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `demo` to the command line."""
    parser = add_verb(subparsers, 'demo', 'watch the real node answer about a shipped bag',
                      __doc__)
    add_model(parser)
    parser.add_argument('--bag', metavar='BAG', type=Path, help='another bag with /truth')
    parser.add_argument('--out', metavar='DIR', type=Path, default=Path('runs/demo'),
                        help='where picture and logs go (default %(default)s)')
    add_json(parser, '{"rows", "right", "groups", "latency_ms", "round_trip_ms", …}')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo, print its table, draw its picture; 0 when every question was answered."""
    from latent_vqa_ros.cli import demo_report
    from latent_vqa_ros.core.models import find_model

    model = find_model(args.model)
    frames = read_frames(args.bag or find_bag())
    args.out.mkdir(parents=True, exist_ok=True)
    prepare_environment()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    document = demo_report.summarize(*converse(frames, model, args.out))
    document['picture'] = str((args.out / PICTURE).resolve())
    demo_report.draw(Path(document['picture']), frames, document['rows'])
    print(json.dumps(document) if args.json else demo_report.render(document))
    return 0 if document['answered'] == document['n'] and document['node_exit'] == 0 else 1


def find_bag() -> Path:
    """Return the shipped bag, in the source tree or in an install prefix; BagError if gone."""
    from latent_vqa_ros.bags import BagError
    from latent_vqa_ros.core.models import share_folders

    for share in share_folders():
        for place in ('test/data/demo_bag', 'demo_bag'):
            if (share / place / 'metadata.yaml').is_file():
                return share / place
    raise BagError('the demo bag is not installed; make one with '
                   '"python3 -m latent_vqa_ros.bags.demo_bag OUT" and name it with --bag OUT')


def read_frames(bag_path: Path) -> list[TrueFrame]:
    """Return the frames of a bag that have a truth; BagError when there is none."""
    from latent_vqa_ros.bags import BagError
    from latent_vqa_ros.bags.read import BagReader
    from latent_vqa_ros.core.image_formats import raw_to_rgb

    images: dict[int, tuple[bytes, Any]] = {}
    frames = []
    with BagReader(bag_path) as bag:
        for record in bag:
            if record.topic == IMAGE_TOPIC:
                message = bag.deserialize(record)
                stamp = message.header.stamp
                images[record.stamp_ns] = (record.cdr, message)
            elif record.topic == TRUTH_TOPIC and record.stamp_ns in images:
                cdr, message = images.pop(record.stamp_ns)
                stamp, truth = message.header.stamp, json.loads(bag.deserialize(record).data)
                frames.append(TrueFrame(
                    str(truth['image']), stamp.sec * 10**9 + stamp.nanosec, cdr,
                    raw_to_rgb(message), tuple((q, a) for q, a in truth['questions'])))
    if not frames:
        raise BagError(f'{bag_path}: no frame on {IMAGE_TOPIC} with a truth on {TRUTH_TOPIC}')
    return frames


def prepare_environment() -> None:
    """Choose transports for large frames and a ROS domain, unless the user did."""
    try:
        from latent_vqa_ros.ros.replayer import use_large_frames
    except ImportError as error:
        raise OSError(f'the demo needs ROS 2 ({error}): source /opt/ros/$ROS_DISTRO/setup.bash, '
                      'or pip install -r requirements/demo.txt') from None
    use_large_frames()
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % DOMAINS))


def converse(frames: list[TrueFrame], model: Path, out: Path) -> tuple[
        list[dict[str, Any]], dict[str, Any]]:
    """Ask the node everything; return a row per question, and what was measured beside."""
    from latent_vqa_ros.ros.demo import Asker, DemoError, running

    parameters = ('-p', f'model:={model.resolve()}', '-p', 'max_image_age:=0.0')  # old stamps
    measured: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    try:
        with running('latent_vqa_ros.ros.main', out / NODE_LOG, *parameters) as node:
            with running('latent_vqa_ros.ros.echo', out / ECHO_LOG), Asker() as asker:
                asker.await_node(node, frames[0].questions[0][0])
                for frame in progress(frames, 'frames'):
                    asker.show(frame.cdr)
                    rows += [row(frame, question, truth, asker.ask(question, frame.stamp_ns))
                             for question, truth in frame.questions]
                measured['round_trip_ms'] = asker.round_trips(ROUND_TRIPS)
            measured['node_rss_mb'] = resident_mb(node.pid)
    except DemoError as error:
        raise OSError(f'{error}; see {out / NODE_LOG}: {last_line(out / NODE_LOG)}') from None
    return rows, measured | {'node_exit': node.returncode}


def row(frame: TrueFrame, question: str, truth: str, reply: Any) -> dict[str, Any]:
    """Return one line of the table as plain types."""
    detail = reply.detail
    return {'frame': frame.name, 'question': question, 'truth': truth,
            'status': detail['status'], 'answer': detail['answer'],
            'confidence': detail['confidence'], 'latency_ms': round(reply.milliseconds, 3),
            'attempts': reply.attempts, 'encoding_reused': detail['encoding_reused']}


def last_line(path: Path) -> str:
    """Return the last line of a log, '' for an empty one."""
    lines = path.read_text(errors='replace').strip().splitlines()
    return lines[-1] if lines else ''
