"""What the measuring scripts share: options, the machine, percentiles, where results are kept."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path

import rclpy
from faults.rig import TICK_S, prepare_environment
from rclpy.signals import SignalHandlerOptions

import latent_vqa_ros
from latent_vqa_ros.cli.common import percentile

CAMERA = Path(__file__).with_name('camera.py')


def parser(document: str) -> argparse.ArgumentParser:
    """Return a parser whose help is the script's docstring, with --json and --out."""
    made = argparse.ArgumentParser(
        description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument('--json', action='store_true', help='print the whole result as JSON')
    made.add_argument('--out', type=Path, metavar='FILE', help='write the result there as well')
    return made


@contextmanager
def ros():
    """Start rclpy in a domain of our own; yield a folder for logs."""
    prepare_environment()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        with tempfile.TemporaryDirectory(prefix='latent_vqa_') as folder:
            yield Path(folder)
    finally:
        rclpy.try_shutdown()


def progress(total: float, label: str, unit: str):
    """Return a bar on stderr, silent where that is no terminal."""
    from tqdm import tqdm

    return tqdm(total=total, desc=label, unit=unit, disable=not sys.stderr.isatty())


class Machine:
    """What else ran meanwhile: figures of a busy machine must say so."""

    def __init__(self) -> None:
        self.load_before = os.getloadavg()[0]
        self._busy = busy_s()

    def document(self, seconds: float, ours_s: float) -> dict:
        """Return a description; ``ours_s`` is the CPU time that the measurement itself took."""
        others = (busy_s() - self._busy - ours_s) / seconds
        return {'cpu': cpu_name(), 'cores': os.cpu_count(), 'python': platform.python_version(),
                'system': f'{platform.system()} {platform.release()}',
                'load_before': round(self.load_before, 2),
                'load_after': round(os.getloadavg()[0], 2),
                'cores_busy_with_other_work': round(max(0.0, others), 2)}


def busy_s() -> float:
    """Return the time that all cores together were busy, in seconds."""
    fields = list(map(int, Path('/proc/stat').read_text().split('\n')[0].split()[1:]))
    return (sum(fields[:3]) + sum(fields[5:8])) / TICK_S  # not idle, not waiting


def own_cpu_s() -> float:
    times = os.times()
    return times.user + times.system


def cpu_name() -> str:
    lines = Path('/proc/cpuinfo').read_text().splitlines()
    return next((line.partition(':')[2].strip() for line in lines
                 if line.startswith('model name')), platform.machine())


def quantiles(values: Iterable[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the largest, rounded to a microsecond; values are milliseconds."""
    kept = sorted(values)
    return {'n': len(kept), **{f'p{p}': round(percentile(kept, p), 3) for p in (50, 95, 99)},
            'max': round(kept[-1], 3)} if kept else {'n': 0}


def finish(document: dict, args: argparse.Namespace, lines: list[str]) -> int:
    """Print and write the result; return 1 where a claim does not hold."""
    document = {'command': 'python ' + ' '.join([relative(sys.argv[0]), *sys.argv[1:]]),
                'version': latent_vqa_ros.__version__, **document}
    text = json.dumps(document, indent=1)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text + '\n')
    print(text if args.json else '\n'.join(lines))
    for claim in document.get('failed', ()):
        print(f'does not hold: {claim}', file=sys.stderr)
    return 1 if document.get('failed') else 0


def relative(path: str) -> str:
    found = Path(path).resolve()
    root = Path(__file__).resolve().parents[2]
    return str(found.relative_to(root)) if found.is_relative_to(root) else found.name
