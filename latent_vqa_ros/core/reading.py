"""A question as a model reads it, after all that may rule it out, and what is no answer to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.asking import ANOTHER, HAND, Asking, answers_another, answers_no_gripper
from latent_vqa_ros.core.manifest import Manifest
from latent_vqa_ros.core.restated import restated
from latent_vqa_ros.core.tokenizer import QuestionError, words


class Reading(NamedTuple):
    """The text that is asked, the question or the same restated, its words and token ids (T,)."""

    text: str
    said: list[str]
    tokens_t: NDArray[np.integer[Any]]


class Reader:
    """Reads questions to one model; ``nouns`` are what its evidence is told for, colours, too."""

    def __init__(self, manifest: Manifest) -> None:
        self._tokenizer = manifest.tokenizer
        self._known = replace(manifest.tokenizer, unasked=frozenset())
        self._asking = Asking(manifest.questions)
        self._knows_grippers = 'gripper' in manifest.vocabulary
        self.nouns = frozenset(manifest.evidence.words if manifest.evidence else ())

    def read(self, question: str) -> Reading:
        """Return how a question is read.

        QuestionError where it cannot be asked, in other words either; UnknownWordsError for the
        words alone.
        """
        try:
            return self._read(question)
        except QuestionError:
            other = restated(question, self.nouns)
            try:
                if other:
                    return self._read(other)
            except QuestionError:
                pass  # the reason tells of the words that were said
            raise

    def doubt(self, said: Sequence[str], answer: str) -> str:
        """Return why an answer answers something else than these words ask, '' if it does not."""
        if answers_another(said, answer):
            return ANOTHER.format(answer)
        return HAND if self._knows_grippers and answers_no_gripper(said, answer) else ''

    def _read(self, question: str) -> Reading:
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
        return Reading(question, said, tokens_t)
