"""The datasheets of the simulated data sets: counts of drawn splits, and example pictures.

    latent_vqa simulate datasheet docs/                 # of tabletop: datasheet.md
    latent_vqa simulate datasheet docs/ --world wide    # of tabletop_wide: datasheet_wide.md

The headings are those of Gebru et al. 2021, Datasheets for Datasets. Draws what the cache lacks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from textwrap import wrap

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.datasets import tabletop
from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation.datasheet_text import FLOORS, HEAD, TAIL, WIDE_HEAD, WIDE_TAIL
from latent_vqa_ros.simulation.survey import UNTOLD, Survey, lines, survey
from latent_vqa_ros.simulation.truth import COLORS, MIN_VISIBLE, SHAPES, SIZES
from latent_vqa_ros.simulation.version import VERSIONS
from latent_vqa_ros.simulation.world.scenes import HELD_OUT

SHOWN = {'workcell': ('train', 'compositional', 'shifted'), 'wide': ('train', 'test')}
COLUMNS, ROWS = 4, 3  # of pictures
SIDE, BELOW = 240, 62  # pixels: a picture, and the text below it
_LETTERS, _LINE = 38, 16  # of the text: letters and pixels of a line
_QUALITY = 85  # JPEG

def write(out: Path, limit: int | None = None, world: str = 'workcell') -> dict[str, Survey]:
    """Write a world's page and its pictures; ``limit`` takes the first scenes of each split."""
    folders = {name: tabletop.ready(name, limit, world) for name in tabletop.splits_of(world)}
    surveys = {name: survey(folder, limit) for name, folder in folders.items()}
    out.mkdir(parents=True, exist_ok=True)
    for name in SHOWN[world]:
        drawn = cv2.imencode('.jpg', sheet(folders[name]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        (out / picture_name(name, world)).write_bytes(drawn[1].tobytes())
    wide = world == 'wide'
    about = json.loads((folders['train'] / 'dataset.json').read_text())
    options = (' --world wide' if wide else '') + (f' --scenes {limit}' if limit else '')
    head = (WIDE_HEAD if wide else HEAD).format(
        version=VERSIONS[world], size=about['size'], options=options,
        pairs=', '.join(f'{color} {shape}' for color, shape in HELD_OUT),
        sources=', '.join(f'{source["what"]} of {source["name"]} ({source["licence"]})'
                          for source in about.get('sources', ())))
    parts = (head, _counts(surveys), _things(surveys),
             _groups(surveys['train'], surveys['test']), _examples(world),
             WIDE_TAIL if wide else TAIL)
    (out / page_name(world)).write_text('\n'.join(parts), encoding='utf-8')
    return surveys


def page_name(world: str) -> str:
    """Return the file name of a world's datasheet."""
    return 'datasheet_wide.md' if world == 'wide' else 'datasheet.md'


def picture_name(split: str, world: str = 'workcell') -> str:
    """Return the file name of a split's example pictures."""
    return f'datasheet_{"wide_" if world == "wide" else ""}{split}.jpg'


def _counts(surveys: dict[str, Survey]) -> str:
    known = surveys['train'].texts
    new = set(HELD_OUT)
    counts: dict[str, Callable[[Survey], str]] = {
        'scenes': lambda s: f'{s.scenes["all"]:,}',
        'objects': lambda s: f'{s.things["all"]:,}',
        'held-out pairs shown': lambda s: f'{len(s.pairs & new)} of {len(new)}',
        'questions': lambda s: f'{s.questions:,}',
        'captions': lambda s: f'{s.captions:,}',
        'distinct questions': lambda s: f'{len(s.texts):,}',
        'of them in `train`': lambda s: f'{len(s.texts & known) / len(s.texts):.1%}',
        'words, mean': lambda s: f'{_mean(s.lengths):.1f}',
        'words, most': lambda s: f'{max(s.lengths)}'}
    rows = ((name, *map(count, surveys.values())) for name, count in counts.items())
    return _table(('', *surveys), rows)


def _things(surveys: dict[str, Survey]) -> str:
    counts = ('0 things',) if any(s.scenes['0 things'] for s in surveys.values()) else ()
    scenes = (*counts, '1 thing', *(f'{n} things' for n in range(2, 7)), 'tray seen',
              'gripper seen')
    untold = tuple(name for name in UNTOLD.values()
                   if any(s.things[name] for s in surveys.values()))
    things = (*SHAPES, *COLORS, *SIZES, *untold, 'held by the gripper', 'in the tray',
              'on another thing', 'at the edge', 'hidden too much to be asked about')
    of_scenes = _table(('share of scenes', *surveys), (
        (name, *(f'{s.scenes[name] / s.scenes["all"]:.1%}' for s in surveys.values()))
        for name in scenes))
    of_things = _table(('share of objects', *surveys), (
        (name, *(f'{s.things[name] / s.things["all"]:.1%}' for s in surveys.values()))
        for name in things))
    return (f'{of_scenes}\n{of_things}\nHidden too much is less than {MIN_VISIBLE:.0%} visible.\n')


def _groups(train: Survey, test: Survey) -> str:
    rows = []
    for name, counts in sorted(test.answers.items()):
        most, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
        total = counts.total()
        guessed = f'{test.guessed[name] / total:.1%}' if test.guessable[name] == total else ''
        rows.append((name, f'{train.answers[name].total():,}', f'{total:,}', str(len(counts)),
                     most, f'{n / total:.1%}', guessed))
    answers: Counter[str] = sum(train.answers.values(), Counter())
    said = ', '.join(f'{answer} {n / train.questions:.1%}' for answer, n in answers.most_common())
    return (_table(('questions', '`train`', '`test`', 'answers', 'most frequent', 'blind floor',
                    'shortcut floor'), rows)
            + f'\n{FLOORS}\n'
            f'The {len(answers)} answers of `train`: {said}.\n')


def _examples(world: str) -> str:
    pictures = (f'The first {COLUMNS * ROWS} scenes of `{name}`, each with one of its questions:'
                f'\n\n![Scenes of {name}]({picture_name(name, world)})\n'
                for name in SHOWN[world])
    return '\n'.join(pictures)


def sheet(folder: Path) -> NDArray[np.uint8]:
    """Return the first pictures of a split, BGR (H, W, 3), each above one of its questions."""
    names = [json.loads(line)['image'] for line in lines(folder / 'truth.jsonl', COLUMNS * ROWS)]
    asked: dict[str, list[str]] = {name: [] for name in names}
    for line in map(json.loads, lines(folder / 'questions.jsonl', 10 * COLUMNS * ROWS)):
        if line['image'] in asked:
            asked[line['image']].append(f'{line["question"]} -> {line["answer"]}')
    blank = np.full((SIDE + BELOW, SIDE, 3), 255, np.uint8)
    cells = [_cell(folder / name, texts[index % len(texts)] if texts else '')
             for index, (name, texts) in enumerate(asked.items())]
    cells += [blank] * (COLUMNS * ROWS - len(cells))
    return np.asarray(cv2.vconcat([cv2.hconcat(cells[row:row + COLUMNS])
                                   for row in range(0, len(cells), COLUMNS)]), np.uint8)


def _cell(path: Path, text: str) -> NDArray[np.uint8]:
    cell = np.full((SIDE + BELOW, SIDE, 3), 255, np.uint8)
    inside = SIDE - 8
    picture = read_bgr(path)
    scale = inside / max(picture.shape[:2])
    width, height = (round(scale * side) for side in picture.shape[1::-1])
    cell[4:4 + height, 4:4 + width] = cv2.resize(picture, (width, height),
                                                 interpolation=cv2.INTER_CUBIC)
    for row, line in enumerate(wrap(text, _LETTERS)[:3]):
        cv2.putText(cell, line, (4, SIDE + 12 + row * _LINE), cv2.FONT_HERSHEY_SIMPLEX, 0.38,
                    (0, 0, 0), 1, cv2.LINE_AA)
    return cell


def read_bgr(path: Path) -> NDArray[np.uint8]:
    """Return a picture of a split, BGR (H, W, 3)."""
    content = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if picture is None:
        raise DatasetError(f'{path}: not a picture')
    return np.asarray(picture, np.uint8)


def _mean(lengths: Counter[int]) -> float:
    return sum(words * n for words, n in lengths.items()) / lengths.total()


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    marks = ('---', *('--:' for _ in titles[1:]))
    return '\n'.join(f'| {" | ".join(line)} |' for line in (titles, marks, *rows)) + '\n'
