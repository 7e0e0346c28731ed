"""CLIP: an image tower and a text tower that meet in one embedding space (Radford et al. 2021)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.tokenizer import PAD
from latent_vqa_ros.model.config import ModelConfig
from latent_vqa_ros.model.image_encoder import ImageEncoder
from latent_vqa_ros.model.text_encoder import TextEncoder

_SCALE_LIMIT = math.log(100.0)  # as CLIP clips it (sec. 2.5)


class LatentClip(nn.Module):
    """The two towers, their projections to the shared space, and the learned logit scale."""

    def __init__(self, config: ModelConfig, preprocess: PreprocessConfig, ids: int) -> None:
        super().__init__()
        self.image_encoder = ImageEncoder(config, preprocess)
        self.text_encoder = TextEncoder(config, ids)
        self.project_image = nn.Linear(config.width, config.embed_dim)
        self.project_text = nn.Linear(config.width, config.embed_dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def embed_image(self, tokens_bnd: Tensor) -> Tensor:
        """Return unit vectors (B, embed_dim) from the image tower's tokens."""
        return F.normalize(self.project_image(tokens_bnd.mean(dim=1)), dim=-1)

    def embed_regions(self, tokens_rd: Tensor) -> Tensor:
        """Return unit vectors (R, embed_dim) of single image tokens."""
        return F.normalize(self.project_image(tokens_rd), dim=-1)

    def embed_text(self, ids_bt: Tensor) -> Tensor:
        """Return unit vectors (B, embed_dim) of padded texts."""
        tokens_btd = self.text_encoder(ids_bt, ids_bt != PAD)
        return F.normalize(self.project_text(tokens_btd[:, 0]), dim=-1)

    @property
    def scale(self) -> Tensor:
        """The factor on cosines, at most 100."""
        return self.log_scale.clamp(max=_SCALE_LIMIT).exp()
