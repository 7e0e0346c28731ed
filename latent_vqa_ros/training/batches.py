"""Records to tensors: pictures from their file, questions as indices, batches from a seed.

Batches are a pure function of (seed, epoch, step), so that a resumed training sees what an
uninterrupted one sees, also from the middle of an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.tokenizer import Tokenizer, words
from latent_vqa_ros.datasets.images import Pictures
from latent_vqa_ros.datasets.record import Record
from latent_vqa_ros.training import distributed
from latent_vqa_ros.training.config import AugmentConfig
from latent_vqa_ros.training.losses import IGNORED
from latent_vqa_ros.training.places import PlacedRecords, Places
from latent_vqa_ros.training.sides import answer_tells_side, mirrored, mirrored_answer

_KNOTS = 9  # of a smooth field, on a side, at most one less


@dataclass(frozen=True)
class Batch:
    """B images with up to Q questions each; U distinct questions and captions in the batch.

    ``places`` is where the things and the phrases of the questions are, see places.py.
    """

    image_bhwc: Tensor
    question_ids_ut: Tensor
    question_bq: Tensor  # index into question_ids_ut
    answer_bq: Tensor  # index into the bank, IGNORED where nothing is asked
    caption_ids_ut: Tensor
    caption_b: Tensor  # index into caption_ids_ut, -1 where the image has no caption
    places: Places

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


class Split:
    """One split of a dataset, ready for batches."""

    def __init__(self, records: Sequence[Record], preprocess: PreprocessConfig,
                 tokenizer: Tokenizer, answers: Sequence[str], grid: tuple[int, int]) -> None:
        self.records = records
        self.pictures = Pictures(records, preprocess)
        texts = sorted({q.text for record in records for q in record.questions})
        captions = sorted({text for record in records for text in record.captions})
        ids_ut = tokenizer.encode_batch(texts)
        mirrored_ut, can_u = mirrored(texts, ids_ut, tokenizer)
        self._question_ids = np.concatenate([ids_ut, mirrored_ut])
        sided = {text for text, can in zip(texts, can_u, strict=True) if not can}
        self._answer_at = {answer: i for i, answer in enumerate(answers)}
        self._mirrored_answer_at = _mirrored_answers(answers)
        self._mirrors = [np.array([q.text not in sided and q.answer in self._mirrored_answer_at
                                   for q in record.questions], np.bool_) for record in records]
        self.caption_ids_ut = (tokenizer.encode_batch(captions) if captions
                               else np.zeros((0, 1), np.int64))
        self._text_at = {text: i for i, text in enumerate(texts)}
        self._caption_at = {text: i for i, text in enumerate(captions)}
        self.placed = PlacedRecords(records, preprocess, tokenizer, grid)

    def __len__(self) -> int:
        return len(self.records)

    def captions(self, row: int) -> list[int]:
        """Return the captions of a record, as rows of ``caption_ids_ut``."""
        return [self._caption_at[text] for text in self.records[row].captions]

    def batch(self, rows: Sequence[int], rng: np.random.Generator | None = None,
              augment: AugmentConfig | None = None) -> Batch:
        """Return the batch of these records, augmented where both extras are given."""
        images, flipped = self.pictures.take(rows), np.zeros(len(rows), np.bool_)
        if rng is not None and augment is not None:
            if augment.mirror:
                flipped = rng.random(len(rows)) < 0.5
                flipped &= np.array([self._mirrors[row].any() or not self._mirrors[row].size
                                     for row in rows])
                images[flipped] = images[flipped][:, :, ::-1]
            images = augmented(images, rng, augment)
        most = max(1, *(len(self.records[row].questions) for row in rows))
        question = np.zeros((len(rows), most), np.int64)
        answer = np.full((len(rows), most), IGNORED)
        caption = np.full(len(rows), -1)
        for i, row in enumerate(rows):
            asked = self.records[row].questions
            question[i, :len(asked)] = [self._text_at[q.text] for q in asked]
            answer_at = self._mirrored_answer_at if flipped[i] else self._answer_at
            answer[i, :len(asked)] = [answer_at.get(q.answer, IGNORED) for q in asked]
            if flipped[i]:
                question[i] += len(self._text_at)
                answer[i, :len(asked)][~self._mirrors[row]] = IGNORED
            captions = self.captions(row)
            if captions and not flipped[i]:
                caption[i] = captions[0 if rng is None else int(rng.integers(len(captions)))]
        used, question = np.unique(question, return_inverse=True)
        present, index = np.unique(caption[caption >= 0], return_inverse=True)
        caption[caption >= 0] = index
        tensor = torch.from_numpy
        places = self.placed.batch(rows, rng, flipped)
        image, number = places.word_w5[:, 0], places.word_w5[:, 1]
        words_w5 = places.word_w5[tensor(answer)[image, number] != IGNORED]
        return Batch(tensor(images), tensor(_trim(self._question_ids[used])),
                     tensor(question.reshape(len(rows), most)), tensor(answer),
                     tensor(_trim(self.caption_ids_ut[present])), tensor(caption),
                     replace(places, word_w5=words_w5))

    def epoch(self, seed: Sequence[int], size: int) -> Iterator[list[int]]:
        """Yield the rows of each batch of one shuffled epoch; a short rest is left out."""
        order = np.random.default_rng(seed).permutation(len(self))
        for start in range(0, self.steps(size) * size, size):
            yield order[start:start + size].tolist()

    def steps(self, size: int) -> int:
        """Return the number of batches of an epoch."""
        return max(1, len(self) // size)


def augmented_epoch(split: Split, seed: Sequence[int], size: int, augment: AugmentConfig,
                    device: torch.device, first: int = 0) -> Iterator[Batch]:
    """Yield the augmented batches of one epoch from step ``first`` on.

    Each is a pure function of ``seed``, step and process. ``size`` counts the images of all
    processes.
    """
    rank, world = distributed.rank(), distributed.world()
    for step, rows in islice(enumerate(split.epoch(seed, size)), first, None):
        rng = np.random.default_rng((*seed, step, rank) if rank else (*seed, step))
        yield split.batch(rows[rank::world], rng, augment).to(device)


def _mirrored_answers(answers: Sequence[str]) -> dict[str, int]:
    """Return the row of the answer that each answer becomes in the mirrored picture.

    One that tells a side whose other side is no answer is left out.
    """
    row_of = {' '.join(words(answer)): row for row, answer in enumerate(answers)}
    found = {}
    for row, answer in enumerate(answers):
        other = mirrored_answer(answer)
        if not answer_tells_side(answer):
            found[answer] = row
        elif other in row_of and row_of[other] != row:
            found[answer] = row_of[other]
    return found


def _trim(ids_ut: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut columns that hold nothing but padding."""
    used = int((ids_ut != 0).sum(axis=1).max(initial=1))
    return np.ascontiguousarray(ids_ut[:, :used])


def augmented(images: NDArray[np.uint8], rng: np.random.Generator,
              config: AugmentConfig) -> NDArray[np.uint8]:
    """Return changed copies of images (B, H, W, 3); see AugmentConfig."""
    out = np.empty_like(images)
    for slot, image in zip(out, images, strict=True):
        if config.symmetries:
            image = np.rot90(image, int(rng.integers(4)))
            image = image[:, ::-1] if rng.integers(2) else image
        x = image.astype(np.float32)
        share = config.blur * rng.random()
        x = (1 - share) * x + share * np.asarray(cv2.blur(x, (3, 3)))
        x = x * (1 + config.gain * rng.uniform(-1, 1, size=3).astype(np.float32) / 2
                 + config.gain * rng.uniform(-1, 1) / 2)
        if config.shade:
            x *= 1 + config.shade * rng.random() * _smooth(rng, x.shape)
        if config.shadow:
            x *= 1 - config.shadow * rng.random() * _polygon(rng, x.shape)
        x += rng.standard_normal(x.shape, dtype=np.float32) * (config.noise * rng.random())
        slot[:] = np.clip(np.rint(x), 0, 255)
    return out


def _smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a field (H, W, 1) from about -1 to 1 without sharp edges, of random fineness."""
    knots = rng.uniform(-1, 1, size=(int(rng.integers(2, _KNOTS)),) * 2).astype(np.float32)
    field = cv2.resize(knots, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, np.float32)[..., None]


def _polygon(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a mask (H, W, 1), 1 in the hull of some points anywhere in the picture."""
    corners = rng.uniform((0, 0), (shape[1], shape[0]), (int(rng.integers(3, 6)), 2))
    mask = np.zeros(shape[:2], np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(corners.astype(np.int32)), 1.0)
    return mask[..., None]
