"""A folder with ``questions.jsonl`` and, if it has captions, ``captions.jsonl``.

One object per line: {"image": "relative/path.png", "question": "…", "answer": "…",
"split": "train|val|test", "group": "optional"} and {"image": "…", "caption": "…"}. With the
``truth.jsonl`` of ``latent_vqa simulate`` beside them, the things of a picture become regions, and
``"phrases"`` of a question say which words mean which thing. Pictures and folders may be links.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from sys import intern
from typing import Any

from latent_vqa_ros.core.preprocess import Point
from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.datasets.record import (
    SPLITS,
    Dataset,
    DatasetError,
    Phrase,
    Question,
    Record,
    Region,
)

_MIN_VISIBLE = 0.3  # share of a thing that must be seen for it to be described
_DEFAULT_GROUP, _TOTAL = 'other', 'all'  # reports have a line of all groups
_SIGNS = str.maketrans(dict.fromkeys('",`“”', ' '))  # that no question needs
_KEYS = ('image', 'question', 'answer', 'split')


def load(folder: Path, limit: int | None = None, more: str = '') -> Dataset:
    """Return the folder's records; DatasetError names file and line of what is wrong.

    ``limit``: only the first images that are asked about, where all files list them in one order.
    ``more``: a further file of questions; those about other images are left out.
    """
    wanted = None if limit is None else _first(folder / 'questions.jsonl', limit)
    truth = _truth(folder / 'truth.jsonl', wanted)
    questions: dict[str, list[Question]] = defaultdict(list)
    splits: dict[str, str] = {}
    paths: dict[str, Path] = {}
    files = [folder / name for name in ('questions.jsonl', more) if name]
    for where, line in _asked(files, wanted):
        image, split = line['image'], line['split']
        if split not in SPLITS:
            raise DatasetError(f'{where}: split {split!r} is none of {", ".join(SPLITS)}')
        if splits.setdefault(image, split) != split:
            raise DatasetError(f'{where}: {image} is in {splits[image]} and in {split}; '
                               'an image belongs to one split')
        if image not in paths:
            paths[image] = _picture(folder, image, where)
        _check_says(line, ('question', 'answer'), where)
        group = str(_DEFAULT_GROUP if line.get('group') is None else line['group'])
        if group == _TOTAL:
            raise DatasetError(f'{where}: group {_TOTAL!r} is what reports call all groups')
        if truth and image not in truth and line.get('phrases'):
            raise DatasetError(f'{where}: has phrases, but {image} is not in truth.jsonl')
        phrases = _phrases(line, truth.get(image), where)
        shortcut = line.get('shortcut')
        questions[image].append(Question(
            intern(line['question']), intern(line['answer'].strip()), intern(group), phrases,
            intern(shortcut) if isinstance(shortcut, str) else shortcut))
    for image, asked in questions.items():
        _check_opposites(files, image, asked)
    captions = _captions(folder / 'captions.jsonl', wanted)
    if wanted is None:
        _check_asked(folder / 'truth.jsonl', truth, splits)
        _check_asked(folder / 'captions.jsonl', captions, splits)
    return Dataset(folder.name, tuple(
        Record(paths[image], splits[image], tuple(asked), tuple(captions.get(image, ())),
               tuple(Region(thing.caption, thing.center)
                     for thing in truth.get(image, _UNTOLD).things),
               truth.get(image, _UNTOLD).aspect, image in truth)
        for image, asked in questions.items()))


def _asked(files: Iterable[Path],
           wanted: Collection[str] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the questions about wanted images, of further files about those of the first alone."""
    images = wanted
    for path in files:
        found = set()
        for where, line in _lines(path, _KEYS):
            if images is None or line['image'] in images:
                found.add(line['image'])
                yield where, line
            elif len(found) == len(images):
                break
        images = found


def _check_asked(path: Path, told: Collection[str], asked: Collection[str]) -> None:
    """Refuse names that cannot be those of questions.jsonl; of some pictures nothing is asked."""
    unasked = [image for image in told if image not in asked]
    if unasked and len(unasked) == len(told):
        raise DatasetError(f'{path}: questions.jsonl has none of its pictures, such as '
                           f'{unasked[0]!r}; a name must be written alike in both')
    for where, line in _lines(path, ('image',)) if unasked else ():
        if line['image'] not in asked:
            _picture(path.parent, line['image'], where)


def _first(path: Path, limit: int) -> Collection[str]:
    """Return the first so many images that are asked about."""
    found: dict[str, None] = {}
    for _, line in _lines(path, ('image',)):
        if line['image'] not in found and len(found) == limit:
            break
        found[line['image']] = None
    return found


def _told(path: Path, keys: tuple[str, ...], wanted: Collection[str] | None) -> Iterator[
        tuple[str, dict[str, Any]]]:
    """Yield the lines about wanted images, up to the first other one after all of these.

    An image of which nothing is asked may stand between them.
    """
    found = set()
    for where, line in _lines(path, keys) if path.exists() else ():
        if wanted is None or line['image'] in wanted:
            found.add(line['image'])
            yield where, line
        elif len(found) == len(wanted):
            break


def _captions(path: Path, wanted: Collection[str] | None) -> dict[str, list[str]]:
    """Return the captions of each image."""
    found: dict[str, list[str]] = defaultdict(list)
    for where, line in _told(path, ('image', 'caption'), wanted):
        _check_says(line, ('caption',), where)
        found[line['image']].append(intern(line['caption']))
    return found


@dataclass(frozen=True)
class _Thing:
    caption: str
    center: Point
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class _Truth:
    things: tuple[_Thing, ...] = ()
    aspect: float = 1.0  # width by height


_UNTOLD = _Truth()


def _truth(path: Path, wanted: Collection[str] | None) -> dict[str, _Truth]:
    """Return the truth of each image, its things in order."""
    found: dict[str, _Truth] = {}
    for where, line in _told(path, ('image',), wanted):
        if line['image'] in found:
            raise DatasetError(f'{where}: {line["image"]} stands in an earlier line, too')
        try:
            width, height = line['width'], line['height']
            sized = line.get('world') != 'wide'  # there the distance varies too much
            found[line['image']] = _Truth(tuple(_thing(thing, width, height, sized)
                                                for thing in line['things']), width / height)
        except (LookupError, TypeError, ValueError, ZeroDivisionError) as error:
            raise DatasetError(f'{where}: not the truth of a picture: {error!r}') from None
    return found


def _thing(thing: dict[str, Any], width: int, height: int, sized: bool) -> _Thing:
    names = (thing['size'] if sized else '', thing['color'], thing['shape'])
    seen = thing['visible'] >= _MIN_VISIBLE
    x, y, w, h = thing['box']
    if not all(map(math.isfinite, (x, y, w, h))) or min(w, h) < 0 or min(width, height) <= 0:
        raise ValueError(f'a box {[x, y, w, h]} in a picture of {width}x{height}')
    return _Thing(intern(' '.join(filter(None, names))) if seen else '',
                  (thing['center'][0] / width, thing['center'][1] / height),
                  (x / width, y / height, w / width, h / height))


def _phrases(line: dict[str, Any], truth: _Truth | None, where: str) -> tuple[Phrase, ...]:
    if truth is None:
        return ()
    things = truth.things
    phrases = line.get('phrases', ())
    try:
        if phrases:
            count = len(words(line['question']))
            if not all(type(p[key]) is int for p in phrases for key in ('start', 'stop', 'thing')):
                raise TypeError('start, stop and thing are whole numbers')
            if not all(0 <= p['start'] < p['stop'] <= count and p['thing'] >= 0 for p in phrases):
                raise IndexError('words or things that are not there')
            if not all(type(p['named']) is bool for p in phrases):
                raise TypeError('named is true or false')
        return tuple(Phrase(p['start'], p['stop'], things[p['thing']].center,
                            things[p['thing']].box, p['named']) for p in phrases)
    except (KeyError, TypeError, IndexError) as error:
        raise DatasetError(f'{where}: phrases do not fit the truth: {error!r}') from None


def _lines(path: Path, keys: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(_texts(path), start=1):
        if not line.strip():
            continue
        where = f'{path}:{number}'
        try:
            value = json.loads(line)
            if '\\u' in line:
                json.dumps(value, ensure_ascii=False).encode()  # half an emoji is no text
        except UnicodeEncodeError:
            raise DatasetError(f'{where}: half a pair of surrogates, which is no text') from None
        except (ValueError, RecursionError):
            hint = '; one object per line, no list around them' if line[0] in '[]{' else ''
            raise DatasetError(f'{where}: not JSON{hint}') from None
        if isinstance(value, list):
            raise DatasetError(f'{where}: a JSON list; one object per line is needed')
        fields = value if isinstance(value, dict) else {}
        wrong = [key for key in keys if not isinstance(fields.get(key), str)]
        if wrong:
            raise DatasetError(f'{where}: no text under {", ".join(wrong)}')
        yield where, value


def _texts(path: Path) -> Iterator[str]:
    """Yield the lines one by one: a file of millions is never in memory as a whole."""
    try:
        with path.open(encoding='utf-8-sig', newline='\n') as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f'{path}: cannot be read: {error}') from None


def _picture(folder: Path, image: str, where: str) -> Path:
    """Return the path of a picture in the folder, or of what a link in the folder leads to."""
    named = PurePosixPath(image)
    if named.is_absolute() or '..' in named.parts:
        raise DatasetError(f'{where}: image {image!r} lies outside the folder')
    if not (folder / image).is_file():
        raise DatasetError(f'{where}: image {image!r} does not exist in {folder}')
    if str(named) != image:  # else one picture could be in two splits
        raise DatasetError(f'{where}: image {image!r} must be written as {str(named)!r}')
    return folder / image


def _check_says(line: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in keys:
        if not (any(map(str.isalnum, line[key])) or words(line[key])):
            raise DatasetError(f'{where}: the {key} is empty')


def _check_opposites(files: Iterable[Path], image: str, asked: list[Question]) -> None:
    """Refuse a question that is answered in two ways about one picture."""
    told: dict[str, str] = {}
    for question in asked:
        answer = _plain(question.answer)
        if told.setdefault(_plain(question.text), answer) == answer:
            continue
        places = [(where, line['answer']) for path in files for where, line in _lines(path, _KEYS)
                  if line['image'] == image and _plain(line['question']) == _plain(question.text)]
        (first, one), (second, other) = places[0], next(
            place for place in places if _plain(place[1]) == answer)
        file, _, line_number = first.rpartition(':')
        there = f'line {line_number}' if second.startswith(f'{file}:') else first
        raise DatasetError(f'{second}: {question.text!r} about {image} is answered '
                           f'{other!r} here and {one!r} in {there}')


def _plain(text: str) -> str:
    """Return what one question or answer has in common however it is typed; fast."""
    return ' '.join(text.lower().translate(_SIGNS).split()).strip(' .?!')
