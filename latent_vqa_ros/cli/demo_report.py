"""What the demo tells: a summary, a table, and a picture of the frames with their answers.

Works on the rows of cli/demo.py; it knows no ROS and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.common import percentile
from latent_vqa_ros.teach.question import normal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Row = dict[str, Any]

COLUMNS = 4
THUMB_W = 320  # pixels
LINE_H, MARGIN = 17, 8
INK, GOOD, BAD, PAPER = (40, 40, 40), (20, 120, 20), (30, 30, 210), (255, 255, 255)  # BGR


def is_right(row: Row) -> bool:
    """Tell whether a row's answer was given and is the truth."""
    return bool(row['status'] == 'ok' and normal(row['answer']) == normal(row['truth']))


def shown(row: Row) -> str:
    """Return the answer, or why there is none."""
    return str(row['answer'] if row['status'] == 'ok' else f'[{row["status"]}]')


def summarize(rows: list[Row], measured: dict[str, Any]) -> dict[str, Any]:
    """Return the document of --json."""
    first = [row['latency_ms'] for row in rows if not row['encoding_reused']]
    later = [row['latency_ms'] for row in rows if row['encoding_reused']]
    return {
        'n': len(rows), 'answered': sum(row['status'] == 'ok' for row in rows),
        'right': sum(map(is_right, rows)),
        'latency_ms': quantiles([row['latency_ms'] for row in rows]),
        'first_question_ms': quantiles(first), 'later_question_ms': quantiles(later),
        'round_trip_ms': quantiles(measured['round_trip_ms']),
        'frames_sent_again': sum(row['attempts'] - 1 for row in rows),
        'node_rss_mb': measured['node_rss_mb'], 'node_exit': measured['node_exit'],
        'taught': measured.get('taught'), 'rows': rows}


def quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """Return p50 and p95 (nearest rank), None of no values."""
    return {f'p{p}': percentile(values, p) for p in (50, 95)} if values else None


def render(document: dict[str, Any]) -> str:
    """Return the table and the summary."""
    rows = document['rows']
    width = max(len(row['question']) for row in rows)
    return '\n'.join([
        *table(rows, width), '',
        *([*changes(rows, width), ''] if changes(rows, width) else []),
        f'answered {document["answered"]} of {document["n"]}, right {document["right"]}',
        _times('question published → detail received', document['latency_ms']),
        _times('  the first about a frame', document['first_question_ms']),
        _times('  the later ones', document['later_question_ms']),
        _times('the middleware alone (String echo)', document['round_trip_ms']),
        f'{"memory of the node (RSS)":40}{document["node_rss_mb"]:.1f} MB',
        f'{"frames sent again":40}{document["frames_sent_again"]}',
        *([] if document['node_exit'] == 0 else
          [f'the node did not end cleanly: exit code {document["node_exit"]}']),
        f'picture: {document["picture"] or "none"}'])


def table(rows: Sequence[Row], width: int) -> list[str]:
    """Return a line per row; the time stands at the first of a frame, an arrow at a mistake."""
    lines = [f'{"time":>7}  {"question":{width}}  {"answer":13}{"truth":11}{"conf.":>7}{"ms":>8}']
    for time_s, of_frame in groupby(rows, lambda row: row['time_s']):
        for index, row in enumerate(of_frame):
            moment = '' if index else f'{time_s:.1f} s'
            confidence = '' if row['confidence'] is None else f'{100 * row["confidence"]:.1f} %'
            lines.append(
                f'{moment:>7}  {row["question"]:{width}}  {shown(row):13}{row["truth"]:11}'
                f'{confidence:>7}{row["latency_ms"]:8.2f}{"" if is_right(row) else "  <--"}')
    return lines


def changes(rows: Sequence[Row], width: int) -> list[str]:
    """Return a line per question whose answer changed: the answers in their order."""
    lines = []
    for question in dict.fromkeys(row['question'] for row in rows):
        told = [shown(row) for row in rows if row['question'] == question]
        different = [answer for answer, _ in groupby(told)]
        if len(different) > 1:
            lines.append(f'{"":7}  {question:{width}}  {" → ".join(different)}')
    return lines


def _times(label: str, values: dict[str, float] | None) -> str:
    return f'{label:40}' + ('-' if values is None else
                            f'p50 {values["p50"]:.2f} ms   p95 {values["p95"]:.2f} ms')


def draw(path: Path, pictures_hwc: Sequence[NDArray[np.uint8]], rows: Sequence[Row]) -> None:
    """Write a sheet of pictures (RGB, one per time), each with its questions and answers."""
    import cv2
    import numpy as np

    frames = [list(of_frame) for _, of_frame in groupby(rows, lambda row: row['time_s'])]
    height, width = pictures_hwc[0].shape[:2]
    thumb_h = round(THUMB_W * height / width)
    most = max(len(frame) for frame in frames)
    cell_h, cell_w = thumb_h + most * LINE_H + 2 * MARGIN, THUMB_W + 2 * MARGIN
    count = -(-len(frames) // COLUMNS)
    sheet_hwc = np.full((count * cell_h, COLUMNS * cell_w, 3), PAPER, np.uint8)
    for index, (picture_hwc, frame) in enumerate(zip(pictures_hwc, frames, strict=True)):
        top, left = (index // COLUMNS) * cell_h, (index % COLUMNS) * cell_w
        _draw_cell(sheet_hwc[top:top + cell_h, left:left + cell_w], picture_hwc, thumb_h, frame)
    png = cv2.imencode(path.suffix, sheet_hwc)[1]  # imwrite dies of names that are not UTF-8
    path.write_bytes(png.tobytes())


def _draw_cell(cell_hwc: NDArray[np.uint8], picture_hwc: NDArray[np.uint8], thumb_h: int,
               rows: Sequence[Row]) -> None:
    import cv2

    thumb = cv2.resize(picture_hwc, (THUMB_W, thumb_h), interpolation=cv2.INTER_AREA)
    cell_hwc[MARGIN:MARGIN + thumb_h, MARGIN:MARGIN + THUMB_W] = thumb[:, :, ::-1]
    for index, row in enumerate(rows):
        y = MARGIN + thumb_h + (index + 1) * LINE_H - 3
        text = shown(row) if is_right(row) else f'{shown(row)} (is {row["truth"]})'
        colour = GOOD if is_right(row) else BAD
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)
        _write(cell_hwc, row['question'], MARGIN, y, INK)
        _write(cell_hwc, text, MARGIN + THUMB_W - width, y, colour)


def _write(image_hwc: NDArray[np.uint8], text: str, x: int, y: int,
           colour: tuple[int, int, int]) -> None:
    import cv2

    cv2.putText(image_hwc, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
