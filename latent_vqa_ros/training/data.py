"""The data of a recipe, as its stages see it, checked before hours of training.

Knows which words and answers there are; opens no picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from latent_vqa_ros import datasets
from latent_vqa_ros.core.process import some
from latent_vqa_ros.core.tokenizer import QuestionError, Tokenizer, words
from latent_vqa_ros.datasets import mixture
from latent_vqa_ros.datasets.record import SPLITS, Dataset, DatasetError, Record, questions_of
from latent_vqa_ros.datasets.trainable import askable, why_not
from latent_vqa_ros.training.config import Recipe
from latent_vqa_ros.training.places import NOTHING
from latent_vqa_ros.training.sides import answer_tells_side, sides

_UPRIGHT = frozenset((  # words that are false of a picture on its side or upside down
    'above', 'below', 'top', 'bottom', 'upper', 'lower', 'higher', 'over', 'under', 'underneath',
    'beneath', 'up', 'down', 'upright', 'upside', 'sideways', 'vertical', 'vertically',
    'horizontal', 'horizontally', 'clockwise', 'counterclockwise', 'anticlockwise'))


@dataclass(frozen=True)
class Data:
    """A dataset as a recipe sees it: records by split, words and answers of its training part.

    ``more`` holds its further test splits, ``blind`` the records that a blind model learns from,
    ``fitted`` those that temperature and limits are fitted on: the validation of the first data
    set, which a recipe names first because the model is for its pictures. Of other people's data
    it has questions, too, whose answers training does not give; ``val`` has none.
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

    What can be asked and answered is that of the recipe's training part. Of data that is drawn, a
    lower limit draws less of that part: what only the rest would teach is then left out of the
    other splits.
    """
    for name in recipe.names:
        if len(several := datasets.parts(name)) > 1:
            raise DatasetError(f'data: {name}: write a list: [{", ".join(several)}]')
    found = [(datasets.load(name, limit=least(limit, most), own=recipe.own), most)
             for name, most in recipe.sources]
    parts = [mixture.first(part, least(limit, most)) for part, most in found]
    everything = mixture.join([mixture.first(part, most) for part, most in found]).split('train')
    asked = [question for _, question in questions_of(everything)]
    answers = tuple(sorted({question.answer for question in asked}))
    captions, regions = _captions(everything), _things(everything)
    if regions or any(_things(part.split('val')) for part in parts):
        regions.append(NOTHING)  # an empty place has a caption, too
    texts = tuple(sorted({question.text for question in asked}))
    tokenizer = Tokenizer.from_texts((*texts, *captions, *regions, *answers),
                                     recipe.model.max_tokens)
    asking = replace(tokenizer, unasked=frozenset(unasked(tokenizer, texts)))
    if limit:
        parts = [part if datasets.version(name) is None else _known(part, asking)
                 for name, part in zip(recipe.names, parts, strict=True)]
    dataset = mixture.join([_taught(part, answers) for part in parts])
    train, val, test = (dataset.split(name) for name in SPLITS)
    more = {name: dataset.split(name) for name in
            sorted({record.split for record in dataset.records} - set(SPLITS))}
    splits = {'val': val, 'test': test, **more}
    _check_words(asking, dataset.name, {split: [q.text for _, q in questions_of(records)]
                                        for split, records in splits.items()})
    _check_words(tokenizer, dataset.name, {
        'answers': answers, 'train': [*texts, *captions, *regions],
        **{split: [*_captions(records), *_things(records)] for split, records in splits.items()}})
    _check_answers(tokenizer, dataset.name, answers)
    _check_turned(recipe, dataset.name, [*texts, *captions], answers)
    unknown = {q.answer for _, q in questions_of(val)} - set(answers)
    if unknown:
        raise DatasetError(f'{dataset.name}: validation answers that training has not: '
                           f'{some(sorted(unknown))}')
    return Data(dataset.name, train, val, test, more, dataset.blind_records, parts[0].split('val'),
                tokenizer, answers, texts)


def least(*limits: int | None) -> int | None:
    """Return the lowest limit, None where there is none."""
    return min((limit for limit in limits if limit), default=None)


def unasked(tokenizer: Tokenizer, questions: Sequence[str]) -> tuple[str, ...]:
    """Return the words of captions and answers that no question has."""
    asked = {word for text in questions for word in words(text)}
    return tuple(word for word in tokenizer.vocabulary if word not in asked)


def _known(dataset: Dataset, asking: Tokenizer) -> Dataset:
    """Return a data set without the questions and captions whose words are not known."""
    dataset, tokenizer = askable(dataset, asking), replace(asking, unasked=frozenset())
    return replace(dataset, rare_answers=True, records=tuple(replace(
        record, captions=tuple(t for t in record.captions if not why_not(tokenizer, t)),
        regions=tuple(replace(region, caption='') if why_not(tokenizer, region.caption) else region
                      for region in record.regions))
        for record in dataset.records))


def _taught(dataset: Dataset, answers: Collection[str]) -> Dataset:
    """Return a data set whose validation asks only for answers that training gives, if it may."""
    if not dataset.rare_answers:
        return dataset
    known, records = set(answers), []
    for record in dataset.records:
        kept = tuple(q for q in record.questions if record.split != 'val' or q.answer in known)
        records += [replace(record, questions=kept)] if kept else []
    return replace(dataset, records=tuple(records))


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


def _check_turned(recipe: Recipe, name: str, texts: Sequence[str],
                  answers: Sequence[str]) -> None:
    """Raise DatasetError for what would be false of a picture that the recipe flips and turns."""
    if not recipe.augment.symmetries:
        return
    wrong = [text for text in answers if answer_tells_side(text)]
    wrong += [text for text in texts if any(sides(text))]
    wrong += [text for text in (*answers, *texts) if _UPRIGHT.intersection(words(text))]
    if wrong:
        raise DatasetError(f'{name}: augment.symmetries makes {wrong[0]!r} false: it flips and '
                           'turns pictures; leave it out of the recipe')


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
