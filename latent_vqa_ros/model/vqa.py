"""The whole model: CLIP towers, fusion, and answers scored against the bank of answer texts.

``encode`` and ``answer`` are the two halves that become the two ONNX graphs.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.tokenizer import PAD
from latent_vqa_ros.model.config import ModelConfig
from latent_vqa_ros.model.fusion import Fusion
from latent_vqa_ros.model.latent_attention import init_weights
from latent_vqa_ros.model.latent_clip import LatentClip
from latent_vqa_ros.model.packing import Packing

NEW_BUFFERS = ('strange_directions', 'strange_biases')  # which older weights lack
STRANGE = 6  # kinds of images that have a direction of their own
NAMING_BLOCKS = 2  # the first fusion blocks find what is named, later ones what is asked for


class LatentVqa(nn.Module):
    """Latent CLIP-VQA. ``ids`` counts the tokenizer's ids; the bank is set by ``set_bank``.

    With ``answer_table`` the bank is learned, as the last layer of a classifier is.
    """

    bank: Tensor
    feature_mean: Tensor
    feature_whiten: Tensor
    strange_directions: Tensor  # (d, STRANGE), 0 where the Gaussian alone says what is unfamiliar
    strange_biases: Tensor  # (STRANGE,)

    def __init__(self, config: ModelConfig, preprocess: PreprocessConfig, ids: int,
                 answers: int) -> None:
        super().__init__()
        self.clip = LatentClip(config, preprocess, ids)
        self.fusion = Fusion(config, self.clip.image_encoder.grid)
        self.drop_words = nn.Dropout1d(0.0)  # of questions
        self.project_answer = nn.Linear(config.width, config.embed_dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.apply(init_weights)
        self.fusion.reset_place()
        if config.answer_table:
            self.bank = nn.Parameter(
                torch.randn(answers, config.embed_dim) / math.sqrt(config.embed_dim))
        else:
            self.register_buffer('bank', torch.zeros(answers, config.embed_dim))
        self.register_buffer('feature_mean', torch.zeros(config.width))
        self.register_buffer('feature_whiten', torch.eye(config.width))
        self.register_buffer('strange_directions', torch.zeros(config.width, STRANGE))
        self.register_buffer('strange_biases', torch.zeros(STRANGE))
        self.register_load_state_dict_pre_hook(_complete)

    def encode(self, image_hwc: Tensor) -> tuple[Tensor, Tensor]:
        """Return one image's features (N, c), see Fusion, and familiarity distance ()."""
        encoder = self.clip.image_encoder
        tokens_nd = encoder.tokens(encoder.stem_tokens(image_hwc[None]).squeeze(0))
        return self.fusion.compress(tokens_nd), self.distance(tokens_nd)

    def answer(self, features_nc: Tensor, ids_t: Tensor) -> Tensor:
        """Return logits (answers,) of one unpadded question about one image."""
        return self.look(features_nc, ids_t)[0]

    def look(self, features_nc: Tensor, ids_t: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``answer``'s logits and where each token looked (T, N).

        The mean over the blocks that find what the question names.
        """
        fused_d, looked, _ = self.fusion(self.clip.text_encoder(ids_t), features_nc)
        first, *others = looked[:NAMING_BLOCKS]
        return self.score(fused_d, self.bank), sum(others, first) / (1 + len(others))

    def distance(self, tokens_nd: Tensor) -> Tensor:
        """Mahalanobis distance of the mean image token (Lee et al. 2018, eq. 2, one class).

        Divided by the root of the width, so that an image like those of training has about 1. Or
        its score along the direction to a kind of images that must be refused, if that is larger.
        """
        cells = tokens_nd.shape[-2]
        mean_d = tokens_nd.new_full((cells,), 1 / cells) @ tokens_nd  # faster than a mean
        whitened = (mean_d - self.feature_mean) @ self.feature_whiten
        scores_k = mean_d @ self.strange_directions + self.strange_biases
        return torch.maximum(whitened.square().mean(dim=-1).sqrt(), scores_k.amax(dim=-1))

    def score(self, fused: Tensor, bank_ae: Tensor) -> Tensor:
        """Return scaled cosines of fused questions and answers: (..., d) -> (..., answers).

        A learned bank has vectors of any length, so that some answers' logits reach further.
        """
        embedded = F.normalize(self.project_answer(fused), dim=-1)
        scale = self.log_scale.clamp(max=math.log(100.0)).exp()
        return scale * (embedded @ bank_ae.T)

    def fuse_many(self, tokens_bnd: Tensor, ids_ut: Tensor,
                  index_bq: Tensor) -> tuple[
                      Tensor, tuple[Tensor, ...], Tensor, Tensor | None]:
        """Return summaries (B, Q, d) of questions and where tokens looked, (B, L, N) per block.

        ``ids_ut`` holds the batch's distinct questions, padded; ``index_bq`` says which question
        of it image b is asked q-th. The tokens of an image's questions lie in one row of L; the
        third result says where each question begins there (B, Q), the fourth how many cells it
        counted (B, Q), where the model counts.
        """
        mask_ut = ids_ut != PAD
        text_utd = self.clip.text_encoder(ids_ut, mask_ut, self.drop_words)
        packing = Packing(mask_ut.sum(dim=1)[index_bq])
        source_bl = index_bq.gather(1, packing.question_bl) * ids_ut.shape[1] + packing.token_bl
        text_bld = text_utd.flatten(0, 1).index_select(0, source_bl.flatten()).view(
            *source_bl.shape, -1)
        fused, looked, count = self.fusion(text_bld, self.fusion.compress(tokens_bnd), packing)
        return fused, looked, packing.first_bq, count

    def score_live(self, fused_bqd: Tensor, answer_ids_at: Tensor) -> Tensor:
        """Return logits (B, Q, answers); the bank is embedded anew, so that it learns too."""
        return self.score(fused_bqd, self._bank(answer_ids_at))

    @torch.no_grad()
    def set_bank(self, answer_ids_at: Tensor) -> None:
        """Store the embeddings of the answers' texts (padded ids) in the bank."""
        self.bank.copy_(self._bank(answer_ids_at))

    def _bank(self, answer_ids_at: Tensor) -> Tensor:
        """Return the bank as training has it now: learned, or the embeddings of these texts."""
        learned = isinstance(self.bank, nn.Parameter)
        return self.bank if learned else self.clip.embed_text(answer_ids_at)


def _complete(model: nn.Module, weights: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Give weights that were stored before there were such buffers those of a new model."""
    for name in NEW_BUFFERS:
        weights.setdefault(prefix + name, model.get_buffer(name))
