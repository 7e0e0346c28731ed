"""The two losses, as functions of what they compare."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

IGNORED = -100  # target of a padded question


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
