"""Stage 1: align the image tower and the text tower on captions, by contrast.

Captions of whole pictures meet the mean image token; where the data says where things are,
captions of single things meet the image token at their place, and "nothing" the empty ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from latent_vqa_ros.model.vqa import LatentVqa
from latent_vqa_ros.training.batches import Batch, Split, augmented_epoch
from latent_vqa_ros.training.config import Recipe
from latent_vqa_ros.training.loop import Task, autocast
from latent_vqa_ros.training.losses import contrastive_loss
from latent_vqa_ros.training.places import Places

_SEED = 1  # of this stage, beside the recipe's
_EVAL_BATCH = 100


def task(recipe: Recipe, model: LatentVqa, train: Split, val: Split,
         device: torch.device) -> Task:
    """Return the contrastive stage.

    Its score on validation is the recall@1 of the things' captions at their places, or of the
    pictures' captions where no places are known.
    """
    config = recipe.pretrain

    def epoch(number: int, first: int) -> Iterator[Batch]:
        seed = (recipe.seed, _SEED, number)
        return augmented_epoch(train, seed, config.batch, recipe.augment, device, first)

    def losses(batch: Batch) -> dict[str, Tensor]:
        with autocast(recipe, device):
            tokens_bnd = model.clip.image_encoder(batch.image_bhwc)
        caption = caption_loss(model, tokens_bnd.float(), batch)
        if not config.region_weight:
            return {'loss': caption}
        region = region_loss(model, tokens_bnd.float(), batch.places)
        return {'loss': caption + config.region_weight * region,
                'caption_loss': caption, 'region_loss': region}

    def score() -> dict[str, float]:
        return {'score': region_recall(model, val, device)
                if config.region_weight and val.placed.exist else recall(model, val, device)}

    return Task('pretrain', train.steps(config.batch), epoch, losses, score,
                (recipe.seed, _SEED))


def caption_loss(model: LatentVqa, tokens_bnd: Tensor, batch: Batch) -> Tensor:
    """Return the contrastive loss of the batch's images that have a caption."""
    captioned = batch.caption_b >= 0
    if not captioned.any():
        return tokens_bnd.sum() * 0
    image_be = model.clip.embed_image(tokens_bnd[captioned])
    caption_ue = model.clip.embed_text(batch.caption_ids_ut)
    return contrastive_loss(image_be, caption_ue, batch.caption_b[captioned], model.clip.scale)


def region_loss(model: LatentVqa, tokens_bnd: Tensor, places: Places) -> Tensor:
    """Return the contrastive loss between image tokens and the captions of what is there."""
    if not len(places.region_r3):
        return tokens_bnd.sum() * 0
    image, cell, caption = places.region_r3.T
    region_re = model.clip.embed_regions(tokens_bnd[image, cell])
    caption_ue = model.clip.embed_text(places.caption_ids_ut)
    return contrastive_loss(region_re, caption_ue, caption, model.clip.scale)


@torch.no_grad()
def recall(model: LatentVqa, split: Split, device: torch.device) -> float:
    """Return the share of images whose nearest caption, of all the split's, is their own."""
    if not len(split.caption_ids_ut):
        return 0.0
    hits = total = 0
    caption_ue = model.clip.embed_text(torch.from_numpy(split.caption_ids_ut).to(device))
    for start in range(0, len(split), _EVAL_BATCH):
        rows = range(start, min(start + _EVAL_BATCH, len(split)))
        image = torch.from_numpy(split.pictures.take(rows)).to(device)
        image_be = model.clip.embed_image(model.clip.image_encoder(image))
        nearest = (image_be @ caption_ue.T).argmax(dim=1).tolist()
        for row, found in zip(rows, nearest, strict=True):
            captions = split.captions(row)
            hits += found in captions
            total += bool(captions)
    return hits / max(1, total)


@torch.no_grad()
def region_recall(model: LatentVqa, split: Split, device: torch.device) -> float:
    """Return the share of things whose nearest caption, of all things', is their own."""
    hits = total = 0
    caption_ue = model.clip.embed_text(torch.from_numpy(split.placed.caption_ids).to(device))
    for start in range(0, len(split), _EVAL_BATCH):
        rows = range(start, min(start + _EVAL_BATCH, len(split)))
        image = torch.from_numpy(split.pictures.take(rows)).to(device)
        tokens_bnd = model.clip.image_encoder(image)
        for row, tokens_nd in zip(rows, tokens_bnd, strict=True):
            cell, caption = torch.from_numpy(split.placed.regions[row]).to(device).T
            found = model.clip.embed_regions(tokens_nd[cell]) @ caption_ue.T
            hits += int((found.argmax(dim=1) == caption)[caption >= 0].sum())
            total += int((caption >= 0).sum())
    return hits / max(1, total)
