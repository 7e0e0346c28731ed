"""Stage 1: align the image tower and the text tower on captions, by contrast."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from latent_vqa_ros.model.vqa import LatentVqa
from latent_vqa_ros.training.batches import Batch, Split, augmented_epoch
from latent_vqa_ros.training.config import Recipe
from latent_vqa_ros.training.loop import Task
from latent_vqa_ros.training.losses import contrastive_loss

_SEED = 1  # of this stage, beside the recipe's
_EVAL_BATCH = 100


def task(recipe: Recipe, model: LatentVqa, train: Split, val: Split,
         device: torch.device) -> Task:
    """Return the contrastive stage; its score is the recall@1 of captions on validation."""
    size = recipe.pretrain.batch

    def epoch(number: int) -> Iterator[Batch]:
        seed = (recipe.seed, _SEED, number)
        return augmented_epoch(train, seed, size, recipe.augment, device)

    def losses(batch: Batch) -> dict[str, Tensor]:
        tokens_bnd = model.clip.image_encoder(batch.image_bhwc)
        return {'loss': caption_loss(model, tokens_bnd, batch)}

    return Task('pretrain', train.steps(size), epoch, losses,
                lambda: {'score': recall(model, val, device)})


def caption_loss(model: LatentVqa, tokens_bnd: Tensor, batch: Batch) -> Tensor:
    """Return the contrastive loss of the batch's images that have a caption."""
    captioned = batch.caption_b >= 0
    if not captioned.any():
        return tokens_bnd.sum() * 0
    image_be = model.clip.embed_image(tokens_bnd[captioned])
    caption_ue = model.clip.embed_text(batch.caption_ids_ut)
    return contrastive_loss(image_be, caption_ue, batch.caption_b[captioned], model.clip.scale)


@torch.no_grad()
def recall(model: LatentVqa, split: Split, device: torch.device) -> float:
    """Return the share of images whose nearest caption, of all the split's, is their own."""
    hits = total = 0
    caption_ue = model.clip.embed_text(torch.from_numpy(split.caption_ids_ut).to(device))
    for start in range(0, len(split), _EVAL_BATCH):
        rows = range(start, min(start + _EVAL_BATCH, len(split)))
        image = torch.from_numpy(split.images[rows.start:rows.stop]).to(device)
        image_be = model.clip.embed_image(model.clip.image_encoder(image))
        nearest = (image_be @ caption_ue.T).argmax(dim=1).tolist()
        for row, found in zip(rows, nearest, strict=True):
            if split.captions[row]:
                hits += found in split.captions[row]
                total += 1
    return hits / max(1, total)
