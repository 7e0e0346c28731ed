"""Stage 2: question answering, with the contrastive losses kept beside it.

Where the data says what words mean which thing, attention is taught to fall on it: without that,
and without coordinates, relations stay at chance (docs/experiments.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from latent_vqa_ros.datasets.record import questions_of
from latent_vqa_ros.model.vqa import NAMING_BLOCKS, LatentVqa
from latent_vqa_ros.training.batches import Batch, Split, augmented_epoch
from latent_vqa_ros.training.config import Recipe
from latent_vqa_ros.training.loop import Task, autocast
from latent_vqa_ros.training.losses import IGNORED, answer_loss, count_loss, grounding_loss
from latent_vqa_ros.training.pretrain import caption_loss, region_loss

_SEED = 2  # of this stage, beside the recipe's
_EVAL_BATCH = 100


def task(recipe: Recipe, model: LatentVqa, train: Split, val: Split, bank_ids: Tensor,
         answers: Sequence[str], device: torch.device) -> Task:
    """Return the answering stage; its score is the share of right answers on validation."""
    config = recipe.finetune
    numbers_a = torch.tensor([float(a) if a.isdecimal() else math.nan for a in answers])

    def epoch(number: int, first: int) -> Iterator[Batch]:
        seed = (recipe.seed, _SEED, number)
        return augmented_epoch(train, seed, config.batch, recipe.augment, device, first)

    def losses(batch: Batch) -> dict[str, Tensor]:
        with autocast(recipe, device):
            tokens_bnd = model.clip.image_encoder(batch.image_bhwc)
            fused_bqd, looked, first_bq, count_bq = model.fuse_many(
                tokens_bnd, batch.question_ids_ut, batch.question_bq)
        parts = {'answer': (1.0, answer_loss(model.score_live(fused_bqd.float(), bank_ids),
                                             batch.answer_bq))}
        if config.contrastive_weight:
            parts['contrastive'] = (config.contrastive_weight,
                                    caption_loss(model, tokens_bnd.float(), batch))
        if config.region_weight:
            parts['region'] = (config.region_weight,
                               region_loss(model, tokens_bnd.float(), batch.places))
        if config.grounding_weight:
            parts['grounding'] = (config.grounding_weight, grounding_loss(
                looked, first_bq, batch.places.word_w5, NAMING_BLOCKS))
        if config.count_weight and count_bq is not None:
            parts['count'] = (config.count_weight, count_loss(
                count_bq, numbers_a.to(count_bq), batch.answer_bq))
        return {'loss': torch.stack([weight * loss for weight, loss in parts.values()]).sum(),
                **{f'{name}_loss': loss for name, (_, loss) in parts.items()}}

    return Task('finetune', train.steps(config.batch), epoch, losses,
                lambda: _score(model, val, bank_ids, device), (recipe.seed, _SEED))


def _score(model: LatentVqa, val: Split, bank_ids: Tensor,
           device: torch.device) -> dict[str, float]:
    """Return the share of right answers on validation, of all and of each group."""
    logits, target = predict(model, val, bank_ids, device)
    right = (logits.argmax(1) == target).numpy()
    groups = np.array([q.group for _, q in questions_of(val.records)])
    return {'score': float(right.mean()),
            **{f'right_{name}': float(right[groups == name].mean())
               for name in sorted(set(groups))}}


@torch.no_grad()
def predict(model: LatentVqa, split: Split, bank_ids: Tensor,
            device: torch.device) -> tuple[Tensor, Tensor]:
    """Return logits (questions, answers) and true answers (questions,) of a split."""
    logits, targets = [], []
    for start in range(0, len(split), _EVAL_BATCH):
        batch = split.batch(range(start, min(start + _EVAL_BATCH, len(split)))).to(device)
        tokens_bnd = model.clip.image_encoder(batch.image_bhwc)
        fused_bqd, *_ = model.fuse_many(tokens_bnd, batch.question_ids_ut, batch.question_bq)
        found = model.score_live(fused_bqd, bank_ids)
        asked = batch.answer_bq != IGNORED
        logits.append(found[asked].cpu())
        targets.append(batch.answer_bq[asked].cpu())
    return torch.cat(logits), torch.cat(targets)
