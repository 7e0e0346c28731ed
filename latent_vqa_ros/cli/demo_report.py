"""What the demo tells: a summary, a table, and a picture of all frames with their answers.

Works on the rows of cli/demo.py; it knows no ROS and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.common import percentile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from latent_vqa_ros.cli.demo import TrueFrame

COLUMNS = 4
THUMB_W, THUMB_H = 320, 240  # pixels
LINE_H, MARGIN = 17, 8
INK, GOOD, BAD, PAPER = (40, 40, 40), (20, 120, 20), (30, 30, 210), (255, 255, 255)  # BGR


def group_of(truth: str) -> str:
    """Return the group that an answer belongs to."""
    from latent_vqa_ros.bags.demo_bag import group_of as easy_vqa_group

    return easy_vqa_group(truth)


def is_right(row: dict[str, Any]) -> bool:
    """Tell whether a row's answer was given and is the truth."""
    return bool(row['status'] == 'ok' and row['answer'] == row['truth'])


def summarize(rows: list[dict[str, Any]], measured: dict[str, Any]) -> dict[str, Any]:
    """Return the document of --json."""
    groups: dict[str, dict[str, int]] = {}
    for row in rows:
        group = groups.setdefault(group_of(row['truth']), {'n': 0, 'right': 0})
        group['n'] += 1
        group['right'] += is_right(row)
    first = [row['latency_ms'] for row in rows if not row['encoding_reused']]
    later = [row['latency_ms'] for row in rows if row['encoding_reused']]
    return {
        'n': len(rows), 'answered': sum(row['status'] == 'ok' for row in rows),
        'right': sum(map(is_right, rows)), 'groups': groups,
        'latency_ms': quantiles([row['latency_ms'] for row in rows]),
        'first_question_ms': quantiles(first), 'later_question_ms': quantiles(later),
        'round_trip_ms': quantiles(measured['round_trip_ms']),
        'frames_sent_again': sum(row['attempts'] - 1 for row in rows),
        'node_rss_mb': measured['node_rss_mb'], 'node_exit': measured['node_exit'], 'rows': rows}


def quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """Return p50 and p95 (nearest rank), None of no values."""
    return {f'p{p}': percentile(values, p) for p in (50, 95)} if values else None


def render(document: dict[str, Any]) -> str:
    """Return the table and the summary."""
    rows = document['rows']
    width = max(len(row['question']) for row in rows)
    lines = [f'{"frame":>6}  {"question":{width}}  {"answer":13}{"truth":11}{"conf.":>7}'
             f'{"ms":>8}']
    previous = None
    for row in rows:
        frame = '' if row['frame'] == previous else row['frame']
        previous = row['frame']
        answer = row['answer'] if row['status'] == 'ok' else f'[{row["status"]}]'
        confidence = '' if row['confidence'] is None else f'{100 * row["confidence"]:.1f} %'
        lines.append(f'{frame:>6}  {row["question"]:{width}}  {answer:13}{row["truth"]:11}'
                     f'{confidence:>7}{row["latency_ms"]:8.2f}{"" if is_right(row) else "  <--"}')
    groups = ', '.join(f'{name} {group["right"]}/{group["n"]}'
                       for name, group in document['groups'].items())
    return '\n'.join([
        *lines, '',
        f'answered {document["answered"]} of {document["n"]}, right {document["right"]}: {groups}',
        _times('question published → detail received', document['latency_ms']),
        _times('  the first about a frame', document['first_question_ms']),
        _times('  the later ones', document['later_question_ms']),
        _times('the middleware alone (String echo)', document['round_trip_ms']),
        f'{"memory of the node (RSS)":40}{document["node_rss_mb"]:.1f} MB',
        f'{"frames sent again":40}{document["frames_sent_again"]}',
        *([] if document['node_exit'] == 0 else
          [f'the node did not end cleanly: exit code {document["node_exit"]}']),
        f'picture: {document["picture"]}'])


def _times(label: str, values: dict[str, float] | None) -> str:
    return f'{label:40}' + ('-' if values is None else
                            f'p50 {values["p50"]:.2f} ms   p95 {values["p95"]:.2f} ms')


def draw(path: Path, frames: Sequence[TrueFrame], rows: Sequence[dict[str, Any]]) -> None:
    """Write a sheet of all frames, each with its questions and answers below it."""
    import cv2
    import numpy as np

    most = max(len(frame.questions) for frame in frames)
    cell_h, cell_w = THUMB_H + most * LINE_H + 2 * MARGIN, THUMB_W + 2 * MARGIN
    count = -(-len(frames) // COLUMNS)
    sheet_hwc = np.full((count * cell_h, COLUMNS * cell_w, 3), PAPER, np.uint8)
    remaining = iter(rows)
    for index, frame in enumerate(frames):
        top, left = (index // COLUMNS) * cell_h, (index % COLUMNS) * cell_w
        mine = [next(remaining) for _ in frame.questions]
        _draw_cell(sheet_hwc[top:top + cell_h, left:left + cell_w], frame, mine)
    if not cv2.imwrite(str(path), sheet_hwc):
        raise OSError(f'{path}: the picture cannot be written')


def _draw_cell(cell_hwc: NDArray[np.uint8], frame: TrueFrame,
               rows: Sequence[dict[str, Any]]) -> None:
    import cv2

    thumb = cv2.resize(frame.rgb_hwc, (THUMB_W, THUMB_H), interpolation=cv2.INTER_AREA)
    cell_hwc[MARGIN:MARGIN + THUMB_H, MARGIN:MARGIN + THUMB_W] = thumb[:, :, ::-1]
    for index, row in enumerate(rows):
        y = MARGIN + THUMB_H + (index + 1) * LINE_H - 3
        answer = row['answer'] if row['status'] == 'ok' else row['status']
        shown = answer if is_right(row) else f'{answer} (is {row["truth"]})'
        colour = GOOD if is_right(row) else BAD
        (width, _), _ = cv2.getTextSize(shown, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)
        _write(cell_hwc, row['question'], MARGIN, y, INK)
        _write(cell_hwc, shown, MARGIN + THUMB_W - width, y, colour)


def _write(image_hwc: NDArray[np.uint8], text: str, x: int, y: int,
           colour: tuple[int, int, int]) -> None:
    import cv2

    cv2.putText(image_hwc, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
