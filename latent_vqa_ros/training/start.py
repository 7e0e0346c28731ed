"""Training that begins with the weights of a bundle instead of random ones."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load

from latent_vqa_ros.core import bundle
from latent_vqa_ros.core.config import ConfigError
from latent_vqa_ros.core.tokenizer import Tokenizer
from latent_vqa_ros.model.vqa import LatentVqa
from latent_vqa_ros.training.config import Recipe

_WORDS = 'clip.text_encoder.embedding.weight'  # one row per id
_FITTED = ('bank', 'feature_mean', 'feature_whiten')  # after training, to the data


@torch.no_grad()
def take_over(model: LatentVqa, recipe: Recipe, tokenizer: Tokenizer) -> str:
    """Give the model the weights of the bundle ``recipe.start``; new words keep their own.

    Returns the bundle's name and version. Raises BundleError, and ConfigError where the bundle's
    model has other sizes.
    """
    found = bundle.load(Path(recipe.start))
    for key in ('model', 'preprocess'):
        theirs, ours = getattr(found.manifest, key), getattr(recipe, key)
        if theirs != ours:
            raise ConfigError(f'start: {recipe.start} has another section {key}; '
                              f'copy it from its manifest: {theirs}')
    weights = load(found.content(bundle.WEIGHTS))
    words = weights.pop(_WORDS)
    for name in _FITTED:
        del weights[name]
    model.load_state_dict(weights, strict=False)
    special = tokenizer.size - len(tokenizer.vocabulary)
    at = {word: special + i for i, word in enumerate(found.manifest.vocabulary)}
    rows = model.get_parameter(_WORDS)
    rows[:special] = words[:special]
    for row, word in enumerate(tokenizer.vocabulary, start=special):
        if word in at:
            rows[row] = words[at[word]]
    return f'{found.manifest.name} {found.manifest.version}'
