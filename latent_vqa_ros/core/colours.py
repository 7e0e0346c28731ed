"""What cannot be told from a grey picture: `is_grey` pictures, questions `about_colours`.

The words are English, as those of the shipped bundles; a bundle in another language is not
guarded. Knows no model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORDS = """
    color colors colour colours colored coloured colorful colourful hue
    black white gray grey red green blue yellow orange purple violet pink brown
    beige bronze crimson cyan golden indigo magenta maroon navy scarlet silver teal turquoise
    blackish whitish grayish greyish reddish greenish bluish yellowish brownish pinkish
    blacker whiter grayer greyer redder greener bluer yellower
"""
WORDS = frozenset(_WORDS.split())
_STRIDE = 8  # pixels between those that are looked at first


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Tell whether R = G = B in each pixel of (H, W[, channels]), also of BGR and with alpha.

    A coloured picture is told in 10 us.
    """
    return pixels.ndim == 2 or _equal(pixels[::_STRIDE, ::_STRIDE]) and _equal(pixels)


def _equal(image_hwc: NDArray[Any]) -> bool:
    first = image_hwc[..., 0]
    return bool((first == image_hwc[..., 1]).all() and (first == image_hwc[..., 2]).all())


def about_colours(words: Iterable[str]) -> bool:
    """Tell whether a question, or an answer, names a colour or asks for one."""
    return not WORDS.isdisjoint(words)
