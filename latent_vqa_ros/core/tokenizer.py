"""Words to token ids, one tokenizer for training and runtime.

A question is lower-cased and cut into words. Blanks, quotes and commas are passed over. A sign
that carries meaning ("-2", "2.5", ">", an emoji) is a word of its own, and so is the end of a
sentence that another one follows. There is no token for unknown words: a word the model never saw
cannot be answered about, and saying so is the answer.
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
NAMED = 5  # unknown words that a reason names
_SPECIAL = 2  # ids below this are no words
_WORD = re.compile(r"""
    (?<!\w) (?: [-+\u2212]\d+ | [-+\u2212]?(?:[.,]|\d+[.,:/])\d+(?:[.,:/]\d+)* ) (?!\w)  # -2, 1/2
    | [^\W_]+ (?:'[^\W_]+)?
    | (?:[^\w\s\x00-\x1f\x7f-\x9f]|[_\n])+  # signs""", re.VERBOSE)
_ENDS = frozenset('.?!\u2026;\u3002\n')  # of a sentence, or of a line
_PASSED_OVER = _ENDS | frozenset(
    ',:"\'`\u00b4\u00bf\u00a1\u2014\u3001\u201c\u201d\u201e\u2018\u201a\u00ab\u00bb\u2039\u203a')
_APOSTROPHE = re.compile('(?<=[^\\W\\d_])[`\u00b4](?=[^\\W\\d_])')  # as some keyboards give it
_VARIANTS = range(0xFE00, 0xFE10)  # how an emoji is drawn
_AS_THEY_ARE = frozenset(('So', 'Sk', 'No', 'Nl'))  # Unicode categories: symbols, odd numbers


class QuestionError(ValueError):
    """A question that cannot be asked; the message says why."""


class UnknownWordsError(QuestionError):
    """A question with words outside the vocabulary."""


def words(text: str, signs: bool = False) -> list[str]:
    """Return the words of ``text``: lower case, typographic apostrophes made plain.

    What would be lost without a trace is a word, too: signs, and the sign or line break that ends
    a sentence where another one follows. ``signs`` keeps commas, dashes and quotes, too.
    """
    text = '\n'.join(text.splitlines())  # each kind of line break
    text = _APOSTROPHE.sub("'", text)
    found: list[str] = []
    end = ''  # of the sentence before, told when something follows
    for token in _WORD.findall(text.lower() if text.isascii() else _plain(text)):
        for piece in (token,) if token[-1].isalnum() else token:
            if piece in _ENDS:
                end = piece
            elif signs or piece not in _PASSED_OVER:
                if end and found:
                    found.append(end)
                found.append(piece)
                end = ''
    return found


def _plain(text: str) -> str:
    """Return lower case, wide and styled letters as plain ones, without what shows nothing.

    A half, a squared or a circled 2 is not made a 2.
    """
    kept = []
    for char in text:
        category = unicodedata.category(char)
        if category in _AS_THEY_ARE:
            kept.append(char)
        elif category != 'Cf' and ord(char) not in _VARIANTS:
            kept.append(unicodedata.normalize('NFKC', char))
    return unicodedata.normalize('NFC', ''.join(kept).replace('\u2019', "'").lower())


@dataclass(frozen=True)
class Tokenizer:
    """Maps a text to ids: [CLS, word, word, ...], at most ``max_tokens`` of them.

    ``unasked`` are words of the vocabulary that a question may not have: training has them in
    captions and answers alone, and a model that reads "are there no cubes" passes over the "no".
    """

    vocabulary: tuple[str, ...]
    max_tokens: int
    unasked: frozenset[str] = frozenset()

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
        if any(word in _ENDS and word not in ids for word in found):
            raise QuestionError('the text has more than one sentence or line; ask one question at '
                                'a time')
        unknown = list(dict.fromkeys(
            word for word in found if word not in ids or word in self.unasked))
        if unknown:
            more = [f'and {len(unknown) - NAMED} more'] if len(unknown) > NAMED else []
            raise UnknownWordsError('; '.join([*map(self._describe, unknown[:NAMED]), *more]))
        if len(found) + 1 > self.max_tokens:
            raise QuestionError(f'the question has {len(found)} words, the model takes at most '
                                f'{self.max_tokens - 1}')
        return np.array([CLS, *(ids[word] for word in found)], dtype=np.int64)

    def _describe(self, word: str) -> str:
        shown = word if len(word) <= 40 else word[:40] + '…'
        if word in self.unasked:
            return f'unknown word {shown!r} (no question in training has it)'
        asked = [known for known in self.vocabulary if known not in self.unasked]
        near = difflib.get_close_matches(word[:40], asked, n=3, cutoff=0.6)
        hint = f' (did you mean {" or ".join(repr(n) for n in near)}?)' if near else ''
        kind = 'word' if any(map(str.isalnum, word)) else 'sign'
        return f'unknown {kind} {shown!r}{hint}'

    def encode_batch(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return ids of shape (batch, longest text), padded with PAD."""
        rows = [self.encode(text) for text in texts]
        ids_bt = np.full((len(rows), max(map(len, rows))), PAD, dtype=np.int64)
        for row, ids in zip(ids_bt, rows, strict=True):
            row[:len(ids)] = ids
        return ids_bt
