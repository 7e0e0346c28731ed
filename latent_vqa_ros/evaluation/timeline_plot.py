"""Draws a timeline: per question the true answer over time, the given one below it, mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from latent_vqa_ros.evaluation.timeline import Row, Timeline

COLORS = {'yes': '#9bd39b', 'no': '#dcdcea', 'none': '#eeeeee', 'nothing': '#eeeeee',
          'several': '#c5b3e6', 'red': '#e8746c', 'green': '#6fbf73', 'blue': '#7b9fe8',
          'yellow': '#f2dc6b', 'purple': '#b07cc6', 'orange': '#f2a65a', 'white': '#ffffff',
          'gray': '#a9a9a9', 'cube': '#f4c7b5', 'ball': '#b5d8f4', 'cylinder': '#d5e8b0',
          'cone': '#f4e3b5', 'mug': '#e0c3ee', 'bowl': '#b9e6de', '0': '#f3f6fb', '1': '#dbe6f4',
          '2': '#c3d6ed', '3': '#abc6e6', '4': '#93b6df', '5': '#7ba6d8', '6': '#6396d1'}
OTHER, WRONG = '#f0e2cc', '#d40000'
TRUTH, ANSWER = (0.50, 0.38), (0.10, 0.38)  # bottom and height of the bands of a row
LETTER_S = 0.0085  # width of a letter as a share of the time axis


def draw_timeline(timeline: Timeline, path: Path) -> None:
    """Write the picture as PNG."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot

    rows, edges = timeline.rows, _edges(timeline)
    figure, axis = pyplot.subplots(figsize=(15, 1.6 + 0.52 * len(rows)))
    for number, row in enumerate(rows):
        _draw_row(axis, row, edges, len(rows) - 1 - number)
    axis.set_yticks([len(rows) - 0.5 - i for i in range(len(rows))],
                    [f'{row.question}\n{_right(row):.0%} right' for row in rows], fontsize=9)
    axis.set(xlim=(edges[0], edges[-1]), ylim=(0, len(rows)), xlabel='seconds')
    axis.set_title(f'{timeline.model} on {Path(timeline.data).name}: in each row the truth above, '
                   'the answer below.\nRed: a mistake. Empty: the truth is not certain.',
                   fontsize=10)
    for side in ('top', 'right', 'left'):
        axis.spines[side].set_visible(False)
    axis.tick_params(axis='y', length=0)
    figure.tight_layout()
    figure.savefig(path, dpi=90, metadata={'Software': None})
    pyplot.close(figure)


def _draw_row(axis: Any, row: Row, edges: Sequence[float], level: int) -> None:
    judged = [(None, None) if truth is None else (answer or 'no answer', truth == answer)
              for truth, answer in zip(row.truth, row.answers, strict=True)]
    for start, stop, truth in _runs(row.truth):
        if truth is not None:
            _band(axis, edges[start], edges[stop], level + TRUTH[0], COLORS.get(truth, OTHER),
                  truth, edges[-1])
    for start, stop, (answer, right) in _runs(judged):
        if answer is not None:
            _band(axis, edges[start], edges[stop], level + ANSWER[0], COLORS.get(answer, OTHER),
                  answer, edges[-1], wrong=not right)
    axis.axhline(level, color='0.8', linewidth=0.6)


def _band(axis: Any, left: float, right: float, bottom: float, color: str, text: str,
          whole: float, wrong: bool = False) -> None:
    axis.broken_barh([(left, right - left)], (bottom, TRUTH[1]), facecolors=color,
                     edgecolors=WRONG if wrong else '0.75', linewidth=1.2 if wrong else 0.4,
                     hatch='////' if wrong else None, zorder=2 if wrong else 1)
    if right - left > LETTER_S * whole * len(text):
        axis.text((left + right) / 2, bottom + TRUTH[1] / 2, text, ha='center', va='center',
                  fontsize=8, color=WRONG if wrong else '0.15', zorder=3,
                  bbox={'boxstyle': 'square,pad=0.1', 'facecolor': color, 'linewidth': 0})


def _runs(values: Sequence[Any]) -> list[tuple[int, int, Any]]:
    """Return (start, stop, value) of each stretch of equal values, stop exclusive."""
    cuts = [i for i in range(len(values)) if i == 0 or values[i] != values[i - 1]]
    return [(start, stop, values[start])
            for start, stop in zip(cuts, [*cuts[1:], len(values)], strict=True)]


def _edges(timeline: Timeline) -> list[float]:
    """Return when each frame begins, in seconds, and the end of the last one."""
    return [*timeline.times_s, timeline.times_s[-1] + 1 / timeline.rate]


def _right(row: Row) -> float:
    return sum(row.answers[i] == row.truth[i] for i in row.told) / max(len(row.told), 1)
