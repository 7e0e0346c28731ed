"""Fits a question of a folder to its shots: read, encode, fit, judge, write a version.

    learner = Learner(folder, encoder)
    known, version = learner.fit(known)         # written, not switched on
    learner.warnings(known)

Refuses to know who asked for it, and to switch anything on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.bundle import BundleError, read_bounded
from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.image_formats import ImageError
from latent_vqa_ros.teach import versions
from latent_vqa_ros.teach.features import RegionEncoder
from latent_vqa_ros.teach.folder import MAX_SHOT_BYTES, MAX_SHOTS, Folder
from latent_vqa_ros.teach.head import Shown, fit
from latent_vqa_ros.teach.judge import DOUBTFUL, judge, learning_curve, margins
from latent_vqa_ros.teach.known import VERSIONS, Known, is_there
from latent_vqa_ros.teach.question import Region, TeachError
from latent_vqa_ros.teach.shots import SHOTS, Shot
from latent_vqa_ros.teach.versions import Version

Array = NDArray[Any]


class Learner:
    """Fits questions of one folder. Features of shots seen before are kept, in bounded number."""

    def __init__(self, folder: Folder, encoder: RegionEncoder,
                 breathe: Callable[[], object] = lambda: None) -> None:
        """``breathe`` is called often; what it raises ends a fit, which leaves nothing."""
        self.folder, self._encoder, self._breathe = folder, encoder, breathe
        self._features: dict[tuple[str, Region | None], Array] = {}

    def fit(self, known: Known) -> tuple[Known, Version]:
        """Write a version of all shots that can be read; TeachError where there is none."""
        if known.broken:
            raise TeachError(known.broken)
        if len(known.answers) < 2:
            raise TeachError(f'{known.slug} has {len(known.answers)} answers, two are needed')
        numbers = known.moments()
        rows, x_nd = self._encode(known)
        shots = [known.shots[i] for i in rows]
        answers = tuple(answer for answer in known.answers
                        if any(shot.answer == answer for shot in shots))
        if len(answers) < 2:
            raise TeachError(f'{known.slug}: the shots of one answer alone can be decoded')
        shown = Shown(x_nd, np.array([answers.index(shot.answer) for shot in shots]),
                      np.array([numbers[i] for i in rows]))
        unread = [known.shots[i].name for i in range(len(known.shots)) if i not in rows]
        version = self._version(known, shown, shots, answers, unread)

        def numbered(number: int) -> dict[str, bytes]:
            about = {**version.about, 'number': number}
            return Version(version.head, answers, version.region, version.encoder,
                           about).contents()

        known, number = self.folder.add_version(known, numbered)
        return known, versions.read(known.path / VERSIONS / str(number))

    def _version(self, known: Known, shown: Shown, shots: Sequence[Shot],
                 answers: Sequence[str], unread: Sequence[str]) -> Version:
        layout, generic = self._encoder.layout, self._encoder.generic_mk
        fitted = fit(shown, len(answers), layout, generic, self._breathe)
        curve = learning_curve(shown, len(answers), layout, generic, self._breathe)
        margin_n, other_n = margins(shown, fitted)
        worst = [int(i) for i in np.argsort(margin_n)[:DOUBTFUL] if margin_n[i] < 0]
        about = {
            'number': 0, 'made': datetime.now(timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ'),
            'judgement': judge(shown, answers, fitted, curve).to_dict(),
            'doubtful': [{'shot': shots[i].name, 'answer': shots[i].answer,
                          'looks_like': answers[other_n[i]],
                          'margin': round(float(margin_n[i]), 4)} for i in worst],
            'unread': list(unread),
            'shots': [[shot.name, shot.digest, round(float(margin), 4)]
                      for shot, margin in zip(shots, margin_n, strict=True)]}
        return Version(fitted.head, tuple(answers), known.question.region, self._encoder.sha256,
                       about)

    def _encode(self, known: Known) -> tuple[list[int], Array]:
        """Return the rows of shots that can be decoded, and their features (rows, size)."""
        rows, found = [], []
        for i, shot in enumerate(known.shots):
            x_d = self.features(known, shot)
            if x_d is not None:
                rows.append(i)
                found.append(x_d)
        return rows, np.array(found, dtype=np.float32).reshape(len(rows), -1)

    def features(self, known: Known, shot: Shot) -> Array | None:
        """Return the features of a shot's region; None where the picture cannot be decoded."""
        key = shot.digest, known.question.region
        if key not in self._features:
            self._breathe()
            try:
                rgb = picture(known, shot)
            except TeachError:
                return None
            while len(self._features) >= MAX_SHOTS:
                del self._features[next(iter(self._features))]
            self._features[key] = self._encoder.encode(rgb, known.question.region
                                                       ).astype(np.float16)
        return self._features[key]


def picture(known: Known, shot: Shot) -> Array:
    """Return a shot's frame, RGB uint8 (H, W, 3); TeachError names what cannot be decoded."""
    path = known.path / SHOTS / shot.name
    try:
        return np.asarray(compressed_to_rgb(read_bounded(path, MAX_SHOT_BYTES)))
    except (BundleError, ImageError) as error:
        raise TeachError(f'{path}: cannot be decoded: {error}') from None


def warnings(known: Known) -> list[str]:
    """Return what a person should look at, one line each."""
    found = []
    shots, moments = known.counts()
    by_picture: dict[str, list[Shot]] = {}
    for shot in known.shots:
        by_picture.setdefault(shot.digest, []).append(shot)
    for same in by_picture.values():
        for a, b in itertools.pairwise(same):
            found.append(f'one picture has two answers: {a.name} {a.answer!r}, '
                         f'{b.name} {b.answer!r}')
    found += [f'{answer!r} was shown in one moment only' for answer in known.answers
              if moments[answer] == 1 and shots[answer] > 1]
    regions = dict.fromkeys((*(shot.region for shot in known.shots), known.question.region))
    if len(regions) > 1:
        found.append(f'the region moved between shots ({len(regions)} regions); all are read '
                     'with the newest, which stays when its shot is forgotten')
    for shot in known.shots:
        if not is_there(known.path / SHOTS / shot.name):
            found.append(f'{shot.name} is gone')
    return found[:20]
