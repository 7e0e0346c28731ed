"""The verb `bench`: how long an answer takes here: int8, openvino, float, torch side by side.

examples:
  latent_vqa bench --repeat 300
  latent_vqa bench --model tabletop --beside easy_vqa

A synthetic 640×480 bgr8 camera frame takes the node's road: decode (message to the model's
input), encode, answer. One thread, batch 1. The runs take turns in random order within each
repetition, so that a busy machine slows all alike; each turn begins with an unmeasured answer,
so that no run pays for the caches that another one filled. int8 and openvino run the same graphs,
int8 with ONNX Runtime. float is exported from the bundle's weights on the spot. taught is a
question that was taught from two times ten frames, its second question another one about the same
region.
A run whose dependency (openvino, torch, onnx) is missing is left out, and stderr says so.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.common import (
    add_json,
    add_model,
    add_verb,
    count,
    percentile,
    progress,
)

if TYPE_CHECKING:
    from latent_vqa_ros.core.bundle import Bundle
    from latent_vqa_ros.core.pipeline import Frame, Pipeline
    from latent_vqa_ros.teach.features import RegionEncoder
    from latent_vqa_ros.teach.folder import Folder
    from latent_vqa_ros.teach.teacher import Teacher

HEIGHT, WIDTH = 480, 640
STEPS = ('decode', 'encode', 'answer', 'total')
WARM_UP = 10
MANY = 10  # questions about one frame
SHOTS = 10  # of each of two answers that are taught
NEEDS = {'openvino': ('openvino',), 'float': ('torch', 'onnx', 'onnxscript', 'safetensors'),
         'torch': ('torch', 'safetensors')}  # runs beside int8

log = logging.getLogger(__name__)


@dataclass
class Times:
    """Milliseconds measured of one run, a value per repetition."""

    steps: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    second: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench` to the command line."""
    parser = add_verb(subparsers, 'bench', 'measure the time and memory of an answer', __doc__)
    add_model(parser)
    parser.add_argument('--beside', metavar='MODEL',
                        help='another bundle whose int8 graphs take their turns too')
    parser.add_argument('--repeat', type=count, default=200, metavar='N',
                        help='repetitions that are measured (default %(default)s)')
    add_json(parser, '{"input", "threads", "runs", "ratios", "rss_mb", …}')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    document = bench(args.model, args.repeat, args.beside)
    print(json.dumps(document) if args.json else render(document))
    return 0


def bench(model: str, repeat: int, beside: str | None = None) -> dict[str, Any]:
    """Return the document of --json; BundleError for an unusable bundle.

    ``beside`` is run under its own name; the ratio to it is of encode and answer.
    """
    import cv2

    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.core.process import resident_mb

    start = time.perf_counter()
    int8 = open_pipeline(model)
    load_ms = (time.perf_counter() - start) * 1e3
    cv2.setNumThreads(1)
    int8.max_distance = None
    ask(int8, make_frame(), 0)
    rss_mb = resident_mb()  # before torch comes in: all that a runtime needs
    bundle = int8.bundle
    pipelines = {'int8': int8, **references(bundle)}
    if beside is not None:
        other = open_pipeline(beside)
        pipelines[other.bundle.manifest.name] = other
    before_mb = resident_mb()
    with tempfile.TemporaryDirectory(prefix='latent_vqa_') as folder:
        pipelines['taught'], teach_ms = open_taught(bundle, folder)
        taught_mb = resident_mb() - before_mb
        for pipeline in pipelines.values():
            pipeline.max_distance = None  # the frame is noise, which is not familiar
        times = measure(pipelines, repeat)
    return {'input': [HEIGHT, WIDTH], 'threads': 1, 'repeat': repeat,
            'model': bundle.manifest.name, 'runs': {name: summary(t) for name, t in times.items()},
            'ratios': ratios(times), 'rss_mb': rss_mb, 'load_ms': round(load_ms, 1),
            'teach_ms': round(teach_ms, 1), 'taught_rss_mb': round(taught_mb, 1)}


def references(bundle: Bundle) -> dict[str, Pipeline]:
    """Return the other pipelines of a bundle that can be had here; log what is left out."""
    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.core.manifest import WEIGHTS

    wanted = list(NEEDS)
    if WEIGHTS not in bundle.contents:
        log.warning('float and torch are left out: the bundle has no %s', WEIGHTS)
        wanted = ['openvino']
    found: dict[str, Pipeline] = {}
    for name in wanted:
        missing = [module for module in NEEDS[name] if find_spec(module) is None]
        if missing:
            log.warning('%s is left out: pip install %s', name, ' '.join(missing))
        else:
            found[name] = (open_float(bundle) if name == 'float'
                           else open_pipeline(bundle.path, name, device='cpu'))
    return found


def open_taught(bundle: Bundle, folder: str) -> tuple[Pipeline, float]:
    """Teach two questions in a folder; return what answers them, and milliseconds of a fit."""
    import numpy as np

    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.cli.common import use_taught
    from latent_vqa_ros.teach.folder import Folder
    from latent_vqa_ros.teach.messages import Message
    from latent_vqa_ros.teach.teacher import Taken

    rng, times = np.random.default_rng(0), []
    manifest = replace(bundle.manifest, questions=('first taught', 'second taught'))
    taught = open_pipeline(bundle.path)
    taught.bundle = replace(bundle, manifest=manifest)
    for question in manifest.questions:
        for shot in range(2 * SHOTS):
            noise = rng.integers(0, 256, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
            make_teacher(Folder(folder)).do(
                Message('add', question=question, answer=f'answer {shot % 2}'),
                Taken(noise.repeat(16, 0).repeat(16, 1), shot * 10**10))
        teacher = make_teacher(Folder(folder))
        start = time.perf_counter()
        teacher.do(Message('fit', question=question, force=True))
        times.append((time.perf_counter() - start) * 1e3)
    use_taught(taught, folder)
    return taught, min(times)


def make_teacher(folder: Folder) -> Teacher:
    """Return a teacher that has seen no shot yet; its encoder is shared and has run."""
    from latent_vqa_ros.teach.teacher import Teacher

    return Teacher(folder, encoder())


@lru_cache(maxsize=1)
def encoder() -> RegionEncoder:
    """Return the encoder of what is taught, ready to run."""
    from latent_vqa_ros import backends
    from latent_vqa_ros.teach.features import ENCODER, RegionEncoder

    found = RegionEncoder(lambda: backends.open_features(ENCODER))
    assert found.layout.size
    return found


def open_float(bundle: Bundle) -> Pipeline:
    """Export the bundle's float weights to ONNX and open them."""
    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.training.export import float_bundle

    with tempfile.TemporaryDirectory(prefix='latent_vqa_') as folder:
        float_bundle(bundle, Path(folder))
        return open_pipeline(folder)


def make_frame() -> Frame:
    """Return a new 640×480 bgr8 frame, as a camera message that nobody has decoded."""
    import array

    import numpy as np

    from latent_vqa_ros.core.image_formats import raw_to_view
    from latent_vqa_ros.core.pipeline import Frame

    noise = np.random.default_rng(0).integers(0, 256, HEIGHT * WIDTH * 3, np.uint8)
    message = SimpleNamespace(height=HEIGHT, width=WIDTH, encoding='bgr8', is_bigendian=0,
                              step=WIDTH * 3, data=array.array('B', noise.tobytes()))
    return Frame(lambda: raw_to_view(message))


def measure(pipelines: dict[str, Pipeline], repeat: int) -> dict[str, Times]:
    """Let each pipeline take its turn in every repetition, after a warm-up."""
    frame = make_frame()
    times = {name: Times() for name in pipelines}
    discarded = {name: Times() for name in pipelines}
    names, order = list(pipelines), random.Random(0)
    for index in progress(range(WARM_UP + repeat), 'bench'):
        kept = times if index >= WARM_UP else discarded
        for name in order.sample(names, len(names)):
            ask(pipelines[name], replace(frame), 0)  # else it pays for the caches of the other
            once(pipelines[name], frame, kept[name])
    return times


def once(pipeline: Pipeline, frame: Frame, times: Times) -> None:
    """Ask a new frame a first and a second question, another one MANY questions."""
    fresh = replace(frame)
    latency = ask(pipeline, fresh, 0)
    for step in STEPS:
        times.steps[step].append(latency[step])
    times.second.append(ask(pipeline, fresh, 1)['total'])
    fresh = replace(frame)
    times.many.append(sum(ask(pipeline, fresh, index)['total'] for index in range(MANY)))


def ask(pipeline: Pipeline, frame: Frame, index: int) -> dict[str, float]:
    """Ask the bundle's question of that index; return milliseconds per step."""
    from latent_vqa_ros.core.bundle import BundleError
    from latent_vqa_ros.core.questions import Request

    manifest = pipeline.bundle.manifest
    questions: Sequence[str] = manifest.questions or manifest.vocabulary[:1]
    detail = pipeline.respond(Request(questions[index % len(questions)]), frame)
    if detail.latency_ms.answer is None:
        raise BundleError(f'{detail.question!r} is listed by the bundle, yet the answer is '
                          f'{detail.status.value}: {detail.reason}')
    return {step: getattr(detail.latency_ms, step) or 0.0 for step in STEPS}


def summary(times: Times) -> dict[str, Any]:
    """Return percentiles per step, and the median of a second question and of MANY."""
    document: dict[str, Any] = {
        f'p{p}_ms': {step: percentile(times.steps[step], p) for step in STEPS}
        for p in (50, 95, 99)}
    return document | {'second_question_ms': percentile(times.second, 50),
                       'ten_questions_ms': percentile(times.many, 50)}


def ratios(times: dict[str, Times]) -> dict[str, float]:
    """Return the ratios of medians that can be formed from these runs."""
    total = {name: statistics.median(t.steps['total']) for name, t in times.items()}
    found = {f'int8/{name}': total['int8'] / total[name]
             for name in NEEDS if name in total}
    if 'taught' in times:
        found['taught/int8'] = total['taught'] / total['int8']
        found['second_taught/taught'] = (statistics.median(times['taught'].second)
                                         / total['taught'])
    for other in sorted(set(times) - {'int8', 'taught', *NEEDS}):
        found[f'encode+answer/{other}'] = (_encode_answer(times['int8'])
                                           / _encode_answer(times[other]))
    found['second_question/first'] = statistics.median(times['int8'].second) / total['int8']
    found['ten_questions/one'] = statistics.median(times['int8'].many) / total['int8']
    return {name: round(value, 4) for name, value in found.items()}


def _encode_answer(times: Times) -> float:
    return sum(statistics.median(times.steps[step]) for step in ('encode', 'answer'))


def render(document: dict[str, Any]) -> str:
    """Return the document as a table."""
    height, width = document['input']
    wide = max(8, *(len(name) + 1 for name in document['runs']))
    lines = [f'{document["model"]}, {width}×{height} bgr8, one thread, batch 1, '
             f'{document["repeat"]} repetitions; milliseconds', '',
             f'{"":{wide}}{"":6}' + ''.join(f'{step:>9}' for step in STEPS)]
    for name, values in document['runs'].items():
        for p in (50, 95, 99):
            cells = ''.join(f'{values[f"p{p}_ms"][step]:9.3f}' for step in STEPS)
            lines.append(f'{name if p == 50 else "":{wide}}{f"p{p}":6}{cells}')
    lines.append('')
    lines += [f'{name:24}{value:8.3f}' for name, value in document['ratios'].items()]
    lines.append(f'{"bundle loaded in":24}{document["load_ms"]:8.1f} ms')
    lines.append(f'{"memory (RSS), int8 only":24}{document["rss_mb"]:8.1f} MB')
    lines.append(f'{"teaching 2 x 10 frames":24}{document["teach_ms"]:8.1f} ms')
    lines.append(f'{"memory of teaching":24}{document["taught_rss_mb"]:8.1f} MB')
    return '\n'.join(lines)
