"""Answers about a bag against its truth over time: how many are right, how soon they follow.

    timeline = follow(pipeline, 'episode', rate=5);  document = report(timeline)

Asks standing questions about frames of a bag from `latent_vqa simulate bag` through the runtime's
own pipeline. The answer is the most probable word, however sure, as in evaluate.py; a question
that gets none is answered wrongly. What the truth is not certain of is not counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.truth import frames, read_answers, read_scenes
from latent_vqa_ros.core.answer import NANO, Detail
from latent_vqa_ros.core.bundle import Bundle
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation.language.episode_questions import Asked, standing
from latent_vqa_ros.simulation.truth import Scene
from latent_vqa_ros.teach.question import normal

RATE = 5.0  # questions a second
SOON = 2  # frames within which an answer should follow


class Answerer(Protocol):
    """What answers: `core.pipeline.Pipeline`."""

    bundle: Bundle

    def respond(self, request: Request, frame: Frame | None, now_ns: int = 0) -> Detail:
        """Return everything known about one question."""


@dataclass(frozen=True)
class Row:
    """One question at each asked frame; ``truth``, of teach.question.normal, None: not certain."""

    question: str
    truth: tuple[str | None, ...]
    details: tuple[Detail, ...]

    @property
    def answers(self) -> tuple[str | None, ...]:
        """The most probable word at each frame, None where there is none; ``truth`` is alike."""
        return tuple(detail.answer and normal(detail.answer) for detail in self.details)

    @property
    def told(self) -> list[int]:
        """The frames whose truth is certain."""
        return [i for i, truth in enumerate(self.truth) if truth is not None]


@dataclass(frozen=True)
class Timeline:
    """All questions over all asked frames; times are seconds from the first one."""

    model: str
    data: str
    rate: float
    times_s: tuple[float, ...]
    ambiguous: int  # frames of which nothing is known
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Event:
    """The truth of a question becomes another one at a frame.

    ``frames`` counts the asked frames until the answer is right, 0 where it is at once, None
    where it is not before the truth changes again; ``lasted`` counts those of the new truth.
    """

    question: str
    frame: int
    before: str
    after: str
    frames: int | None
    lasted: int


def follow(answerer: Answerer, path: str | Path, rate: float = RATE,
           asked: Sequence[Asked] = (),
           taught: Callable[[str], object] | None = None) -> Timeline:
    """Ask about the frames of a bag, ``rate`` a second; BagError and DatasetError.

    Without ``asked`` the questions come from the bag's truth (episode_questions.py). Those whose
    answers stand in it and that were ``taught`` come first.
    """
    if not rate > 0:
        raise DatasetError(f'rate {rate:g}: expected more than 0 frames a second')
    with BagReader(path) as bag:
        scenes = {stamp: None if fields is None else _scene(bag, fields)
                  for stamp, fields in read_scenes(bag).items()}
        told = read_answers(bag) if taught else {}
        own = {normal(text): text for each in told.values() for text in each
               if taught and taught(text)}
        told = {stamp: {normal(text): answer for text, answer in each.items()}
                for stamp, each in told.items()}
        asked = asked or standing([scene for scene in scenes.values() if scene])
        both = {normal(one.text): one for one in asked if normal(one.text) in own}
        asked = [one for one in asked if normal(one.text) not in both]
        wanted = at_rate(scenes, rate)
        stamps, details = [], []
        for frame in tqdm(frames(bag, wanted), 'evaluate', len(wanted), leave=False,
                          mininterval=1):
            stamps.append(frame.stamp_ns)
            details.append([answerer.respond(Request(text, frame.camera), frame, frame.stamp_ns)
                            for text in (*own.values(), *(one.text for one in asked))])

    def of_own(key: str, stamp: int) -> str | None:
        """Return what the bag says, else what its scene does where that is asked about, too."""
        answer = told.get(stamp, {}).get(key)
        return both[key].truth(scenes[stamp]) if answer is None and key in both else answer

    truths = [*((text, [of_own(key, stamp) for stamp in stamps]) for key, text in own.items()),
              *((one.text, [one.truth(scenes[stamp]) for stamp in stamps]) for one in asked)]
    rows = tuple(Row(text, tuple(each and normal(each) for each in truth),
                     tuple(each[i] for each in details))
                 for i, (text, truth) in enumerate(truths))
    if not any(row.told for row in rows):
        raise DatasetError(f'{path}: no frame of which the truth answers a question')
    return Timeline(answerer.bundle.manifest.name, str(path), rate,
                    tuple((stamp - stamps[0]) / NANO for stamp in stamps),
                    sum(scenes[stamp] is None for stamp in stamps), rows)


def _scene(bag: BagReader, fields: dict[str, Any]) -> Scene:
    try:
        return Scene.from_json(json.dumps(fields))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BagError(f'{bag.path}: a scene of the truth cannot be read ({error})') from error


def at_rate(stamps: Iterable[int], rate: float) -> set[int]:
    """Return the first stamp (ns) of each period of the rate, counted from the earliest."""
    ordered = sorted(stamps)
    chosen: dict[int, int] = {}
    for stamp in ordered:  # a millionth of a period early is in time: stamps are rounded
        chosen.setdefault(int((stamp - ordered[0]) * rate / NANO + 1e-6), stamp)
    return set(chosen.values())


def events(row: Row) -> list[Event]:
    """Return the changes of the true answer, over the frames whose truth is certain.

    A truth that does not last longer than SOON frames gives no time to follow: neither it nor
    the return from it is an event.
    """
    runs = [list(run) for _, run in groupby(row.told, lambda i: row.truth[i])]
    lasting = [run for at, run in enumerate(runs) if len(run) > SOON or not at]
    runs = [[i for run in same for i in run]
            for _, same in groupby(lasting, lambda run: row.truth[run[0]])]
    found = []
    for old, new in zip(runs, runs[1:], strict=False):
        before, after = row.truth[old[0]], row.truth[new[0]]
        assert before is not None
        assert after is not None
        delay = next((k for k, i in enumerate(new) if row.answers[i] == after), None)
        found.append(Event(row.question, new[0], before, after, delay, len(new)))
    return found


def report(timeline: Timeline) -> dict[str, Any]:
    """Return the document of ``latent_vqa evaluate --data BAG --json``; shares from 0 to 1."""
    groups = {row.question: _group(row) for row in timeline.rows}
    n = sum(group['n'] for group in groups.values())
    told = [(row.details[i].status, row.answers[i] == row.truth[i])
            for row in timeline.rows for i in row.told]
    sure = [good for status, good in told if status is Status.OK]
    return {
        'model': timeline.model, 'data': timeline.data, 'split': None, 'ece': None,
        'rate': timeline.rate,
        'frames': len(timeline.times_s), 'ambiguous_frames': timeline.ambiguous, 'n': n,
        'accuracy': sum(good for _, good in told) / n,
        'blind_accuracy': sum(group['blind'] * group['n'] for group in groups.values()) / n,
        'answered': len(sure) / n, 'accuracy_answered': sum(sure) / len(sure) if sure else None,
        'groups': groups,
        'statuses': dict(Counter(status.value for status, _ in told)),
        'events': _followed(timeline)}


def _group(row: Row) -> dict[str, Any]:
    """Return how often a question is answered right, and always with its most frequent answer."""
    n = len(row.told)
    counts = Counter(row.truth[i] for i in row.told)
    right = sum(row.answers[i] == row.truth[i] for i in row.told)
    return {'n': n, 'accuracy': right / max(n, 1),
            'blind': max(counts.values(), default=0) / max(n, 1)}


def _followed(timeline: Timeline) -> dict[str, Any]:
    """Return how soon answers follow, in asked frames; never counts as all the truth lasted."""
    found = [event for row in timeline.rows for event in events(row)]
    delays = [event.lasted if event.frames is None else event.frames for event in found]
    soon = [event.frames is not None and event.frames <= SOON for event in found]
    return {'n': len(found),
            f'followed_within_{SOON}': sum(soon) / len(found) if found else None,
            'worst_frames': max(delays, default=None),
            'never': sum(event.frames is None for event in found),
            'list': [{'question': event.question, 'time_s': timeline.times_s[event.frame],
                      'before': event.before, 'after': event.after, 'frames': event.frames}
                     for event in found]}


def table(document: dict[str, Any]) -> str:
    """Return the report as text: one line per question, the blind floor beside it."""
    width = max(map(len, document['groups']))
    lines = [f'{"question":<{width}}{"frames":>8}{"right":>9}{"blind":>9}']
    lines += [f'{name:<{width}}{g["n"]:>8}{g["accuracy"]:>9.1%}{g["blind"]:>9.1%}'
              for name, g in document['groups'].items()]
    lines.append(f'{"all":<{width}}{document["n"]:>8}{document["accuracy"]:>9.1%}'
                 f'{document["blind_accuracy"]:>9.1%}')
    told = document['events']
    if told['n']:
        lines.append(
            f'{told["n"]} changes of the truth: {told[f"followed_within_{SOON}"]:.1%} followed '
            f'within {SOON} of the frames asked about, the slowest after {told["worst_frames"]}, '
            f'{told["never"]} never')
    others = {name: n for name, n in document['statuses'].items() if name != Status.OK.value}
    if others:
        lines.append('without an answer on the topic: '
                     + ', '.join(f'{n} {name}' for name, n in others.items()))
    return '\n'.join(lines)
