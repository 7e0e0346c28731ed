"""The data of a recipe, as its stages see it, checked before hours of training.

Knows which words and answers there are; opens no picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from latent_vqa_ros import datasets
from latent_vqa_ros.core.tokenizer import QuestionError, Tokenizer, words
from latent_vqa_ros.datasets import mixture
from latent_vqa_ros.datasets.record import SPLITS, DatasetError, Record, questions_of
from latent_vqa_ros.training.config import Recipe
from latent_vqa_ros.training.places import NOTHING


@dataclass(frozen=True)
class Data:
    """A dataset as a recipe sees it: records by split, words and answers of its training part.

    ``more`` holds its further test splits, ``blind`` the records that a blind model learns from,
    ``fitted`` those that temperature and limits are fitted on: the validation of the first data
    set, which a recipe names first because the model is for its pictures.
    """

    name: str
    train: tuple[Record, ...]
    val: tuple[Record, ...]
    test: tuple[Record, ...]
    more: dict[str, tuple[Record, ...]]
    blind: tuple[Record, ...]
    fitted: tuple[Record, ...]
    tokenizer: Tokenizer
    answers: tuple[str, ...]
    questions: tuple[str, ...]


def load_data(recipe: Recipe, limit: int | None = None) -> Data:
    """Load the recipe's data; ``limit`` keeps so many records of each split instead of its own.

    What can be asked and answered is that of the recipe's training part, also with a lower limit.
    """
    found = [(datasets.load(name, limit=limit or most, own=recipe.own), most)
             for name, most in recipe.sources]
    dataset = mixture.join([mixture.first(part, limit or most) for part, most in found])
    train, val, test = (dataset.split(name) for name in SPLITS)
    more = {name: dataset.split(name) for name in
            sorted({record.split for record in dataset.records} - set(SPLITS))}
    everything = mixture.join([mixture.first(part, most) for part, most in found]).split('train')
    asked = [question for _, question in questions_of(everything)]
    answers = tuple(sorted({question.answer for question in asked}))
    captions, regions = _captions(everything), _things(everything)
    regions += [NOTHING] if regions else []  # an empty place has a caption, too
    texts = tuple(sorted({question.text for question in asked}))
    tokenizer = Tokenizer.from_texts((*texts, *captions, *regions, *answers),
                                     recipe.model.max_tokens)
    _check_words(tokenizer, dataset.name, {
        'answers': answers, 'train': [*texts, *captions, *regions],
        **{split: [*(q.text for _, q in questions_of(records)), *_captions(records),
                   *_things(records)]
           for split, records in (('val', val), ('test', test), *more.items())}})
    _check_answers(tokenizer, dataset.name, answers)
    if recipe.augment.mirror:
        _check_mirror(tokenizer, dataset.name, texts, answers)
    unknown = {q.answer for _, q in questions_of(val)} - set(answers)
    if unknown:
        raise DatasetError(f'{dataset.name}: validation answers that training has not: '
                           f'{", ".join(sorted(unknown)[:5])}')
    fitted = mixture.first(found[0][0], limit or found[0][1]).split('val')
    return Data(dataset.name, train, val, test, more, dataset.blind_records, fitted,
                tokenizer, answers, texts)


def _captions(records: Sequence[Record]) -> list[str]:
    return [text for record in records for text in record.captions]


def _things(records: Sequence[Record]) -> list[str]:
    """Return the captions of single things; what is hidden has none."""
    return [region.caption for record in records for region in record.regions if region.caption]


def _check_answers(tokenizer: Tokenizer, name: str, answers: Sequence[str]) -> None:
    """Raise DatasetError for answers that are one to the model: it would never be sure."""
    found: dict[tuple[int, ...], str] = {}
    for answer in answers:
        other = found.setdefault(tuple(tokenizer.encode(answer).tolist()), answer)
        if other != answer:
            raise DatasetError(f'{name}: the answers {other!r} and {answer!r} are the same words')


def _check_mirror(tokenizer: Tokenizer, name: str, texts: Sequence[str],
                  answers: Sequence[str]) -> None:
    """Raise DatasetError for what would be false of the mirrored picture.

    ``mirrored`` swaps "left of" and "right of" where both are known; "right" alone is no side,
    "the right" is one.
    """
    known = set(tokenizer.vocabulary)
    other = {'left': 'right', 'right': 'left'}
    wrong = [answer for answer in answers if other.keys() & set(words(answer))]
    for text in texts:
        asked = words(text)
        wrong += [text for before, word, after in zip(
                  ['', *asked[:-1]], asked, [*asked[1:], ''], strict=True)
                  if (other.get(word, word) not in known if after == 'of'
                      else word == 'left' or (before, word) == ('the', 'right'))]
    if wrong:
        raise DatasetError(f'{name}: augment.mirror makes {wrong[0]!r} false: it swaps "left of" '
                           'and "right of" in questions, where training has both, and nothing '
                           'else; leave it out of the recipe')


def _check_words(tokenizer: Tokenizer, name: str, texts: dict[str, Sequence[str]]) -> None:
    """Raise DatasetError for a text that cannot be asked, before hours of training, not after."""
    for split, found in texts.items():
        for text in sorted(set(found)):
            try:
                tokenizer.encode(text)
            except QuestionError as error:
                raise DatasetError(f'{name}, {split}: {text[:80]!r}: {error}') from None


def digest(records: Sequence[Record]) -> str:
    """Return a digest of all that the records say, and of the sizes of their pictures."""
    found = hashlib.sha256()
    for record in records:
        found.update(repr((record.image.name, record.image.stat().st_size, record.questions,
                           record.captions, record.regions)).encode())
    return found.hexdigest()
