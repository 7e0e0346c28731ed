"""The verb `replay`: publish a ROS 2 bag (sqlite3 or mcap) over rclpy, with /clock.

example:
  latent_vqa replay --loop test/data/episode

Left out unless --topics names them: what a node of this package was told and said (question,
answer, teach, conditions, image_annotated), /diagnostics, /rosout and /parameter_events. A
question or a lesson of a recording would reach the node that runs now.

SIGINT and SIGTERM end it cleanly: with --loop they are the only end there is, so stopping on
request counts as done (exit 0, "interrupted": true in the JSON). It knows no message type.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from latent_vqa_ros.cli.common import add_verb, counting, end_cleanly, not_negative, positive

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `replay BAG [--rate R] [--loop]` to the command line."""
    parser = add_verb(subparsers, 'replay', 'publish a ROS 2 bag over rclpy, with /clock', __doc__)
    parser.add_argument('bag', metavar='BAG', help='bag directory, or an .mcap or .db3 file')
    parser.add_argument('--rate', type=positive, default=1.0, metavar='R',
                        help='2 plays twice as fast (default 1)')
    parser.add_argument('--loop', action='store_true', help='start again at the end')
    parser.add_argument('--topics', metavar='T', nargs='+', action='extend', default=[],
                        help='only these topics (default: all but those named above)')
    parser.add_argument('--wait', type=not_negative, default=5.0, metavar='SECONDS',
                        help='wait at most this long for a first subscriber (default 5)')
    parser.add_argument('--json', action='store_true', help='print one JSON document at the end')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay the bag; return 0 when done or stopped on request, 1 when it failed."""
    from latent_vqa_ros.bags import BagError
    from latent_vqa_ros.bags.read import BagReader

    try:
        from latent_vqa_ros.ros import use_large_frames
        from latent_vqa_ros.ros.tools.replayer import replay
    except ImportError as error:
        log.error('replay needs ROS 2 (%s): source /opt/ros/$ROS_DISTRO/setup.bash, or '
                  'pip install -r requirements/demo.txt', error)
        return 1
    if use_large_frames():
        log.info('Fast DDS transports set for large frames')
    started = time.monotonic()
    end_cleanly()  # to open a bag may take long
    try:
        with (BagReader(args.bag) as bag, _stop_requests() as requests,
              counting(None if args.loop else bag.message_count, 'msg') as done):
            report = replay(bag, rate=args.rate, loop=args.loop, wait=args.wait,
                            topics=args.topics, should_stop=lambda: bool(requests),
                            on_message=lambda: done(1))
    except (BagError, OSError) as error:
        log.error('replay: %s', error)
        return 1
    document = {'bag': str(args.bag), 'published': report.published, 'left_out': report.left_out,
                'loops': report.loops, 'interrupted': report.interrupted,
                'duration_s': round(time.monotonic() - started, 3)}
    if args.json:
        print(json.dumps(document), flush=True)
    else:
        print(_sentence(document), file=sys.stderr)
    return 0


def _sentence(document: dict[str, Any]) -> str:
    counts = ', '.join(f'{count} on {topic}' for topic, count in document['published'].items())
    end = 'stopped on request' if document['interrupted'] else 'done'
    return f'{end}: {counts} in {document["duration_s"]:.1f} s'


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list instead of ending the process."""
    requests: list[int] = []
    before = {number: signal.signal(number, lambda got, _: requests.append(got))
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
