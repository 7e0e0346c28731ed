"""A chain of recipes: each begins with the bundle in which the one before it ends.

A link is a recipe like any other, with a run folder of its own; a finished link is left as it is.
Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from latent_vqa_ros import datasets
from latent_vqa_ros.core import bundle
from latent_vqa_ros.core.config import ConfigError
from latent_vqa_ros.training import run, start
from latent_vqa_ros.training.config import Recipe

RUNS = Path('runs')


@dataclass(frozen=True)
class Link:
    """A recipe, its run folder, and the folder of the bundle in which it ends."""

    recipe: Recipe
    folder: Path
    out: Path

    def check_start(self) -> None:
        """Raise ConfigError where the run folder's weights come from other weights of the start.

        A start with another version or digest and the same weights is told from now on.
        """
        begun = start.begun_with(self.folder)
        if (begun and begun != start.identity(start.begin(self.recipe))
                and not run.same_start(self.recipe, self.folder)):
            raise ConfigError(f'{self.folder}: holds a training with another start_bundle, '
                              f'{begun}; remove it')

    def has(self, data_sha256: str) -> bool:
        """Return whether the bundle, which is there, was made of the data with this digest."""
        return bundle.load(self.out).manifest.training.get('data_sha256') == data_sha256

    @property
    def finished(self) -> bool:
        """Whether the bundle is there that this recipe makes of its data and its start."""
        try:
            found = bundle.load(self.out)
            begun = (start.identity(start.begin(self.recipe))
                     if self.recipe.start else None)
        except bundle.BundleError:
            return False
        made, names = found.manifest.training, self.recipe.names
        versions = {name: version for name in names if (version := datasets.version(name))}
        return (made.get('recipe_sha256'), made.get('seed'), made.get('start'),
                made.get('data_versions', {})) == (
            self.recipe.sha256, self.recipe.seed, begun, versions)


def links(recipes: Sequence[Recipe], suffix: str = '') -> list[Link]:
    """Return the links of a chain, each in ``runs/NAME``; ConfigError where two do not fit.

    ``suffix`` is added to the name of each run folder.
    """
    found: list[Link] = []
    for recipe in recipes:
        name = Path(recipe.file).stem
        if found:
            before = found[-1]
            wanted = RUNS / Path(before.recipe.file).stem / 'bundle'
            if Path(recipe.start) != wanted:
                raise ConfigError(f'{recipe.file}: start: {recipe.start or "none"}; in this chain '
                                  f'it follows {before.recipe.file}: write start: {wanted}')
            recipe = replace(recipe, start=str(before.out))
        folder = RUNS / f'{name}{suffix}'
        if folder in [link.folder for link in found]:
            raise ConfigError(f'{recipe.file}: two recipes of a chain have one name')
        found.append(Link(recipe, folder, folder / 'bundle'))
    return found
