"""Left and right in questions and answers, and what is true of a picture shown left side right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.tokenizer import Tokenizer, words

_BEFORE_RIGHT = frozenset(('the', 'its', 'your', 'my', 'his', 'her', 'our', 'their', 'top',
                           'bottom', 'upper', 'lower'))
_AFTER_RIGHT = frozenset(('of', 'side', 'corner', 'most', 'hand', 'top', 'bottom'))
_OTHER = {'left': 'right', 'right': 'left'}


def sides(text: str) -> list[bool]:
    """Return for each word whether it tells a side: "left", "leftmost", "right of", "the right".

    "Right" alone does not, as in "is it right that".
    """
    asked = words(text)
    return [word.startswith(('left', 'right')) and (
                word != 'right' or before in _BEFORE_RIGHT or after in _AFTER_RIGHT)
            for before, word, after in zip(['', *asked], asked, [*asked[1:], ''], strict=False)]


def answer_tells_side(answer: str) -> bool:
    """Return whether an answer tells a side: there "right" alone does, too."""
    return any(word.startswith(('left', 'right')) for word in words(answer))


def mirrored(texts: Sequence[str],
             tokenizer: Tokenizer) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return ids (U, T) of questions about the mirrored picture, and which can be asked of it (U).

    "Left" and "right" change places; a question with another word for a side ("leftmost"), or
    whose other side is no known word, cannot be asked.
    """
    ids_ut = tokenizer.encode_batch(texts)
    can_u = np.ones(len(texts), np.bool_)
    known = {word: int(tokenizer.encode(word)[1]) for word in _OTHER
             if word in tokenizer.vocabulary}
    for row, text in enumerate(texts):
        for place, (word, side) in enumerate(zip(words(text), sides(text), strict=True), start=1):
            if not side:
                continue
            other = known.get(_OTHER.get(word, ''))
            if other is None:
                can_u[row] = False
            else:
                ids_ut[row, place] = other
    return ids_ut, can_u
