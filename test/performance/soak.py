"""Soak: the node and a camera as processes, questions and faults for as long as asked.

    python test/performance/soak.py --minutes 30 --camera-rate 30 --question-rate 10 \\
        --out docs/results/soak.json --plot docs/results/soak.png

Every 7th question is a broken one, every 50th frame is broken, and the camera is silent for 4 s
of every minute. Holds that each question got exactly one detail, that good ones were answered,
that stderr has no traceback and that memory stays: the largest RSS after the warm-up (2 minutes)
less the RSS at its end. Memory is sampled every 10 s. Exit status 1 where one does not hold.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import texts
from faults.rig import MODEL, Asker, Child, node_command
from performance.common import (
    CAMERA,
    Machine,
    finish,
    own_cpu_s,
    parser,
    progress,
    quantiles,
    ros,
)

NAMESPACE = '/soak'
BROKEN_EVERY = 7  # questions
SILENT = 4.0  # s that the camera is silent, of each period
SAMPLE = 10.0  # s
GROWTH_MB = 5.0
STALE_AFTER = 1.0  # s, max_image_age
USUAL = {'ok', 'stale_image', 'bad_image', 'no_image'}  # of a good question, with such a camera


def soak(args: argparse.Namespace, folder: Path) -> dict:
    """Run the soak and return the document of --json."""
    command = node_command(NAMESPACE, model=MODEL, max_image_age=STALE_AFTER)
    camera_command = [sys.executable, str(CAMERA), NAMESPACE, '--rate', str(args.camera_rate),
                      '--size', args.size, '--faults', '--silent', str(SILENT),
                      '--every', str(args.every)]
    with (Child(command, folder / 'node.txt') as node, Asker(NAMESPACE) as asker,
          Child(camera_command, folder / 'camera.txt') as camera):
        asker.greet()
        asker.forget()
        machine, cpu, start = Machine(), node.cpu_s() + camera.cpu_s() + own_cpu_s(), time.time()
        timeline, good = question(args, node, asker)
        seconds = time.time() - start
        ours = node.cpu_s() + camera.cpu_s() + own_cpu_s() - cpu
        document = judge(args, node, asker, timeline, good)
        return {'minutes': round(seconds / 60, 2), 'camera_rate': args.camera_rate,
                'question_rate': args.question_rate, 'size': args.size,
                'machine': machine.document(seconds, ours), **document}


def question(args: argparse.Namespace, node: Child, asker: Asker) -> tuple[list[dict], set[str]]:
    """Ask at the rate until the time is over; return the timeline and the ids of good questions.

    A point of the timeline has the time in s, memory in MB, and latencies since the last, in ms.
    """
    broken = itertools.cycle([text for text, _ in texts.QUESTIONS.values() if len(text) < 10_000])
    total = round(args.minutes * 60 * args.question_rate)
    timeline, good, fresh = [{'s': 0.0, **node.memory_mb()}], set(), []
    start = time.monotonic()
    with progress(total, 'soak', 'question') as bar:
        for number in range(total):
            time.sleep(max(0.0, start + number / args.question_rate - time.monotonic()))
            if number % BROKEN_EVERY == BROKEN_EVERY - 1:
                asker.nameless_sent += 1
                asker.questions.publish(texts.message(next(broken)))
            else:
                fresh.append(asker.send())
            elapsed = time.monotonic() - start
            if elapsed >= timeline[-1]['s'] + SAMPLE or number == total - 1:
                good.update(fresh)
                timeline.append(point(elapsed, node, asker, fresh))
                fresh = []
            bar.update()
    return timeline, good


def point(elapsed: float, node: Child, asker: Asker, ids: list[str]) -> dict:
    latencies = [(asker.received[id_] - asker.sent[id_]) * 1e3
                 for id_ in ids if id_ in asker.received]
    return {'s': round(elapsed, 1), **node.memory_mb(), 'latency_ms': quantiles(latencies)}


def judge(args: argparse.Namespace, node: Child, asker: Asker, timeline: list[dict],
          good: set[str]) -> dict:
    """Wait for the last details and return what was found and which claims failed."""
    end = time.monotonic() + 10
    while asker.imbalance() and time.monotonic() < end:
        time.sleep(0.1)
    wrong = asker.imbalance()
    statuses = Counter(asker.by_id[id_][0]['status'] for id_ in good if id_ in asker.by_id)
    broken = Counter(detail['status'] for detail in asker.nameless)
    warm = [each['rss_mb'] for each in timeline if each['s'] >= args.warm_up]
    growth = max(warm) - warm[0] if warm else 0.0
    found = {
        'questions': len(asker.sent) + asker.nameless_sent, 'wrongly_counted': wrong[:20],
        'statuses': dict(statuses), 'statuses_of_broken_questions': dict(broken),
        'latency_ms': quantiles(asker.latencies_ms()), 'warm_up_s': args.warm_up,
        'rss_growth_mb': round(growth, 3), 'rss_end_mb': timeline[-1]['rss_mb'],
        'rss_end_less_warm_up_mb': round(warm[-1] - warm[0], 3) if warm else None,
        'traceback': 'Traceback' in node.said(), 'alive': node.alive()}
    unusual = set(statuses) - USUAL
    failed = [claim for claim, holds in {
        'each question got exactly one detail': not wrong,
        f'no unexpected status, {unusual}': not unusual,
        'most good questions are ok': statuses['ok'] > 0.8 * len(good),
        'stale frames occurred': (statuses['stale_image'] > 0
                                  or 60 * args.minutes < args.every),
        'no traceback': not found['traceback'], 'alive': found['alive'],
        f'RSS grows by less than {args.growth} MB, {growth:.3f}': growth < args.growth,
    }.items() if not holds]
    return {**found, 'failed': failed, 'timeline': timeline}


def plot(document: dict, path: Path) -> None:
    """Draw memory and latency over time."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    timeline = document['timeline']
    minutes = [each['s'] / 60 for each in timeline]
    figure, (memory, latency) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 5))
    memory.plot(minutes, [each['rss_mb'] for each in timeline], label='RSS')
    memory.plot(minutes, [each['anon_mb'] for each in timeline], label='of it anonymous')
    memory.axvline(document['warm_up_s'] / 60, color='grey', linestyle=':', label='warm-up ends')
    memory.set_ylabel('MB')
    memory.set_ylim(bottom=0)
    for name in ('p50', 'p95', 'p99'):
        points = [(each['s'] / 60, each['latency_ms'][name]) for each in timeline
                  if each.get('latency_ms', {}).get('n')]
        latency.plot(*zip(*points, strict=True), label=name)
    latency.set_ylabel('ms, question to detail')
    latency.set_yscale('log')
    latency.set_xlabel('minutes')
    for axis in (memory, latency):
        axis.legend(loc='center right')
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def options(given: list[str] | None = None) -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument('--minutes', type=float, default=30.0)
    made.add_argument('--camera-rate', type=float, default=30.0, help='frames a second')
    made.add_argument('--question-rate', type=float, default=10.0, help='questions a second')
    made.add_argument('--size', default='640x480', metavar='WIDTHxHEIGHT')
    made.add_argument('--every', type=float, default=60.0, help='s, 4 of them silent')
    made.add_argument('--warm-up', type=float, default=120.0, help='s, before memory counts')
    made.add_argument('--growth', type=float, default=GROWTH_MB, help='MB that RSS may grow')
    made.add_argument('--plot', type=Path, metavar='FILE', help='write a PNG of it')
    return made.parse_args(given)


def main(given: list[str] | None = None) -> int:
    args = options(given)
    with ros() as folder:
        document = soak(args, folder)
    if args.plot:
        plot(document, args.plot)
    latency = document['latency_ms']
    return finish(document, args, [
        f'{document["questions"]} questions in {document["minutes"]} minutes, '
        f'{len(document["wrongly_counted"])} without exactly one detail',
        f'statuses: {document["statuses"]}; broken: {document["statuses_of_broken_questions"]}',
        f'latency p50 {latency["p50"]} ms, p95 {latency["p95"]} ms, p99 {latency["p99"]} ms',
        f'RSS after the warm-up: {document["rss_growth_mb"]:+} MB at most, '
        f'{document["rss_end_mb"]} MB at the end'])


if __name__ == '__main__':
    sys.exit(main())
