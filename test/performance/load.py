"""Load: the highest rate of questions a second that the node serves on one core.

    python test/performance/load.py --out docs/results/load.json

The node has one core, the asker and a 30 Hz camera have the others. Bursts of a fixed length look
for the highest rate (by doubling, then bisection) at which each question is answered, none with
`overloaded`; a rate fails when it fails in each of three bursts. Then latency at half that rate.
The middleware's own rate is found in the same way with a process that echoes std_msgs/String
(latent_vqa_ros/ros/tools/echo.py); there a message that does not come back fails the rate.
Measured with the default queue_depth of 10 and with 1000, where pauses of the machine count less.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

import rclpy
from faults import texts
from faults.rig import MODEL, QUESTION, Asker, Child, node_command, until
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
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from std_msgs.msg import String

NAMESPACE = '/load'
DEPTH = 20_000
TRIES = 3
CLOSE_ENOUGH = 1.04  # ratio of the lowest rate that fails to the highest that passes
PATIENCE = 2.0  # s after a burst for what is under way
LARGEST = 20_000  # questions a second
QUEUE_DEPTHS = (10, 1000)


class Volley:
    """Sends numbered messages at a rate, keeps when each came back, parses nothing meanwhile."""

    def __init__(self, send: str, receive: str, make: Callable[[int], bytes],
                 read: Callable[[bytes], tuple[int, str]]) -> None:
        """``make`` returns the serialized message of a number, ``read`` its number and status."""
        self._make, self._read = make, read
        self._next = 0
        self._got: list[tuple[float, bytes]] = []
        self.node = rclpy.create_node('volley', namespace=NAMESPACE)
        self.publisher = self.node.create_publisher(String, send, DEPTH)
        self.node.create_subscription(
            String, receive, lambda data: self._got.append((time.perf_counter(), data)), DEPTH,
            raw=True)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def connect(self) -> None:
        """Send one at a time until one comes back."""
        def back() -> bool:
            self.burst(20, 0.1, patience=0.05)
            return bool(self._got)
        until(back, 'a first answer')
        time.sleep(0.5)

    def burst(self, rate: float, seconds: float, patience: float = PATIENCE) -> dict:
        """Send at the rate; return what came of it, latencies in ms."""
        self._got.clear()
        first, count = self._next, max(1, round(rate * seconds))
        self._next += count
        sent = [0.0] * count
        start = time.perf_counter()
        for number in range(count):
            wait = start + number / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            message = self._make(first + number)
            sent[number] = time.perf_counter()
            self.publisher.publish(message)
        sent_in = time.perf_counter() - start
        end = time.perf_counter() + patience
        while len(self._got) < count and time.perf_counter() < end:
            time.sleep(0.01)
        return self._judge(first, sent, rate, count / max(sent_in, 1e-9))

    def _judge(self, first: int, sent: list[float], rate: float, achieved: float) -> dict:
        latencies, statuses = [], {}
        for when, data in list(self._got):
            number, status = self._read(data)
            if first <= number < first + len(sent):
                latencies.append((when - sent[number - first]) * 1e3)
                statuses[status] = statuses.get(status, 0) + 1
        return {'rate': round(rate, 1), 'achieved': round(achieved, 1), 'sent': len(sent),
                'missing': len(sent) - len(latencies), 'statuses': statuses,
                'latency_ms': quantiles(latencies)}

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()


def passes(result: dict) -> bool:
    """Tell whether all was served; a rate that the asker itself did not reach does not count."""
    return (result['missing'] == 0 and set(result['statuses']) <= {'ok', 'echo'}
            and result['achieved'] > 0.97 * result['rate'])


def search(volley: Volley, seconds: float, start: float, bar) -> dict:
    """Return the highest rate that passes, the bursts on the way, and latency at half of it."""
    bursts, low, high = [], 0.0, 0.0
    rate = start
    while not high or high / max(low, 1e-9) > CLOSE_ENOUGH:
        good = False
        for _ in range(TRIES):
            bursts.append(volley.burst(rate, seconds))
            bar.update()
            time.sleep(0.3)
            good = passes(bursts[-1])
            if good:
                break
        low, high = (rate, high) if good else (low, rate)
        if rate >= LARGEST or high and high < 2:
            break
        rate = (low + high) / 2 if high else rate * 2
    half = volley.burst(max(1.0, low / 2), 3 * seconds)
    return {'highest_rate': round(low, 1), 'at_half': half,
            'bursts': [{key: each[key] for key in ('rate', 'achieved', 'missing', 'statuses')}
                       for each in bursts]}


def ask_number(number: int) -> bytes:
    return texts.text(json.dumps({'id': number, 'question': QUESTION}).encode())


def read_detail(data: bytes) -> tuple[int, str]:
    detail = json.loads(data[8:].rstrip(b'\x00'))
    return (detail['id'] if isinstance(detail['id'], int) else -1), detail['status']


def read_echo(data: bytes) -> tuple[int, str]:
    return int(json.loads(data[8:].rstrip(b'\x00'))['id']), 'echo'


def load_node(folder: Path, core: int, queue_depth: int, seconds: float,
              bar) -> tuple[dict, float]:
    """Return the search's result with the node, and the CPU time of its processes."""
    command = node_command(NAMESPACE, model=MODEL, queue_depth=queue_depth,
                           max_image_age=0.0)
    camera = [sys.executable, str(CAMERA), NAMESPACE, '--rate', '30']
    with (Child(command, folder / f'node{queue_depth}.txt', {core}) as node,
          Child(camera, folder / 'camera.txt', os.sched_getaffinity(0)) as shown):
        with Asker(NAMESPACE) as asker:
            asker.greet()
            until(lambda: asker.ask()['status'] == 'ok', 'ok')
        volley = Volley('question', 'answer/detail', ask_number, read_detail)
        try:
            volley.connect()
            found = search(volley, seconds, 50.0, bar)
        finally:
            volley.close()
        return {'queue_depth': queue_depth, **found}, node.cpu_s() + shown.cpu_s()


def load_echo(folder: Path, core: int, seconds: float, half_of_node: float,
              bar) -> tuple[dict, float]:
    """Return the search's result with the echo, and at the rate that the node was timed at."""
    command = [sys.executable, '-m', 'latent_vqa_ros.ros.tools.echo', '--ros-args',
               '-r', f'__ns:={NAMESPACE}']
    with Child(command, folder / 'echo.txt', {core}) as echo:
        volley = Volley('ping', 'pong', ask_number, read_echo)
        try:
            volley.connect()
            found = search(volley, seconds, 400.0, bar)
            found['at_half_of_node'] = volley.burst(max(1.0, half_of_node), 3 * seconds)
        finally:
            volley.close()
        return found, echo.cpu_s()


def load(folder: Path, seconds: float) -> dict:
    """Measure the node at each queue depth, then the echo; return the document of --json."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[1:]) or set(cores))
    machine, begun, cpu = Machine(), time.time(), own_cpu_s()
    with progress(0, 'load', 'burst') as bar:
        runs = [load_node(folder, cores[0], depth, seconds, bar) for depth in QUEUE_DEPTHS]
        node = [found for found, _ in runs]
        echo, echo_cpu = load_echo(folder, cores[0], seconds, node[0]['highest_rate'] / 2, bar)
    ours = own_cpu_s() - cpu + sum(used for _, used in runs) + echo_cpu
    return {'burst_s': seconds, 'node_cores': [cores[0]], 'asker_cores': cores[1:] or cores,
            'machine': machine.document(time.time() - begun, ours), 'node': node, 'echo': echo,
            'ratio_node_to_echo': round(node[0]['highest_rate'] / echo['highest_rate'], 3),
            'failed': [] if min(each['highest_rate'] for each in node) > 0 else ['any rate']}


def line(name: str, found: dict) -> str:
    half = found['at_half']
    return (f'{name:24}{found["highest_rate"]:9.1f}/s   at {half["rate"]:.1f}/s: '
            f'p50 {half["latency_ms"]["p50"]} ms, p95 {half["latency_ms"]["p95"]} ms')


def main() -> int:
    made = parser(__doc__)
    made.add_argument('--burst', type=_seconds, default=3.0, metavar='S',
                      help='length of a burst (default %(default)s)')
    args = made.parse_args()
    with ros() as folder:
        document = load(folder, args.burst)
    lines = [line(f'node, queue_depth {each["queue_depth"]}', each) for each in document['node']]
    same = document['echo']['at_half_of_node']
    return finish(document, args, [
        *lines, line('echo of a String', document['echo']),
        f'{"echo at the rate of the node":33}   at {same["rate"]}/s: '
        f'p95 {same["latency_ms"]["p95"]} ms'])


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 60:
        raise argparse.ArgumentTypeError('from 0.1 to 60 seconds')
    return value


if __name__ == '__main__':
    sys.exit(main())
