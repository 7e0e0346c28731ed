"""The losses, as functions of what they compare."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

IGNORED = -100  # target where nothing is asked
_LEAST = 1e-6  # attention whose logarithm is still taken


def contrastive_loss(image_be: Tensor, caption_ue: Tensor, target_b: Tensor,
                     scale: Tensor) -> Tensor:
    """Symmetric InfoNCE (Radford et al. 2021, fig. 3) in which equal captions are one caption.

    ``caption_ue`` holds the batch's distinct captions, ``target_b`` each image's own. From a
    caption to the images, all images with that caption are positives (Khosla et al. 2020, eq. 2).
    """
    logits_bu = scale * (image_be @ caption_ue.T)
    to_caption = F.cross_entropy(logits_bu, target_b)
    positive_bu = F.one_hot(target_b, caption_ue.shape[0]).to(logits_bu.dtype)
    log_p = logits_bu.log_softmax(dim=0)
    to_image = -((log_p * positive_bu).sum(0) / positive_bu.sum(0).clamp(min=1)).mean()
    return (to_caption + to_image) / 2


def answer_loss(logits_bqa: Tensor, target_bq: Tensor) -> Tensor:
    """Cross-entropy over the answer bank, the mean over all real questions."""
    return F.cross_entropy(logits_bqa.flatten(0, 1), target_bq.flatten(), ignore_index=IGNORED)


def count_loss(count_bq: Tensor, numbers_a: Tensor, target_bq: Tensor) -> Tensor:
    """Smooth L1 (Girshick 2015, eq. 3) of what was counted, over questions answered by a number.

    ``numbers_a`` is the number that each answer of the bank is, or NaN.
    """
    number_bq = F.pad(numbers_a, (0, 1), value=math.nan)[target_bq.clamp(min=-1)]  # IGNORED: last
    asked = ~number_bq.isnan()
    if not asked.any():
        return count_bq.sum() * 0
    return F.smooth_l1_loss(count_bq[asked], number_bq[asked])


def grounding_loss(looked_bln: Sequence[Tensor], first_bq: Tensor, word_w5: Tensor,
                   naming: int) -> Tensor:
    """Minus log of the attention at the cell of the thing that a word means.

    After MDETR's alignment of phrases and regions (Kamath et al. 2021, sec. 2.2). The first
    ``naming`` blocks are to find what a question names, the others what it asks for ("what").
    ``word_w5``: image, question, token, cell, 1 where the word names the thing; ``first_bq``
    says where a question's tokens begin among the L of its image.
    """
    image, question, token, cell, named = word_w5.T
    place = first_bq[image, question] + token
    losses = []
    for index, attention_bln in enumerate(looked_bln):
        wanted = named.bool() == (index < naming)
        found = attention_bln[image, place, cell][wanted].float()
        if len(found):
            losses.append(-found.clamp(min=_LEAST).log().mean())
    return sum(losses, start=word_w5.new_zeros((), dtype=looked_bln[0].dtype)) / len(looked_bln)
