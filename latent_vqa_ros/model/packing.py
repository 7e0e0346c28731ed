"""Questions of different length side by side, without padding between them.

In training, several questions are asked about each image. Their tokens form one row per image, so
that linear layers and attention to the image spend nothing on padding; only among themselves do
tokens attend in padded form, question by question.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Packing:
    """Where Q questions per image, of ``length_bq`` tokens each, lie in rows of L tokens."""

    def __init__(self, length_bq: Tensor) -> None:
        images, questions = length_bq.shape
        end_bq = length_bq.cumsum(1)
        self.first_bq = end_bq - length_bq
        self.longest, self._row = int(length_bq.max()), int(end_bq[:, -1].max())
        place = torch.arange(self._row, device=length_bq.device).repeat(images, 1)
        # the rest of a short row repeats tokens of its last question, and nothing reads it
        self.question_bl = torch.searchsorted(end_bq, place, right=True).clamp(max=questions - 1)
        token = place - self.first_bq.gather(1, self.question_bl)
        self.token_bl = token.clamp(max=self.longest - 1)
        image = torch.arange(images, device=length_bq.device)[:, None]
        self._packed = ((image * questions + self.question_bl) * self.longest
                        + self.token_bl).flatten()
        token = torch.arange(self.longest, device=length_bq.device)
        self.mask_st = (token < length_bq[..., None]).flatten(0, 1)
        self._first = (image * self._row + self.first_bq).flatten()
        self._padded = ((image * self._row + self.first_bq)[..., None] + token).flatten()
        self._padded.clamp_(max=images * self._row - 1)

    def pad(self, x_blr: Tensor) -> Tensor:
        """Return the tokens question by question: (B, L, r) -> (B * Q, longest, r)."""
        return x_blr.flatten(0, 1).index_select(0, self._padded).view(
            -1, self.longest, x_blr.shape[-1])

    def pack(self, x_str: Tensor) -> Tensor:
        """Return the tokens image by image: (B * Q, longest, r) -> (B, L, r)."""
        return x_str.flatten(0, 1).index_select(0, self._packed).view(
            -1, self._row, x_str.shape[-1])

    def first(self, x_bld: Tensor) -> Tensor:
        """Return the first token of each question: (B, L, d) -> (B, Q, d)."""
        return x_bld.flatten(0, 1).index_select(0, self._first).view(
            *self.first_bq.shape, x_bld.shape[-1])
