"""Writes a folder of simulated pictures with their truth, questions and captions.

    OUT/images/0000/0000000.png   or .jpg, as the scene's camera stores it; the wide world's have
                                  the shape of the camera's frame
    OUT/truth.jsonl               a truth.Scene per line, with the name of its image
    OUT/questions.jsonl           {"image", "question", "answer", "split", "group", "phrases",
                          "shortcut" where one who knows no place can guess}
    OUT/captions.jsonl            {"image", "caption"}
    OUT/masks/0000/0000000.png    on request: 0 nothing, 1… the objects, 254 gripper, 255 tray; in
                                  the wide world 253 the table, 252 what is behind it
    OUT/dataset.json              what the folder was made from

Scenes are drawn by one process per worker, in chunks. Everything grows in OUT.part, which becomes
OUT at the end: what is called OUT is whole. The same job on the same machine gives the same bytes,
however many workers there are; after an interruption it continues after the last whole chunk.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Protocol, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.datasets.record import SPLITS as RECORD_SPLITS
from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation.language.balance import Tally
from latent_vqa_ros.simulation.language.captions import captions
from latent_vqa_ros.simulation.language.questions import Question, ask, shortcut_answers
from latent_vqa_ros.simulation.language.spoken_wording import SPOKEN
from latent_vqa_ros.simulation.language.wording import HELD_OUT, TRAIN
from latent_vqa_ros.simulation.truth import Scene
from latent_vqa_ros.simulation.version import VERSIONS
from latent_vqa_ros.simulation.world import render
from latent_vqa_ros.simulation.world.picture import Studio
from latent_vqa_ros.simulation.world.scenes import SPLITS
from latent_vqa_ros.simulation.world.wide.sources import Sources
from latent_vqa_ros.simulation.world.wide.studio import WideStudio
from latent_vqa_ros.simulation.world.wide.surfaces import HELD_OUT_PART

WORLDS = {'workcell': SPLITS, 'wide': RECORD_SPLITS}  # and their splits
CHUNK = 50  # scenes
NOTE = 'job.json'  # in OUT.part: the job that is done there, and the simulation's version
PER_FOLDER = 1000
SIZES = (32, 1024)  # pixels
SEEDS = 1_000_000  # scenes of one dataset seed, at most


@dataclass(frozen=True)
class Job:
    """All that decides the bytes of a dataset."""

    scenes: int
    split: str
    seed: int
    size: int
    questions: int  # per scene, at most
    held_out_wordings: bool
    masks: bool
    world: str = 'workcell'  # or wide: ``size`` is the shorter side, and pictures are JPEG
    photos: str = ''  # folders of a user, for the wide world (wide/sources.py)
    meshes: str = ''

    @property
    def sources(self) -> Sources:
        """Where the wide world's pictures and meshes come from."""
        return Sources.of(self.photos, self.meshes)


class Taken(Protocol):
    """A picture of either world."""

    @property
    def owners(self) -> NDArray[np.int8]:
        """Whose each pixel is, (H, W)."""

    @property
    def scene(self) -> Scene:
        """Its truth."""

    def file(self) -> tuple[bytes, str]:
        """Return the picture as the camera stores it, and the file's ending."""


def check(job: Job) -> None:
    """Raise DatasetError if the job makes no sense."""
    if job.world not in WORLDS:
        raise DatasetError(f'world {job.world!r} is none of {", ".join(WORLDS)}')
    if job.split not in WORLDS[job.world]:
        raise DatasetError(f'split {job.split!r} is none of {", ".join(WORLDS[job.world])}')
    if job.world != 'wide' and (job.photos or job.meshes):
        raise DatasetError('photos and meshes are for the wide world')
    if job.world == 'wide':
        job.sources.check()
    if not 1 <= job.scenes <= SEEDS:
        raise DatasetError(f'{job.scenes} scenes: expected 1 to {SEEDS}')
    if not SIZES[0] <= job.size <= SIZES[1]:
        raise DatasetError(f'size {job.size}: expected {SIZES[0]} to {SIZES[1]} pixels')
    if job.questions < 1:
        raise DatasetError(f'{job.questions} questions: expected 1 or more')
    if job.seed < 0:
        raise DatasetError(f'seed {job.seed}: expected a whole number from 0')


def make(out: Path, job: Job, workers: int, on_scenes: Callable[[int], object]) -> dict[str, int]:
    """Write the dataset; return how many scenes, questions and captions it has.

    ``on_scenes`` is told of each number of finished scenes. Raises DatasetError and RenderError.
    """
    check(job)
    render.choose_gl()
    counts: Counter[str] = Counter()
    with _part(out, job) as part:
        with ExitStack() as stack:
            files = {name: stack.enter_context(
                (part / f'{name}.jsonl').open('w', encoding='utf-8'))
                for name in ('truth', 'questions', 'captions')}
            tally = Tally()
            try:
                for path in stack.enter_context(_Chunks(part, job, workers)):
                    scenes = [Scene.from_json(line) for line in path.read_text().splitlines()]
                    for scene in scenes:
                        counts.update(_write(scene, job, tally, files))
                    on_scenes(len(scenes))
            except BrokenProcessPool:
                raise DatasetError(f'{part}: a process that draws was killed, perhaps for its '
                                   'memory; the same command continues, or with fewer workers'
                                   ) from None
        about = {'version': VERSIONS[job.world], **asdict(job), **counts}
        if job.world == 'wide':
            about['sources'] = job.sources.listed()
        (part / 'dataset.json').write_text(json.dumps(about) + '\n')
        shutil.rmtree(part / 'chunks')
        part.rename(out)
        (out / NOTE).unlink()
    return dict(counts)


def ask_spoken(folder: Path, path: Path, questions: int,
               on_scenes: Callable[[int], object]) -> None:
    """Ask further questions (language/spoken.py) about the scenes of a drawn folder.

    Writes at most ``questions`` about each to ``path``, in the form of questions.jsonl.
    """
    tally, fresh = Tally(), path.with_suffix(f'.{os.getpid()}')
    try:
        with (folder / 'truth.jsonl').open(encoding='utf-8') as truth, \
                fresh.open('w', encoding='utf-8') as out:
            for line in truth:
                scene = Scene.from_json(line)
                rng = np.random.default_rng([SPLITS.index(scene.split), scene.seed, 2])
                found = ask(scene, rng, questions, SPOKEN, tally)
                out.writelines(json.dumps(each) + '\n'
                               for each in _lines(scene, found, [None] * len(found)))
                on_scenes(1)
        fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def _part(out: Path, job: Job) -> Iterator[Path]:
    """Give the folder to work in, made anew or left by the same job, to this process alone."""
    if out.exists():
        raise DatasetError(f'{out} exists; remove it or name another folder')
    part = out.with_name(out.name + '.part')
    note = part / NOTE
    wanted = json.dumps({'version': VERSIONS[job.world], **asdict(job)})
    if part.exists() and (not note.exists() or note.read_text() != wanted):
        raise DatasetError(f'{part} was left by another job or another version of the '
                           'simulation: finish that one with what began it, or remove it')
    (part / 'chunks').mkdir(parents=True, exist_ok=True)
    with note.open('a') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatasetError(f'{part} is being drawn by another process; wait for it') from None
        note.write_text(wanted)
        yield part


class _Chunks:
    """The truth files of all chunks in order, each as soon as it is there."""

    def __init__(self, part: Path, job: Job, workers: int) -> None:
        self.part, self.job = part, job
        self.workers = workers
        self.pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Iterator[Path]:
        starts = range(0, self.job.scenes, CHUNK)
        if self.workers > 1:
            self.pool = ProcessPoolExecutor(self.workers, get_context('spawn'), _start_worker)
            futures = [self.pool.submit(draw_chunk, self.part, self.job, start)
                       for start in starts]
            return (future.result() for future in futures)
        return (draw_chunk(self.part, self.job, start) for start in starts)

    def __exit__(self, *_: object) -> None:
        if self.pool:
            self.pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Leave interrupts to the parent, and end with it however it ends; one thread per process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@cache
def _take(job: Job) -> Callable[[str, int], Taken]:
    """Return what takes the picture of a split and a seed, opened once per process."""
    if job.world == 'workcell':
        return Studio(job.size).take
    return WideStudio(job.size, 'train' if job.split == 'train' else HELD_OUT_PART,
                      job.sources).take


def draw_chunk(part: Path, job: Job, start: int) -> Path:
    """Draw up to CHUNK scenes; return the file with their truth. Does nothing where it exists."""
    truth = part / 'chunks' / f'{start:07d}.jsonl'
    if truth.exists():
        return truth
    stop = min(start + CHUNK, job.scenes)
    lines = [_draw(part, job, index).to_json() + '\n' for index in range(start, stop)]
    fresh = truth.with_suffix('.new')
    fresh.write_text(''.join(lines))
    fresh.rename(truth)
    return truth


def _draw(part: Path, job: Job, index: int) -> Scene:
    """Draw one scene and write its picture; return its truth."""
    taken = _take(job)(job.split, SEEDS * job.seed + index)
    content, ending = taken.file()
    name = f'{index // PER_FOLDER:04d}/{index:07d}'
    _save(part / 'images' / f'{name}.{ending}', content)
    if job.masks:
        owners = (taken.owners + 1).astype(np.uint8)  # -2, the tray, becomes 255
        _save(part / 'masks' / f'{name}.png', cv2.imencode('.png', owners)[1].tobytes())
    return replace(taken.scene, image=f'images/{name}.{ending}')


def _save(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _write(scene: Scene, job: Job, tally: Tally, files: Mapping[str, TextIO]) -> dict[str, int]:
    """Write the lines about a scene; return how many."""
    rng = np.random.default_rng([SPLITS.index(scene.split), scene.seed, 1])
    wordings = HELD_OUT if job.held_out_wordings else TRAIN
    found = ask(scene, rng, job.questions, wordings, tally)
    asked = _lines(scene, found, shortcut_answers(scene, found))
    told = [{'image': scene.image, 'caption': caption} for caption in captions(scene)]
    files['truth'].write(scene.to_json() + '\n')
    for name, lines in (('questions', asked), ('captions', told)):
        files[name].writelines(json.dumps(line) + '\n' for line in lines)
    return {'scenes': 1, 'questions': len(asked), 'captions': len(told)}


def _lines(scene: Scene, found: Sequence[Question],
           shortcuts: Sequence[str | None]) -> list[dict[str, object]]:
    """Return the lines of questions.jsonl."""
    split = scene.split if scene.split in RECORD_SPLITS else 'test'
    return [{'image': scene.image, 'question': question.text, 'answer': question.answer,
             'split': split, 'group': question.group,
             'phrases': [vars(phrase) for phrase in question.phrases],
             **({} if shortcut is None else {'shortcut': shortcut})}
            for question, shortcut in zip(found, shortcuts, strict=True)]
