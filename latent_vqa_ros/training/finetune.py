"""Stage 2: question answering, with the contrastive loss kept beside it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from latent_vqa_ros.model.vqa import LatentVqa
from latent_vqa_ros.training.batches import Batch, Split, augmented_epoch
from latent_vqa_ros.training.config import Recipe
from latent_vqa_ros.training.loop import Task
from latent_vqa_ros.training.losses import IGNORED, answer_loss
from latent_vqa_ros.training.pretrain import caption_loss

_SEED = 2  # of this stage, beside the recipe's
_EVAL_BATCH = 100


def task(recipe: Recipe, model: LatentVqa, train: Split, val: Split, bank_ids: Tensor,
         device: torch.device) -> Task:
    """Return the answering stage; its score is the share of right answers on validation."""
    config = recipe.finetune

    def epoch(number: int) -> Iterator[Batch]:
        seed = (recipe.seed, _SEED, number)
        return augmented_epoch(train, seed, config.batch, recipe.augment, device)

    def losses(batch: Batch) -> dict[str, Tensor]:
        tokens_bnd = model.clip.image_encoder(batch.image_bhwc)
        logits_bqa = model.answer_many(tokens_bnd, batch.question_ids_ut, batch.question_bq,
                                       bank_ids)
        answer = answer_loss(logits_bqa, batch.answer_bq)
        if not config.contrastive_weight:
            return {'loss': answer}
        contrast = caption_loss(model, tokens_bnd, batch)
        return {'loss': answer + config.contrastive_weight * contrast,
                'answer_loss': answer, 'contrastive_loss': contrast}

    def score() -> dict[str, float]:
        logits, target = predict(model, val, bank_ids, device)
        return {'score': float((logits.argmax(1) == target).float().mean())}

    return Task('finetune', train.steps(config.batch), epoch, losses, score)


@torch.no_grad()
def predict(model: LatentVqa, split: Split, bank_ids: Tensor,
            device: torch.device) -> tuple[Tensor, Tensor]:
    """Return logits (questions, answers) and true answers (questions,) of a split."""
    logits, targets = [], []
    for start in range(0, len(split), _EVAL_BATCH):
        batch = split.batch(range(start, min(start + _EVAL_BATCH, len(split)))).to(device)
        tokens_bnd = model.clip.image_encoder(batch.image_bhwc)
        found = model.answer_many(tokens_bnd, batch.question_ids_ut, batch.question_bq, bank_ids)
        asked = batch.answer_bq != IGNORED
        logits.append(found[asked].cpu())
        targets.append(batch.answer_bq[asked].cpu())
    return torch.cat(logits), torch.cat(targets)
