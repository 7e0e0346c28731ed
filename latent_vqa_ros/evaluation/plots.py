"""The pictures of a report: reliability, accuracy per group, confusion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

from latent_vqa_ros.datasets.images import read_rgb
from latent_vqa_ros.evaluation.mistakes import Mistake

_COLUMNS = 5  # of the contact sheet
_CONFUSED = 40  # answers in the picture of confusion
_LETTERS = 32  # of a line below a picture


def draw_reliability(curves: dict[str, Any], path: Path) -> None:
    """Draw accuracy over confidence, before and after temperature scaling, and where they lie."""
    figure, (left, right) = _axes(1, 2, (9, 4))
    left.plot([0, 1], [0, 1], color='0.7', linestyle='--', label='perfectly calibrated')
    for name, points in curves.items():
        x = [point['confidence'] for point in points]
        left.plot(x, [point['accuracy'] for point in points], marker='o', label=name)
        right.plot(x, [point['n'] for point in points], marker='o', label=name)
    left.set(xlabel='confidence', ylabel='share of right answers', xlim=(0, 1.02), ylim=(0, 1.02))
    right.set(xlabel='confidence', ylabel='questions', yscale='log', xlim=(0, 1.02))
    left.legend()
    _save(figure, path)


def draw_groups(document: dict[str, Any], path: Path) -> None:
    """Draw accuracy per group beside the blind floor."""
    groups = document['groups']
    figure, axis = _axes(1, 1, (1.5 + len(groups), 4))
    places = np.arange(len(groups))
    axis.bar(places - 0.2, [g['accuracy'] for g in groups.values()], 0.4, label='model')
    axis.bar(places + 0.2, [g['blind'] for g in groups.values()], 0.4, label='blind', color='0.7')
    axis.set_xticks(places, groups.keys(), rotation=30, ha='right', parse_math=False)
    axis.set(ylabel='share of right answers', ylim=(0, 1.02))
    axis.legend(loc='lower right')
    _save(figure, path)


def draw_confusion(document: dict[str, Any], path: Path) -> None:
    """Draw how often each true answer was answered wrongly by each other one; the commonest."""
    wrong = document['confusion']
    often: Counter[str] = Counter()
    for true, given in wrong.items():
        often.update({true: sum(given.values())})
        often.update(given)
    names = sorted(name for name, _ in often.most_common(_CONFUSED))
    counts = np.array([[wrong.get(true, {}).get(given, 0) for given in names] for true in names])
    figure, axis = _axes(1, 1, (1.5 + 0.6 * len(names), 1.2 + 0.6 * len(names)))
    if names:
        axis.imshow(counts, cmap='Reds', vmin=0)
        for (row, column), n in np.ndenumerate(counts):
            if n:
                axis.text(column, row, n, ha='center', va='center')
    else:
        axis.text(0, 0, 'no wrong answer', ha='center', va='center')
    axis.set_xticks(range(len(names)), names, rotation=45, ha='right', parse_math=False)
    axis.set_yticks(range(len(names)), names, parse_math=False)
    axis.set(xlabel='answer', ylabel='truth')
    _save(figure, path)


def draw_wrong(mistakes: Sequence[Mistake], path: Path) -> None:
    """Draw each mistake: the picture, and below it question, truth, answer and confidence."""
    rows = -(-len(mistakes) // _COLUMNS)
    columns = min(_COLUMNS, len(mistakes))
    figure, axes = _axes(rows, columns, (2.9 * columns, 4.0 * rows))
    for axis in np.ravel(axes):
        axis.axis('off')
    for axis, mistake in zip(np.ravel(axes), mistakes, strict=False):
        asked = mistake.question
        axis.imshow(read_rgb(mistake.record), interpolation='nearest')
        below = (*wrap(asked.text, _LETTERS), f'truth: {asked.answer}',
                 f'answer: {mistake.answer} ({mistake.confidence:.1%})')
        axis.set_title(asked.group, fontsize=10, color='0.4', parse_math=False)
        axis.text(0, -0.04, '\n'.join(below), transform=axis.transAxes, va='top', fontsize=10,
                  parse_math=False)
    _save(figure, path)


def _axes(rows: int, columns: int, size: tuple[float, float]) -> Any:
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot
    return pyplot.subplots(rows, columns, figsize=size)


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot
    figure.tight_layout()
    figure.savefig(path, dpi=80, metadata={'Software': None})
    pyplot.close(figure)
