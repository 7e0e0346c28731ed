"""Accuracy of taught questions on data, through the whole pipeline: refusals count as wrong.

Questions of the data that were not taught are left out, and of each question the pictures that it
was taught with. Needs no torch.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.image_formats import ImageError
from latent_vqa_ros.core.pipeline import Frame, Pipeline
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.datasets.images import Images, read_rgb
from latent_vqa_ros.datasets.record import DatasetError, Record
from latent_vqa_ros.evaluation.evaluate import NEVER
from latent_vqa_ros.teach.features import jpeg
from latent_vqa_ros.teach.question import normal

log = logging.getLogger(__name__)

Row = tuple[str, bool, bool, float]  # true answer, whether answered, whether right, confidence


def measure(pipeline: Pipeline, records: Sequence[Record], data: str,
            split: str, camera: str = '') -> dict[str, Any]:
    """Return the report; DatasetError where nothing of the data can be measured.

    ``camera`` is the one as whose the pictures are asked about.
    """
    rows: dict[str, list[Row]] = defaultdict(list)
    shots, others, never = set[Path](), 0, list[str]()
    for record in tqdm(records, 'evaluate', leave=False, mininterval=1):
        rgb = read_rgb(record)
        digests = None
        frame = Frame(lambda rgb=rgb: (rgb, None))  # type: ignore[misc]
        for question in record.questions:
            taught = pipeline.taught and pipeline.taught.find(question.text, camera)
            if not taught:
                others += 1
                continue
            if taught.broken:
                raise DatasetError(f'{question.text[:80]!r} cannot be answered: {taught.broken}')
            digests = digests or _as_shots(record, rgb)
            if digests & taught.shown:
                shots.add(record.image)
                continue
            detail = pipeline.respond(Request(question.text, camera), frame)
            if normal(question.answer) not in map(normal, taught.answers):
                never.append(question.answer)
            rows[question.text].append((
                normal(question.answer), detail.status is Status.OK,
                normal(detail.answer or '') == normal(question.answer),
                detail.confidence or 0.0))
    if shots:
        log.warning('%d pictures are left out: the questions were taught with them', len(shots))
    if shots and not rows:
        raise DatasetError(f'{data}: each picture of its split {split} is a shot that its '
                           'question was taught with; measure on others')
    if not rows:
        raise DatasetError(f'{data}: no question of its split {split} was taught')
    if others:
        log.warning('%s: %d questions of %s are left out: they were not taught', data, others,
                    split)
    if never:
        log.warning(NEVER, data, len(never), sum(map(len, rows.values())), never[0])
    return report(rows, data, split)


def _as_shots(record: Record, rgb: Images) -> frozenset[str]:
    """Return the digests that a picture may have as a shot: as it lies there, and re-encoded."""
    content = record.image.read_bytes()
    found = [content, jpeg(rgb)]
    with suppress(ImageError):  # of another kind than JPEG and PNG; files are taught upright
        found.append(jpeg(compressed_to_rgb(content, upright=True)))
    return frozenset(hashlib.sha256(each).hexdigest() for each in found)


def report(rows: Mapping[str, Sequence[Row]], data: str, split: str) -> dict[str, Any]:
    """Return the report of answers by question; ``blind`` knows each question's commonest one."""
    every = [row for found in rows.values() for row in found]
    groups = {question: _figures(found) for question, found in rows.items()}
    for group in groups.values():
        group['blind'] = group.pop('blind_accuracy')
    blind = sum(group['blind'] * group['n'] for group in groups.values()) / len(every)
    return {'model': 'taught', 'data': data, 'split': split, **_figures(every),
            'blind_accuracy': blind, 'ece': None, 'groups': groups}


def _figures(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the figures of some answers; ``blind`` always gives the commonest one."""
    answered = [right for _, said, right, _ in rows if said]
    commonest = Counter(answer for answer, *_ in rows).most_common(1)[0][1]
    return {'n': len(rows), 'accuracy': sum(answered) / len(rows),
            'blind_accuracy': commonest / len(rows), 'answered': len(answered) / len(rows),
            'right_when_answered': sum(answered) / len(answered) if answered else None}


def table(document: dict[str, Any]) -> str:
    """Return the report for people."""
    lines = []
    for name, found in {**document['groups'], 'all': {
            **document, 'blind': document['blind_accuracy']}}.items():
        right = found['right_when_answered']
        lines.append(f'{found["n"]:6d}  right {100 * found["accuracy"]:5.1f} %  blind '
                     f'{100 * found["blind"]:5.1f} %  answered '
                     f'{100 * found["answered"]:5.1f} %, right of these '
                     + ('-' if right is None else f'{100 * right:.1f} %') + f'  {name}')
    return '\n'.join(lines)
