"""A version: what one fit made of the shots, as files, and read again without trust.

    contents = Version(...).contents();  version = read(folder / 'versions' / '1')

    weights.npy    float16 (answers, features)
    near.npy       float16 (shots, averages)
    version.json   all else, with the digests of both

Refuses to know how a head is fitted.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.bundle import BundleError, read_bounded
from latent_vqa_ros.teach.head import Head
from latent_vqa_ros.teach.judge import Judgement
from latent_vqa_ros.teach.question import (
    MAX_ANSWERS,
    Region,
    TeachError,
    check_answer,
    check_region,
)

WEIGHTS, NEAR, ABOUT = 'weights.npy', 'near.npy', 'version.json'
MAX_BYTES = 64 << 20
MAX_ABOUT = 1 << 20

T = TypeVar('T')


@dataclass(frozen=True, eq=False)
class Version:
    """A head with its answers and region, the encoder it was made with, and its judgement.

    ``about`` has number, made, judgement, doubtful, unread and shots, as JSON.
    """

    head: Head
    answers: tuple[str, ...]
    region: Region | None
    encoder: str  # digest of the graph that gave the features
    about: Mapping[str, Any]
    sha256: str = ''

    @property
    def trusted(self) -> bool:
        """Whether the judge trusted it."""
        return bool(self.about['judgement']['trusted'])

    def contents(self) -> dict[str, bytes]:
        """Return its files."""
        files = {WEIGHTS: _npy(self.head.weights_cd), NEAR: _npy(self.head.near_nk)}
        document = {
            **self.about, 'answers': list(self.answers),
            'region': None if self.region is None else list(self.region),
            'encoder': self.encoder, 'scale': self.head.scale, 'limit': self.head.limit,
            'bias': [float(v) for v in self.head.bias_c],
            'files': {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}
        return {**files, ABOUT: json.dumps(document, ensure_ascii=False, indent=1).encode()}


def summary(about: Mapping[str, Any], sha256: str) -> dict[str, Any]:
    """Return a version's line under ``versions`` of teach/detail."""
    judgement = about['judgement']
    return {'version': about['number'], 'sha256': sha256, 'made': about['made'],
            'shots': len(about['shots']), 'trusted': judgement['trusted'],
            'right': judgement['right'], 'lower_bound': judgement['lower_bound']}


def read(folder: Path) -> Version:
    """Return a version from its folder; TeachError says what is wrong with it."""
    return _guarded(folder, _read)


def read_about(folder: Path) -> tuple[dict[str, Any], str]:
    """Return what a version says of itself, and its digest; TeachError as ``read``."""
    return _guarded(folder, _read_about)


def _guarded(folder: Path, action: Callable[[Path], T]) -> T:
    try:
        return action(folder)
    except (BundleError, TeachError) as error:
        raise TeachError(f'{folder}: {error}') from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, EOFError) as error:
        raise TeachError(f'{folder}: damaged: {type(error).__name__}: {error}; fit again'
                         ) from None


def _read_about(folder: Path) -> tuple[dict[str, Any], str]:
    text = read_bounded(folder / ABOUT, MAX_ABOUT)
    document = json.loads(text)
    _check_about(document)
    return document, hashlib.sha256(text).hexdigest()


def _check_about(document: Mapping[str, Any]) -> None:
    """Raise what ``_guarded`` tells where somebody would stumble over what is not there."""
    summary(document, '')
    if missing := {field.name for field in fields(Judgement)} - set(document['judgement']):
        raise TeachError(f'{ABOUT} lacks {min(missing)} of its judgement; fit again')
    for found in document['judgement']['per_answer'].values():
        float(found['right'])
    for name, digest, margin in document['shots']:
        float(margin), name + digest
    for one in document['doubtful']:
        one['shot'] + one['answer'] + one['looks_like']
    '\n'.join(document['unread'])


def _read(folder: Path) -> Version:
    document, sha256 = _read_about(folder)
    arrays = []
    for name in (WEIGHTS, NEAR):
        data = read_bounded(folder / name, MAX_BYTES)
        if hashlib.sha256(data).hexdigest() != document['files'][name]:
            raise TeachError(f'{name} is not the one that was written; fit again')
        arrays.append(np.load(io.BytesIO(data), allow_pickle=False).astype(np.float32))
    weights_cd, near_nk = arrays
    answers = tuple(map(check_answer, document['answers']))
    bias_c = np.array(document['bias'], dtype=float)
    scale, limit = float(document['scale']), float(document['limit'])
    if not (2 <= len(answers) <= MAX_ANSWERS and weights_cd.ndim == near_nk.ndim == 2
            and len(weights_cd) == len(answers) == len(bias_c) and len(near_nk)
            and math.isfinite(scale) and math.isfinite(limit)):
        raise TeachError('its parts do not fit each other; fit again')
    region = document['region']
    return Version(
        Head(weights_cd, bias_c, scale, near_nk, limit), answers,
        None if region is None else check_region(region), str(document['encoder']),
        {name: document[name] for name in ('number', 'made', 'judgement', 'doubtful', 'unread',
                                           'shots')},
        sha256)


def _npy(array: NDArray[Any]) -> bytes:
    np.save(buffer := io.BytesIO(), array.astype(np.float16), allow_pickle=False)
    return buffer.getvalue()
