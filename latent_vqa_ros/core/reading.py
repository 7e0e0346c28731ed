"""A question as a model reads it: its tokens, after all that may rule it out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.asking import Asking
from latent_vqa_ros.core.manifest import Manifest
from latent_vqa_ros.core.restated import restated
from latent_vqa_ros.core.tokenizer import QuestionError, words

Array = NDArray[np.integer[Any]]


class Reader:
    """Reads questions to one model.

    ``nouns`` are the words that its evidence is told for, colours among them; ``knows_grippers``
    tells that it takes a hand for one.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._tokenizer = manifest.tokenizer
        self._known = replace(manifest.tokenizer, unasked=frozenset())
        self._asking = Asking(manifest.questions)
        self.knows_grippers = 'gripper' in manifest.vocabulary
        self.nouns = frozenset(manifest.evidence.words if manifest.evidence else ())

    def read(self, question: str) -> tuple[str, Array]:
        """Return the text that is asked, the question or the same restated, and token ids (T,).

        QuestionError where neither can be asked, UnknownWordsError for the words alone.
        """
        try:
            return question, self._tokens(question)
        except QuestionError:
            other = restated(question, self.nouns)
            try:
                if other:
                    return other, self._tokens(other)
            except QuestionError:
                pass  # the reason tells of the words that were said
            raise

    def _tokens(self, question: str) -> Array:
        try:
            tokens_t = self._known.encode(question)
        except QuestionError:
            tokens_t = self._tokenizer.encode(question)  # says it with words to ask
        said = words(question)
        why_not = self._asking.why_not(question, said)
        if why_not:  # first: "… and what is …" is two questions, though no question has "and"
            raise QuestionError(why_not)
        if not self._tokenizer.unasked.isdisjoint(said):
            self._tokenizer.encode(question)  # says which word
        return tokens_t
