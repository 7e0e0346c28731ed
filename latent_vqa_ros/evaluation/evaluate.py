"""Accuracy of a bundle on data: per group of questions, beside what a blind model reaches.

Runs the deployed graphs through the runtime's own preprocessing and tokenizer. Needs no torch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from latent_vqa_ros.core.answer import softmax
from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.manifest import Manifest
from latent_vqa_ros.core.pipeline import Backend
from latent_vqa_ros.core.preprocess import Shares, box_in_input, prepare, target_box
from latent_vqa_ros.core.tokenizer import QuestionError, words
from latent_vqa_ros.datasets.images import read_rgb
from latent_vqa_ros.datasets.record import (
    DatasetError,
    Phrase,
    Record,
    questions_of,
)

Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
BINS = 15  # of the calibration error, equal widths
CONFIDENT = 0.9  # answers above are told apart
NEVER = ('%s: of %d of %d questions the model cannot give the true answer, such as %r: they count '
         'as wrong')


@dataclass(frozen=True)
class Predictions:
    """Logits (questions, answers) beside the truth; -1 is a true answer outside the bank."""

    logits: NDArray[np.float64]
    truth: NDArray[np.int64]
    groups: tuple[str, ...]
    distances: NDArray[np.float64]  # of each image
    pointed: NDArray[np.bool_]  # of each phrase that names a thing: the model looked at it

    @property
    def right(self) -> NDArray[np.bool_]:
        """Return which questions are answered right."""
        return np.asarray(self.logits.argmax(axis=1) == self.truth)


def predict(backend: Backend, manifest: Manifest, records: Sequence[Record],
            title: str = 'evaluate', change: Change | None = None) -> Predictions:
    """Encode each image once and answer all its questions; ``change`` alters it as `seen` does."""
    tokenizer = manifest.tokenizer
    bank = {_asked(answer): i for i, answer in enumerate(manifest.answers)}
    logits, truth, groups, distances, pointed = [], [], [], [], []
    for record in tqdm(records, title, leave=False, mininterval=1):
        features, distance = backend.encode(seen(record, manifest.preprocess, change))
        distances.append(distance)
        for question in record.questions:
            try:
                ids = tokenizer.encode(question.text)
            except QuestionError as error:
                raise DatasetError(f'{record.image}: {manifest.name} cannot be asked '
                                   f'{question.text[:80]!r}: {error}') from None
            scores, attention_tn = backend.answer(features, ids)
            logits.append(scores)
            if attention_tn is not None and manifest.evidence is not None:
                placed = (_placed(phrase, record, manifest)
                          for phrase in question.phrases if phrase.named)
                pointed += [points_at(attention_tn, phrase, manifest.evidence.grid)
                            for phrase in placed if _is_seen(phrase.box)]
            truth.append(bank.get(_asked(question.answer), -1))
            groups.append(question.group)
    return Predictions(np.asarray(logits, np.float64), np.asarray(truth), tuple(groups),
                       np.asarray(distances), np.asarray(pointed, bool))


def seen(record: Record, preprocess: PreprocessConfig, change: Change | None = None
         ) -> NDArray[np.uint8]:
    """Return a record's picture as the model sees it, (height, width, 3).

    ``change`` alters what comes of the picture; a letterbox's bars stay as they are.
    """
    picture = read_rgb(record)
    image = prepare(picture, preprocess)
    if change is None:
        return image
    x, y, w, h = target_box(picture.shape[0], picture.shape[1], preprocess)
    image = image.copy()
    image[y:y + h, x:x + w] = change(image[y:y + h, x:x + w])
    return image


def _is_seen(box: Shares) -> bool:
    """Return whether some of a box, in shares of the model's input, lies within it."""
    x, y, w, h = box
    return x < 1 and y < 1 and x + w > 0 and y + h > 0


def _placed(phrase: Phrase, record: Record, manifest: Manifest) -> Phrase:
    """Return a phrase whose box is in shares of the model's input."""
    return replace(phrase, box=box_in_input(phrase.box, record.aspect, manifest.preprocess))


def points_at(attention_tn: NDArray[Any], phrase: Phrase, grid: tuple[int, int]) -> bool:
    """Return whether the cell of a phrase's highest attention overlaps the box of its thing.

    ``grid`` (rows, columns) lies over what the box is a share of.
    """
    looked_n = attention_tn[phrase.start + 1:phrase.stop + 1].mean(axis=0)
    row, column = divmod(int(looked_n.argmax()), grid[1])
    x, y, width, height = phrase.box
    return bool(x * grid[1] < column + 1 and (x + width) * grid[1] > column
                and y * grid[0] < row + 1 and (y + height) * grid[0] > row)


def blind_answers(train: Sequence[Record], asked: Sequence[Record]) -> list[str]:
    """Answer without looking: the most frequent answer to the same words in training.

    A question that training never asks gets the most frequent answer of its group. Records that
    are themselves among those learned from are answered from the half that they are not in.
    """
    place = {id(record): i for i, record in enumerate(train)}
    learned = [_frequencies(records) for records in (train[1::2], train[::2], train)]
    found = []
    for record in asked:
        by_text, by_group = learned[place[id(record)] % 2 if id(record) in place else 2]
        for question in record.questions:
            counts = (by_text.get(_asked(question.text)) or by_group.get(question.group)
                      or Counter(['']))
            found.append(min(counts, key=lambda answer: (-counts[answer], answer)))
    return found


@lru_cache(maxsize=1 << 16)
def _asked(text: str) -> str:
    """Return what of a text a model can see, however it is typed."""
    return ' '.join(words(text))


def _frequencies(records: Sequence[Record]) -> tuple[dict[str, Counter[str]], ...]:
    """Return how often each answer is given, by the question's text and by its group."""
    by_text: dict[str, Counter[str]] = defaultdict(Counter)
    by_group: dict[str, Counter[str]] = defaultdict(Counter)
    for _, question in questions_of(records):
        by_text[_asked(question.text)][_asked(question.answer)] += 1
        by_group[question.group][_asked(question.answer)] += 1
    return by_text, by_group


def calibration_error(p: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error of top confidences (Guo et al. 2017, eq. 3)."""
    return float(sum(abs(row['accuracy'] - row['confidence']) * row['n'] / len(right)
                     for row in _bins(p, right)))


def reliability(predictions: Predictions, manifest: Manifest) -> dict[str, Any]:
    """Return accuracy and count per bin of confidence, before and after temperature scaling."""
    curves = {}
    for name, temperature in (('before', 1.0), ('after', manifest.temperature)):
        curves[name] = _bins(softmax(predictions.logits, temperature), predictions.right)
    return curves


def _bins(p: NDArray[np.float64], right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return mean confidence, accuracy and count of each bin of confidence that is not empty."""
    confidence = p.max(axis=1)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [{'confidence': float(confidence[bins == b].mean()),
             'accuracy': float(right[bins == b].mean()), 'n': int((bins == b).sum())}
            for b in np.unique(bins)]


def report(predictions: Predictions, manifest: Manifest, records: Sequence[Record],
           train: Sequence[Record], data: str, split: str) -> dict[str, Any]:
    """Return the document of ``latent_vqa evaluate --json``; accuracies from 0 to 1."""
    asked = [question for _, question in questions_of(records)]
    guessable = np.array([question.shortcut is not None for question in asked])
    shortcut = np.array([question.shortcut is not None
                         and _asked(str(question.shortcut)) == _asked(question.answer)
                         for question in asked])
    blind = np.array([answer == _asked(question.answer) for answer, question
                      in zip(blind_answers(train, records), asked, strict=True)])
    right, groups = predictions.right, np.array(predictions.groups)
    p = softmax(predictions.logits, manifest.temperature)
    sure, confident = (p.max(axis=1) >= least for least in (manifest.min_confidence, CONFIDENT))
    return {
        'model': manifest.name, 'data': data, 'split': split, 'n': len(asked),
        'accuracy': float(right.mean()), 'blind_accuracy': float(blind.mean()),
        'groups': {name: {'n': int((groups == name).sum()),
                          'accuracy': float(right[groups == name].mean()),
                          'blind': float(blind[groups == name].mean()),
                          **({'shortcut': float(shortcut[groups == name].mean())}
                             if guessable[groups == name].all() else {})}
                   for name in sorted(set(predictions.groups))},
        'ece': calibration_error(p, right),
        'ece_uncalibrated': calibration_error(softmax(predictions.logits), right),
        'unfamiliar': (float((predictions.distances > manifest.max_distance).mean())
                       if manifest.max_distance is not None else 0.0),
        'answered': float(sure.mean()),
        'accuracy_answered': float(right[sure].mean()) if sure.any() else None,
        'confident': {'share': float(confident.mean()),
                      'accuracy': float(right[confident].mean()) if confident.any() else None},
        'accuracy_surest_90': float(right[np.argsort(-p.max(axis=1), kind='stable')
                                          [:max(1, round(0.9 * len(right)))]].mean()),
        **({'pointing': {'n': len(predictions.pointed),
                         'accuracy': float(predictions.pointed.mean())}}
           if len(predictions.pointed) else {}),
        'confusion': confusion(predictions, manifest),
    }


def confusion(predictions: Predictions, manifest: Manifest) -> dict[str, dict[str, int]]:
    """Return counts of wrong answers: truth -> answer -> count."""
    names = (*manifest.answers, '(not in the bank)')
    wrong: dict[str, Counter[str]] = defaultdict(Counter)
    for given, true in zip(predictions.logits.argmax(axis=1), predictions.truth, strict=True):
        if given != true:
            wrong[names[true]][names[given]] += 1
    return {name: dict(counts) for name, counts in sorted(wrong.items())}


def table(document: dict[str, Any]) -> str:
    """Return the report as text: one line per group, the blind floor beside it."""
    rows = [(name, g['n'], g['accuracy'], g['blind'], g.get('shortcut'))
            for name, g in document['groups'].items()]
    rows.append(('all', document['n'], document['accuracy'], document['blind_accuracy'], None))
    wide = max(16, *(len(row[0]) + 1 for row in rows))
    floor = any(row[4] is not None for row in rows)
    lines = [f'{"group":<{wide}}{"questions":>10}{"right":>10}{"blind":>10}'
             + (f'{"shortcut":>10}' if floor else '')]
    lines += [f'{name:<{wide}}{n:>10}{right:>10.2%}{blind:>10.2%}'
              + ('' if shortcut is None else f'{shortcut:>10.2%}')
              for name, n, right, blind, shortcut in rows]
    lines.append(f'calibration error {document["ece"]:.3%} '
                 f'({document["ece_uncalibrated"]:.3%} before temperature scaling)')
    lines.append(f'the surest 90 % of the answers: {document["accuracy_surest_90"]:.2%} right')
    if 'confident' in document:  # cards of before have none
        confident = document['confident']
        right = f', {confident["accuracy"]:.2%} of them right' if confident['share'] else ''
        lines.append(f'confidence {CONFIDENT} and above: '
                     f'{confident["share"]:.1%} of the answers{right}; '
                     f'{document["unfamiliar"]:.1%} of the pictures unfamiliar')
    if 'pointing' in document:
        lines.append(f'looked at what is named: {document["pointing"]["accuracy"]:.2%} of '
                     f'{document["pointing"]["n"]} phrases')
    return '\n'.join(lines)


def disagreement(a: Predictions, b: Predictions) -> dict[str, float]:
    """Return the share of questions that two runs answer differently, per group and for all."""
    differ = a.logits.argmax(axis=1) != b.logits.argmax(axis=1)
    groups = np.array(a.groups)
    shares = {name: float(differ[groups == name].mean()) for name in sorted(set(a.groups))}
    return {**shares, 'all': float(differ.mean())}
