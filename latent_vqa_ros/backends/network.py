"""A bundle's graphs as calls on images and questions, the same for every backend.

A backend class only executes: ``run(graph, feeds, outputs)``. Knows nothing of words and frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from latent_vqa_ros.core.manifest import ANSWERER, IMAGE_ENCODER

Array = NDArray[Any]


class Executor(Protocol):
    """What a backend class is: graphs that can be run by the name of their file."""

    def run(self, graph: str, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Return the named outputs, in their order."""


class Network:
    """``core.pipeline.Backend``, and ``features`` for a bundle of that kind.

    ``looks``: the answerer's output ``attention`` is asked for, too. ``groups`` names the outputs
    of an image graph of kind ``features``.
    """

    def __init__(self, name: str, executor: Executor, looks: bool = False,
                 groups: Sequence[str] = ()) -> None:
        self.name = name
        self.executor = executor
        self._answers = ('logits', 'attention') if looks else ('logits',)
        self._groups = tuple(groups)

    def encode(self, image_hwc: Array) -> tuple[Array, float]:
        """Return one image's features (positions, channels) and familiarity distance."""
        features_nc, distance = self.executor.run(
            IMAGE_ENCODER, {'image': image_hwc}, ('features', 'distance'))
        return features_nc, float(distance)

    def answer(self, features_nc: Array, tokens_t: Array) -> tuple[Array, Array | None]:
        """Return one question's logits (answers,) and where each token looked (tokens, positions).

        The second is None where the bundle has no evidence.
        """
        logits, *attention = self.executor.run(
            ANSWERER, {'features': features_nc, 'tokens': tokens_t}, self._answers)
        return logits, attention[0] if attention else None

    def features(self, image_hwc: Array) -> dict[str, Array]:
        """Return each group's vectors (vectors, channels) of an RGB image uint8 (H, W, 3).

        The image has the size of the bundle's ``preprocess``; ``core.preprocess.prepare`` gives
        it. Only a bundle of kind ``features`` has groups; of any other the result is empty.
        """
        found = self.executor.run(IMAGE_ENCODER, {'image': image_hwc}, self._groups)
        return dict(zip(self._groups, found, strict=True))
