"""The last part of `demo`: two questions that the model does not know are taught to the node.

    taught = teach(asker, bag, known)
    print(render(taught))

Both go over the topics `teach` and `teach/detail`: shots of the bag's first frames, then `fit`,
the judge's verdict, and then both are asked about the later frames. The first can be learnt from
so few frames, the second cannot, and the judge has to say so. It knows nothing of how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.demo_report import is_right

if TYPE_CHECKING:
    from latent_vqa_ros.bags.read import BagReader
    from latent_vqa_ros.ros.tools.asker import Asker

BAG, SHOTS = 'tray', 24  # the frames after these are asked about
Taught = dict[str, Any]


@dataclass(frozen=True)
class Lesson:
    """A question, the region that a user would draw (shares), and whether it can be learnt."""

    question: str
    region: tuple[float, float, float, float] | None
    learnable: bool


LESSONS = (Lesson('is the tray ready for the next part?', (0.4, 0.35, 0.6, 0.45), True),
           Lesson('is the number of things even?', None, False))


def teach(asker: Asker, bag: BagReader, known: str) -> list[Taught]:
    """Teach, fit and ask each lesson; return what became of it, one document each.

    ``known`` is a question of the model: its answer tells that a frame has arrived. Raises
    DemoError where the node does not answer or takes no shot.
    """
    from latent_vqa_ros.bags.truth import published, true_frames

    truths = {frame.stamp_ns: dict(frame.questions) for frame in true_frames(bag)}
    pictures = list(published(bag, truths))
    taught: list[Taught] = [{
        'question': lesson.question, 'region': lesson.region,
        'before': asker.ask(lesson.question, pictures[0][0]).detail['status']}
        for lesson in LESSONS]
    for stamp_ns, cdr in pictures[:SHOTS]:
        asker.show(cdr)
        asker.ask(known, stamp_ns)
        for lesson in LESSONS:
            _add(asker, lesson, truths[stamp_ns][lesson.question])
    for one in taught:
        fitted = asker.teach({'do': 'fit', 'question': one['question']})
        one |= {key: fitted[key] for key in ('status', 'reason', 'shots', 'moments', 'judgement')}
        one['rows'] = []
    for stamp_ns, cdr in pictures[SHOTS:]:
        asker.show(cdr)
        asker.ask(known, stamp_ns)
        for one in taught:
            detail = asker.ask(one['question'], stamp_ns).detail
            one['rows'].append({key: detail[key] for key in ('status', 'answer', 'confidence')}
                               | {'truth': truths[stamp_ns][one['question']]})
    return [one | {'right': sum(map(is_right, one['rows']))} for one in taught]


def _add(asker: Asker, lesson: Lesson, answer: str) -> None:
    from latent_vqa_ros.ros.tools.asker import DemoError

    shown = asker.teach({'do': 'add', 'question': lesson.question, 'answer': answer}
                        | ({'region': lesson.region} if lesson.region else {}))
    if shown['status'] != 'ok':
        raise DemoError(f'{lesson.question!r}: no shot was taken: {shown["reason"]}')


def as_expected(taught: Sequence[Taught]) -> bool:
    """Tell whether what can be learnt answered each frame and the rest was refused."""
    return len(taught) == len(LESSONS) and all(
        one['status'] == ('ok' if lesson.learnable else 'not_trusted')
        and all((row['status'] == 'ok') == lesson.learnable for row in one['rows'])
        for lesson, one in zip(LESSONS, taught, strict=True))


def render(taught: Sequence[Taught]) -> str:
    """Return a table: what was shown, what the judge says of moments left out, later answers."""
    width = max(len(one['question']) for one in taught)
    lines = [f'{"taught over topics":{width}}  {"before":15}  {"shots":7}  {"moments":7}  '
             f'{"right":>5}  {"at least":>8}  {"on":3}  later frames']
    for one in taught:
        judgement, on = one['judgement'], one['status'] == 'ok'
        right, bound = (int(100 * judgement[key]) for key in ('right', 'lower_bound'))
        shots, moments = (' + '.join(map(str, one[key].values())) for key in ('shots', 'moments'))
        later = (f'{one["right"]} of {len(one["rows"])} right' if on
                 else f'[{one["rows"][-1]["status"]}]')
        lines.append(
            f'{one["question"]:{width}}  {"[" + one["before"] + "]":15}  {shots:7}  {moments:7}  '
            f'{right:3} %  {bound:6} %  {"yes" if on else "no":3}  {later}')
        if not on:
            lines.append(f'  not switched on: {one["reason"]}')
    return '\n'.join(lines)
