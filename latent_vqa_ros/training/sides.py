"""Left and right in questions and answers, and what is true of a picture shown left side right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.tokenizer import Tokenizer, words

_BEFORE_A_SIDE = frozenset(('the', 'its', 'your', 'my', 'his', 'her', 'our', 'their'))
_AFTER_NO_SIDE = frozenset(('now', 'that', 'here', 'there', 'on', 'in', 'next', 'behind', 'under',
                            'above', 'below'))  # "right now", "is it right that", "right on top"
_AFTER_WHAT_REMAINS = frozenset(('', 'in', 'inside', 'on', 'over', 'at', 'for', 'to', 'here',
                                 'there', 'now', 'please'))  # "how many are left", "is it left in"
_OTHER = {'left': 'right', 'right': 'left', 'leftmost': 'rightmost', 'rightmost': 'leftmost'}


def sides(text: str) -> list[bool]:
    """Return for each word whether it tells a side: "left", "leftmost", "right of", "the right".

    "Right" does not in "right now" and its like.
    """
    asked = words(text)
    return [word.startswith(('left', 'right')) and (
                word != 'right' or before in _BEFORE_A_SIDE or after not in _AFTER_NO_SIDE)
            for before, word, after in zip(['', *asked], asked, [*asked[1:], ''], strict=False)]


def may_tell_what_remains(text: str) -> bool:
    """Return whether "left" in a question may mean "not taken yet": "how many cubes are left".

    It cannot beside "right", after an article or before the place that it belongs to.
    """
    asked = words(text)
    return 'right' not in asked and any(
        word == 'left' and before not in _BEFORE_A_SIDE and after in _AFTER_WHAT_REMAINS
        for before, word, after in zip(['', *asked], asked, [*asked[1:], ''], strict=False))


def answer_tells_side(answer: str) -> bool:
    """Return whether an answer tells a side."""
    return any(word.startswith(('left', 'right')) for word in words(answer))


def mirrored_answer(answer: str) -> str:
    """Return the words of the answer that is true of the mirrored picture: "the left one".

    An answer with another word for a side ("leftward") stays as it is.
    """
    return ' '.join(_OTHER.get(word, word) for word in words(answer))


def mirrored(texts: Sequence[str], ids_ut: NDArray[np.int64],
             tokenizer: Tokenizer) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return ids (U, T) of questions about the mirrored picture, and which can be asked of it (U).

    Given the questions and their ids. Left and right change places; a question with another word
    for a side ("leftward"), or whose other side is no known word, cannot be asked, nor one whose
    "left" may be no side.
    """
    out, can_u = ids_ut.copy(), np.ones(len(texts), np.bool_)
    known = {word: int(tokenizer.encode(word)[1]) for word in _OTHER
             if word in tokenizer.vocabulary}
    for row, text in enumerate(texts):
        can_u[row] = not may_tell_what_remains(text)
        for place, (word, side) in enumerate(zip(words(text), sides(text), strict=True), start=1):
            other = known.get(_OTHER.get(word, ''))
            if side and other is not None:
                out[row, place] = other
            elif side:
                can_u[row] = False
    return out, can_u
