"""Words to token ids, one tokenizer for training and runtime.

A question is lower-cased, stripped of punctuation and cut at white space. There is no token for
unknown words: a word the model never saw cannot be answered about, and saying so is the answer.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PAD, CLS = 0, 1
_SPECIAL = 2  # ids below this are no words
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


class QuestionError(ValueError):
    """A question that cannot be asked; the message says why."""


class UnknownWordsError(QuestionError):
    """A question with words outside the vocabulary."""


def words(text: str) -> list[str]:
    """Return the words of ``text``: lower case, typographic apostrophes made plain."""
    plain = unicodedata.normalize('NFKC', text).replace('\u2019', "'").lower()
    return _WORD.findall(plain)


@dataclass(frozen=True)
class Tokenizer:
    """Maps a text to ids: [CLS, word, word, ...], at most ``max_tokens`` of them."""

    vocabulary: tuple[str, ...]
    max_tokens: int

    @classmethod
    def from_texts(cls, texts: Iterable[str], max_tokens: int) -> Tokenizer:
        """Build the vocabulary from training texts, sorted, so that it is reproducible."""
        return cls(tuple(sorted({word for text in texts for word in words(text)})), max_tokens)

    def __post_init__(self) -> None:
        object.__setattr__(self, '_ids', {w: i + _SPECIAL for i, w in enumerate(self.vocabulary)})

    @property
    def size(self) -> int:
        """Number of ids, special ones included."""
        return len(self.vocabulary) + _SPECIAL

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return ids of shape (tokens,).

        Raises QuestionError for an empty or too long text, UnknownWordsError for unknown words.
        """
        found = words(text)
        if not found:
            raise QuestionError('the question is empty')
        ids: dict[str, int] = self._ids  # type: ignore[attr-defined]
        unknown = list(dict.fromkeys(word for word in found if word not in ids))
        if unknown:
            raise UnknownWordsError('; '.join(self._describe(word) for word in unknown[:5]))
        if len(found) + 1 > self.max_tokens:
            raise QuestionError(f'the question has {len(found)} words, the model takes at most '
                                f'{self.max_tokens - 1}')
        return np.array([CLS, *(ids[word] for word in found)], dtype=np.int64)

    def _describe(self, word: str) -> str:
        shown = word if len(word) <= 40 else word[:40] + '…'
        near = difflib.get_close_matches(word[:40], self.vocabulary, n=3, cutoff=0.6)
        hint = f' (did you mean {" or ".join(repr(n) for n in near)}?)' if near else ''
        return f'unknown word {shown!r}{hint}'

    def encode_batch(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return ids of shape (batch, longest text), padded with PAD."""
        rows = [self.encode(text) for text in texts]
        ids_bt = np.full((len(rows), max(map(len, rows))), PAD, dtype=np.int64)
        for row, ids in zip(ids_bt, rows, strict=True):
            row[:len(ids)] = ids
        return ids_bt
