"""Training that begins with the weights of a bundle instead of random ones.

The new model may be deeper: blocks that are added do nothing at first, so that training begins
with the bundle's answers (Chen et al. 2016, Net2DeeperNet; the last scale of a residual branch is
0 as in Goyal et al. 2017, sec. 5.1). It may see larger or smaller pictures: the embedding of the
grid's places is resized (Dosovitskiy et al. 2021, sec. 3.2), and training begins below the
bundle's accuracy, as it does where keys are pooled that were not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent_vqa_ros.backends.torch_backend import load_model
from latent_vqa_ros.core import bundle
from latent_vqa_ros.core.config import ConfigError
from latent_vqa_ros.core.models import find_model
from latent_vqa_ros.core.tokenizer import Tokenizer
from latent_vqa_ros.model.config import ModelConfig, architecture
from latent_vqa_ros.model.latent_attention import LatentBlock
from latent_vqa_ros.model.towers.conv_stem import ResidualBlock, first_layer
from latent_vqa_ros.model.vqa import NEW_BUFFERS, LatentVqa
from latent_vqa_ros.training import checkpoint, distributed
from latent_vqa_ros.training.config import Recipe

WEIGHTS = 'start.safetensors'  # in the run folder: what training began with
_WORDS = 'clip.text_encoder.embedding.weight'  # one row per id
_POSITION = 'clip.image_encoder.position'  # one row per cell of the grid
_STEM = re.compile(r'(clip\.image_encoder\.stem\.)(\d+)(\..*)')
_LINKS = 20  # trainings that a bundle tells of, the newest: a manifest is nested so deep at most
_FITTED = ('bank', 'feature_mean', 'feature_whiten', *NEW_BUFFERS)  # after training, to the data


@torch.no_grad()
def take_over(model: LatentVqa, recipe: Recipe, tokenizer: Tokenizer, folder: Path) -> None:
    """Give the model the weights of the bundle ``recipe.start``; new words keep their own.

    Leaves them in the run folder, with the bundle's name, version and digest. Raises BundleError,
    and ConfigError where the bundle's model has other sizes.
    """
    weights, new, begun = _taken(model, recipe, tokenizer)
    _silence(model)
    model.load_state_dict(weights, strict=False)
    _keep(folder, recipe, weights, new, begun)


def begin(recipe: Recipe) -> bundle.Bundle:
    """Return the bundle ``recipe.start``, a name or a folder; BundleError where there is none."""
    return bundle.load(find_model(recipe.start))


def identity(found: bundle.Bundle) -> str:
    """Return name, version and digest of a bundle."""
    return f'{found.manifest.name} {found.manifest.version} (sha256 {found.sha256[:12]})'


def begun_with(folder: Path) -> str | None:
    """Return name, version and digest of the bundle that training began with, if it did."""
    path = folder / WEIGHTS
    return checkpoint.load_tensors(path)[1]['bundle'] if path.exists() else None


@torch.no_grad()
def same(recipe: Recipe, folder: Path, vocabulary: Sequence[str]) -> bool:
    """Return whether the bundle ``recipe.start`` has the weights that the folder began with.

    A bundle that is assembled anew has another digest, but not other weights: its recipe's version
    or a comment changed. Then the folder tells this bundle from now on. ``vocabulary`` is that of
    the folder's training. BundleError and ConfigError as in ``take_over``.
    """
    path = folder / WEIGHTS
    if not path.exists():
        return False
    kept, about = checkpoint.load_tensors(path)
    tokenizer = Tokenizer(tuple(vocabulary), recipe.model.max_tokens)
    model = LatentVqa(recipe.model, recipe.preprocess, tokenizer.size, 1)
    weights, new, begun = _taken(model, recipe, tokenizer)
    if new != about['new_words']:
        return False
    weights[_WORDS][new] = kept[_WORDS][new]  # those of new words come from the seed
    if not all(name in kept and torch.equal(kept[name], weights[name]) for name in weights):
        return False
    _keep(folder, recipe, kept, new, begun)
    return True


def history(folder: Path) -> dict[str, Any]:
    """Return what the bundle that training began with says of its own training."""
    told = last = dict(checkpoint.load_tensors(folder / WEIGHTS)[1].get('training', {}))
    for _ in range(_LINKS - 1):
        last = last.get('before', {})
    last.pop('before', None)
    return told


@torch.no_grad()
def mix(model: LatentVqa, recipe: Recipe, folder: Path) -> None:
    """Make the trained weights their mean with those that training began with.

    ``recipe.start_share`` of it is the bundle's (Wortsman et al. 2022, eq. 1), as the run folder
    has them. What the bundle lacks stays as trained.
    """
    weights, about = checkpoint.load_tensors(folder / WEIGHTS)
    trained = model.state_dict()
    weights[_WORDS][about['new_words']] = trained[_WORDS][about['new_words']].cpu()
    for name, tensor in weights.items():
        if tensor.is_floating_point():
            trained[name].lerp_(tensor.to(trained[name].device), recipe.start_share)


def _keep(folder: Path, recipe: Recipe, weights: dict[str, Tensor], new: list[int],
          begun: str) -> None:
    """Leave the weights in the run folder, with what is to be told of their bundle."""
    if distributed.rank() == 0:
        checkpoint.save_tensors(folder / WEIGHTS, weights, {
            'bundle': begun, 'new_words': new, 'training': dict(
                begin(recipe).manifest.training)})


def _taken(model: LatentVqa, recipe: Recipe, tokenizer: Tokenizer) -> tuple[
        dict[str, Tensor], list[int], str]:
    """Return the bundle's weights as the model has them, the rows of words that are new to it, and
    its name, version and digest.
    """
    found = begin(recipe)
    theirs, ours = architecture(found.manifest), recipe.model
    if theirs.answer_table:
        raise ConfigError(f'start: {recipe.start} learned a vector for each answer '
                          '(answer_table); nothing can begin with it')
    seen = found.manifest.preprocess
    for key, has, wanted, more in (
            ('model', theirs, _as_deep_as(theirs, ours),
             ' (stem_residuals and image_blocks may grow, image_pool may differ, '
             'count_dim may be new)'),
            ('preprocess', seen, replace(recipe.preprocess, height=seen.height, width=seen.width,
                                         resize=seen.resize),
             ' (height, width and resize may differ)')):
        if has != wanted:
            raise ConfigError(f'start: {recipe.start} has another section {key}; copy it from its '
                              f'manifest{more}: {has}')
    trained = load_model(found)
    weights = {_renamed(name, theirs, ours): tensor
               for name, tensor in trained.state_dict().items()}
    weights[_POSITION] = _resized(weights[_POSITION], trained.clip.image_encoder.grid,
                                  model.clip.image_encoder.grid)
    words = weights[_WORDS]
    for name in _FITTED:
        del weights[name]
    special = tokenizer.size - len(tokenizer.vocabulary)
    at = {word: special + i for i, word in enumerate(found.manifest.vocabulary)}
    rows = model.get_parameter(_WORDS).detach().cpu().clone()
    rows[:special] = words[:special]
    new = []
    for row, word in enumerate(tokenizer.vocabulary, start=special):
        if word in at:
            rows[row] = words[at[word]]
        else:
            new.append(row)
    weights[_WORDS] = rows
    return weights, new, identity(found)


def _as_deep_as(theirs: ModelConfig, ours: ModelConfig) -> ModelConfig:
    """Return our configuration with the depth of theirs, where ours is at least that."""
    residuals = zip(theirs.stem_residuals, ours.stem_residuals, strict=False)
    if (len(theirs.stem_residuals) != len(ours.stem_residuals)
            or any(a > b for a, b in residuals) or theirs.image_blocks > ours.image_blocks):
        return ours
    return replace(ours, stem_residuals=theirs.stem_residuals, image_blocks=theirs.image_blocks,
                   image_pool=theirs.image_pool,
                   count_dim=ours.count_dim if theirs.count_dim else 0)


def _renamed(name: str, theirs: ModelConfig, ours: ModelConfig) -> str:
    """Return the name of a weight in the deeper model; the stem counts its layers through."""
    found = _STEM.fullmatch(name)
    if not found:
        return name
    layer = int(found[2])
    before, after = theirs.stem_residuals, ours.stem_residuals
    stage = max(s for s in range(len(before)) if first_layer(before, s) <= layer)
    layer += first_layer(after, stage) - first_layer(before, stage)
    return f'{found[1]}{layer}{found[3]}'


def _resized(position_nd: Tensor, theirs: tuple[int, int], ours: tuple[int, int]) -> Tensor:
    """Return the embedding of their grid's cells (rows * columns, d) for the cells of ours."""
    if theirs == ours:
        return position_nd
    grid_1dhw = position_nd.T.unflatten(1, theirs)[None]
    return F.interpolate(grid_1dhw, ours, mode='bicubic')[0].flatten(1).T


def _silence(model: LatentVqa) -> None:
    """Let the blocks add 0 to what they are given; those of the bundle get their weights after."""
    for block in model.clip.image_encoder.modules():
        if isinstance(block, ResidualBlock):
            nn.init.zeros_(block.get_parameter('body.2.1.weight'))  # scales the branch
        elif isinstance(block, LatentBlock):
            nn.init.zeros_(block.get_parameter('attention.expand.weight'))  # biases are 0 already
            nn.init.zeros_(block.get_parameter('mlp.2.weight'))
