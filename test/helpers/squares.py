"""Pictures of a red and a blue square: one is left of or above the other, and it is known where.

A green one is hidden behind the red one.

``write(folder, counts)`` makes a dataset folder with its truth, as ``latent_vqa simulate`` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

SIZE = 32  # pixels of a picture
CELL = 8  # pixels of a cell, and of a square
COLORS = {'red': (0, 0, 255), 'blue': (255, 0, 0)}  # BGR
MODEL = {'width': 32, 'latent_dim': 16, 'heads': 2, 'stem_channels': [8, 16, 32],
         'stem_residuals': [0, 0, 0], 'image_blocks': 0, 'text_blocks': 1, 'fusion_blocks': 3,
         'embed_dim': 16, 'max_tokens': 10, 'coordinates': True}
RECIPE = {'name': 'squares', 'threads': 1, 'preprocess': {'height': SIZE, 'width': SIZE},
          'model': MODEL, 'calibration_images': 8}
ONCE = {'pretrain': 1, 'finetune': 1}  # epochs


def write(folder: Path, counts: Mapping[str, int], seed: int = 0) -> Path:
    """Write so many pictures of each split; return the folder."""
    rng = np.random.default_rng(seed)
    (folder / 'images').mkdir(parents=True)
    lines: dict[str, list[Any]] = {'questions': [], 'captions': [], 'truth': []}
    for split, count in counts.items():
        for index in range(count):
            _picture(folder, f'images/{split}{index}.png', split, rng, lines)
    for name, rows in lines.items():
        text = ''.join(json.dumps(row) + '\n' for row in rows)
        (folder / f'{name}.jsonl').write_text(text, 'utf-8')
    return folder


def instead_of_recipe(module: Any, folder: Path, monkeypatch: Any, **values: Any) -> Path:
    """Let a script of test/performance train on a few squares; return their folder."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(folder / 'cache'))
    data = write(folder / 'data', {'train': 32, 'val': 8, 'test': 8})
    path = folder / 'squares.yaml'
    once = {stage: {'epochs': epochs} for stage, epochs in ONCE.items()}
    path.write_text(yaml.safe_dump({**RECIPE, 'data': str(data), **once}))
    for name, value in {'RECIPE': path, 'SEEDS': (0,), **values}.items():
        monkeypatch.setattr(module, name, value)
    return data


def _picture(folder: Path, name: str, split: str, rng: np.random.Generator,
             lines: dict[str, list[Any]]) -> None:
    """Squares in cells of other rows and other columns, so that each question has an answer."""
    side = SIZE // CELL
    xs, ys = rng.permutation(side)[:2], rng.permutation(side)[:2]
    picture = np.full((SIZE, SIZE, 3), 128, np.uint8)
    things = []
    for color, x, y in zip(COLORS, xs * CELL, ys * CELL, strict=True):
        picture[y:y + CELL, x:x + CELL] = COLORS[color]
        things.append({'size': 'small', 'color': color, 'shape': 'square', 'visible': 1.0,
                       'box': [int(x), int(y), CELL, CELL],
                       'center': [int(x) + CELL / 2, int(y) + CELL / 2]})
    things.append({**things[0], 'color': 'green', 'visible': 0.1})  # hidden: it has no caption
    cv2.imwrite(str(folder / name), picture)
    lines['truth'].append({'image': name, 'width': SIZE, 'height': SIZE, 'things': things})
    for first, second in ((0, 1), (1, 0)):
        for words, at in (('left of', xs), ('above', ys)):
            lines['questions'].append(_question(
                name, split, words, first, second, 'yes' if at[first] < at[second] else 'no'))
    left = int(xs[1] < xs[0])
    colors = list(COLORS)
    lines['questions'].append({
        'image': name, 'split': split, 'group': 'what', 'answer': colors[left],
        'question': 'what color is the left one?', 'phrases': [_phrase(0, 2, left, False)]})
    lines['captions'].append({'image': name, 'caption': f'a {colors[left]} square on the left'})


def _question(name: str, split: str, words: str, first: int, second: int,
              answer: str) -> dict[str, Any]:
    """Ask 'is the red square left of the blue square?': the squares are words 1-3 and last 3."""
    colors = list(COLORS)
    text = f'is the {colors[first]} square {words} the {colors[second]} square?'
    stop = 4 + len(words.split()) + 3
    return {'image': name, 'split': split, 'group': words.split()[0], 'question': text,
            'answer': answer, 'shortcut': 'no',
            'phrases': [_phrase(2, 4, first, True), _phrase(stop - 2, stop, second, True)]}


def _phrase(start: int, stop: int, thing: int, named: bool) -> dict[str, Any]:
    return {'start': start, 'stop': stop, 'thing': thing, 'named': named}
