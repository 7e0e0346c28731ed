"""Idle: what it costs to have a camera that nobody asks about.

    python test/performance/idle.py --out docs/results/idle.json

One camera process (1280x720 bgr8, 30 Hz) runs throughout. Each of four nodes runs beside it in
turn, in three rounds, and its CPU time (user and system, /proc/PID/stat) is taken over 20 s each:
ours without questions, one that receives each frame in a callback, the same with a C allocator
that is told to keep the memory of its 2.7 MB buffers, and one that infers on each frame. Without
being told, the allocator mostly gives that memory back, and the kernel clears it anew for each
frame (page_faults_per_s); now and then it happens to keep it. The last three count the frames
that reached them; ours is asked at the end, so that it is known that frames did reach it.
Medians of the rounds are compared with the target: at most a tenth of receiving each frame. Exit
status 1 where frames did not arrive; a missed target is told, not hidden.
"""

from __future__ import annotations

import signal
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

import rclpy
from faults.rig import MODEL, QUESTION, TICK_S, Asker, Child, node_command, until
from performance.common import CAMERA, Machine, finish, own_cpu_s, parser, progress, ros
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

NAMESPACE, RATE, SIZE = '/idle', 30.0, '1280x720'
ROLES = ('ours', 'receive', 'receive_kept', 'infer')
KEEP = ['env', 'MALLOC_MMAP_THRESHOLD_=33554432', 'MALLOC_TRIM_THRESHOLD_=1073741824']  # bytes
ROUNDS = 3
SETTLE = 4.0  # s from the first sign of life to the measurement
SHARE = 0.1  # of receiving each frame, at most


def infer():
    """Return a callback that answers a question about each frame, as nodes of peers do."""
    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.core.pipeline import Frame
    from latent_vqa_ros.core.questions import Request
    from latent_vqa_ros.ros.conversions import image_to_rgb

    pipeline, request = open_pipeline(MODEL), Request(QUESTION)

    def answer(message: Image) -> None:
        rgb_hwc = image_to_rgb(message)
        pipeline.respond(request, Frame(lambda: (rgb_hwc, None)))
    return answer


def run_role(role: str, namespace: str) -> None:
    """Be the node of that role until SIGINT; print how many frames came, once a second."""
    stop: list[int] = []
    signal.signal(signal.SIGINT, lambda *_: stop.append(1))
    handle = infer() if role == 'infer' else lambda message: None
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(role, namespace=namespace)
    seen = 0

    def on_image(message: Image) -> None:
        nonlocal seen
        seen += 1
        handle(message)

    node.create_subscription(Image, 'image_raw', on_image, qos_profile_sensor_data)
    node.create_timer(1.0, lambda: print(seen, time.monotonic(), flush=True))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not stop:
        executor.spin_once(timeout_sec=1.0)
    node.destroy_node()
    rclpy.try_shutdown()


def last_count(child: Child) -> tuple[int, float]:
    """Return the last number of frames that a process has printed, and when, in s."""
    lines = [line.split() for line in child.said().splitlines() if line[:1].isdigit()]
    return (int(lines[-1][0]), float(lines[-1][1])) if lines else (0, 0.0)


def rate(before: tuple[int, float], after: tuple[int, float]) -> float:
    return round((after[0] - before[0]) / (after[1] - before[1]), 2)


def faults(child: Child) -> int:
    """Return the minor page faults of a process so far."""
    return int(Path(f'/proc/{child.pid}/stat').read_text().rpartition(')')[2].split()[7])


def middleware_s(child: Child) -> float:
    """Return the CPU time of the middleware's own threads, in seconds."""
    total = 0.0
    for thread in Path(f'/proc/{child.pid}/task').iterdir():
        name, _, rest = (thread / 'stat').read_text().partition('(')[2].rpartition(')')
        if name.startswith('dds.'):
            total += sum(map(int, rest.split()[11:13])) / TICK_S
    return total


def command(role: str) -> list[str]:
    if role == 'ours':
        return node_command(NAMESPACE, model=MODEL)
    keep = KEEP if role == 'receive_kept' else []
    return [*keep, sys.executable, __file__, '--role', role]


def measure(role: str, camera: Child, folder: Path, seconds: float) -> dict:
    """Run the node of that role and return its share of a core and the frames that came."""
    with Child(command(role), folder / f'{role}_{time.time_ns()}.txt') as node:
        if role == 'ours':
            with Asker(NAMESPACE) as asker:
                asker.greet()
        else:
            until(lambda: last_count(node)[0], 'frames to arrive')
        time.sleep(SETTLE)
        before = node.cpu_s(), faults(node), middleware_s(node)
        sent, came = last_count(camera), last_count(node)
        start = time.monotonic()
        time.sleep(seconds)
        elapsed, used = time.monotonic() - start, node.cpu_s() - before[0]
        found = {'role': role, 'seconds': round(elapsed, 2), 'cpu_s': round(used, 3),
                 'share_of_a_core': round(used / elapsed, 5),
                 'of_it_middleware': round((middleware_s(node) - before[2]) / elapsed, 5),
                 'page_faults_per_s': round((faults(node) - before[1]) / elapsed),
                 'published_per_s': rate(sent, last_count(camera))}
        return {**found, **(last_frame() if role == 'ours' else
                            {'received_per_s': rate(came, last_count(node))})}


def last_frame() -> dict:
    """Ask our node; return the status and how old its frame is."""
    with Asker(NAMESPACE) as asker:
        asker.greet()
        detail = asker.ask()
    return {'asked_after': {key: detail[key] for key in ('status', 'answer', 'image_age_ms')}}


def idle(folder: Path, seconds: float) -> dict:
    """Measure each role in each round; return the document of --json."""
    machine, begun, own = Machine(), time.time(), own_cpu_s()
    camera_command = [sys.executable, str(CAMERA), NAMESPACE, '--rate', str(RATE), '--size', SIZE]
    with (Child(camera_command, folder / 'camera.txt') as camera,
          progress(ROUNDS * len(ROLES), 'idle', 'run') as bar):
        until(lambda: last_count(camera)[0], 'the camera')
        runs = []
        for _ in range(ROUNDS):
            for role in ROLES:
                runs.append(measure(role, camera, folder, seconds))
                bar.update()
        ours_s = camera.cpu_s() + own_cpu_s() - own + sum(
            run['share_of_a_core'] * (run['seconds'] + SETTLE) for run in runs)
    return {'camera': {'size': SIZE, 'encoding': 'bgr8', 'rate': RATE},
            'machine': machine.document(time.time() - begun, ours_s), **judge(runs)}


def judge(runs: list[dict]) -> dict:
    """Return shares of a core per role, their ratios, and the claims that do not hold."""
    rounds = {role: [run['share_of_a_core'] for run in runs if run['role'] == role]
              for role in ROLES}
    share = {role: statistics.median(values) for role, values in rounds.items()}
    received = min(run['received_per_s'] / run['published_per_s'] for run in runs
                   if run['role'] == 'receive')
    answered = all(run['asked_after']['status'] == 'ok' for run in runs if run['role'] == 'ours')
    ratio = share['ours'] / share['receive']
    failed = [claim for claim, holds in {
        f'at least 90 % of the frames arrive, {received:.2f}': received >= 0.9,
        'our node answers about a frame afterwards': answered,
    }.items() if not holds]
    return {'share_of_a_core': share,
            'ours_of_it_middleware': statistics.median(
                run['of_it_middleware'] for run in runs if run['role'] == 'ours'),
            'target': {'ours_to_receive_at_most': SHARE, 'met': ratio <= SHARE},
            'spread': {role: [min(values), max(values)] for role, values in rounds.items()},
            'ours_to_receive': round(ratio, 4),
            'ours_to_receive_kept': round(share['ours'] / share['receive_kept'], 4),
            'ours_to_infer': round(share['ours'] / share['infer'], 4),
            'received_of_published': round(received, 3), 'runs': runs, 'failed': failed}


def main() -> int:
    made = parser(__doc__)
    made.add_argument('--seconds', type=float, default=20.0, help='of each measurement')
    made.add_argument('--role', choices=ROLES[1:], help='be this node (for the script itself)')
    args = made.parse_args()
    if args.role:
        run_role(args.role, NAMESPACE)
        return 0
    with ros() as folder:
        document = idle(folder, args.seconds)
    share, spread = document['share_of_a_core'], document['spread']
    met = 'met' if document['target']['met'] else 'missed'
    return finish(document, args, [
        *(f'{name:32}{100 * share[role]:7.2f} % of a core, '
          f'{100 * spread[role][0]:.2f} to {100 * spread[role][1]:.2f}' for role, name in zip(
            ROLES, ('our node, no questions', 'receives each frame', 'receives, memory kept',
                    'infers on each frame'), strict=True)),
        f'of ours in the middleware: {100 * document["ours_of_it_middleware"]:.2f} %',
        f'ours / receives each frame: {document["ours_to_receive"]} (target {SHARE} {met}), '
        f'memory kept: {document["ours_to_receive_kept"]}',
        f'frames that reached the receiver: {100 * document["received_of_published"]:.0f} %'
    ])


if __name__ == '__main__':
    sys.exit(main())
