"""Read a bag that tells what is true of its pictures, as `latent_vqa simulate bag` writes it.

    with BagReader('episode') as bag:
        scenes = read_scenes(bag)
        for frame in frames(bag, scenes): ...

    true_frames(bag)        when pictures were taken, with the answers to questions
    published(bag, stamps)  the pictures as they were published

/truth is a std_msgs/String with JSON: {"stamp": {"sec", "nanosec"}, "scene": {…} or null,
"answers": {question: answer or null}, …}. It belongs to the picture of the same stamp; null is
not certain. The demo bag has {"questions": [[question, answer], …]} instead and no stamp: there
the time of recording is that of the picture. What a scene says is not this module's business.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.answer import make_frame, picture_topics
from latent_vqa_ros.bags.checks import PACKED_SUFFIXES, STORAGE_SUFFIXES
from latent_vqa_ros.bags.read import BagReader, BagRecord
from latent_vqa_ros.core.answer import NANO
from latent_vqa_ros.core.pipeline import Frame

TRUTH_TOPIC, _TYPE = '/truth', 'std_msgs/msg/String'
Scenes = dict[int, dict[str, Any] | None]  # by stamp in ns; None where the frame is ambiguous


@dataclass(frozen=True)
class TrueFrame:
    """When a picture was taken, and the questions about it with their certain answers."""

    stamp_ns: int
    questions: tuple[tuple[str, str], ...]


def is_bag(path: Path) -> bool:
    """Return whether this looks like a bag, of whatever kind, rather than a folder of data."""
    suffixes = (*STORAGE_SUFFIXES, *PACKED_SUFFIXES, '.bag')
    if path.suffix in suffixes or (path / 'metadata.yaml').exists():
        return True
    return path.is_dir() and not (path / 'questions.jsonl').exists() and any(
        child.suffix in suffixes for child in path.iterdir())


def read_scenes(bag: BagReader) -> Scenes:
    """Return the scene of each stamp, in the bag's order; BagError where there is none."""
    _check(bag)
    scenes: Scenes = {}
    for record in bag:
        if record.topic == TRUTH_TOPIC:
            stamp_ns, scene = _parse(bag, bag.deserialize(record).data)
            scenes[stamp_ns] = scene
    if not scenes:
        raise BagError(f'{bag.path}: has no {TRUTH_TOPIC}, so answers cannot be compared with '
                       'it; answer-bag answers about any bag')
    return scenes


def read_answers(bag: BagReader) -> dict[int, dict[str, str]]:
    """Return, by stamp, the answers to questions that were recorded as true."""
    texts = (bag.deserialize(record).data for record in bag if record.topic == TRUTH_TOPIC)
    told = (_questions(bag, text) for text in texts
            if any(f'"{key}"' in text for key in ('answers', 'questions')))
    return {stamp_ns: dict(pairs) for stamp_ns, pairs in told if stamp_ns is not None}


def _check(bag: BagReader) -> None:
    found = bag.topics.get(TRUTH_TOPIC, _TYPE)
    if found != _TYPE:
        raise BagError(f'{bag.path}: {TRUTH_TOPIC} carries {found}, not {_TYPE} as simulate bag '
                       'writes it')


def _parse(bag: BagReader, text: str) -> tuple[int, dict[str, Any] | None]:
    try:
        fields = json.loads(text)
        stamp, scene = fields['stamp'], fields['scene']
        return int(stamp['sec']) * NANO + int(stamp['nanosec']), scene
    except (ValueError, TypeError, KeyError) as error:
        raise BagError(f'{bag.path}: {TRUTH_TOPIC} does not hold "stamp" and "scene" as '
                       'simulate bag writes them') from error


def frames(bag: BagReader, stamps: Collection[int]) -> Iterator[Frame]:
    """Yield the pictures of these stamps in the bag's order, of its first camera."""
    return (frame for frame, _ in _pictures(bag) if frame.stamp_ns in stamps)


def published(bag: BagReader, stamps: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """Yield stamp and serialized message of the same pictures, of each stamp the first."""
    remaining = set(stamps)
    for frame, record in _pictures(bag):
        if frame.stamp_ns in remaining:
            remaining.remove(frame.stamp_ns)
            yield frame.stamp_ns, record.cdr


def _pictures(bag: BagReader) -> Iterator[tuple[Frame, BagRecord]]:
    topic = picture_topics(bag)[0]
    return ((make_frame(bag, record), record) for record in bag if record.topic == topic)


def true_frames(bag: BagReader) -> list[TrueFrame]:
    """Tell which pictures of the bag's first camera have a truth; BagError without any."""
    _check(bag)
    topic = picture_topics(bag)[0]
    pictures: set[int] = set()
    truths: dict[int, tuple[tuple[str, str], ...]] = {}
    for record in bag:
        if record.topic == topic:
            pictures.add(make_frame(bag, record).stamp_ns)
        elif record.topic == TRUTH_TOPIC:
            stamp_ns, questions = _questions(bag, bag.deserialize(record).data)
            truths[record.stamp_ns if stamp_ns is None else stamp_ns] = questions
    found = [TrueFrame(stamp_ns, truths[stamp_ns])
             for stamp_ns in sorted(pictures & truths.keys())]
    if not any(frame.questions for frame in found):
        raise BagError(f'{bag.path}: no picture on {topic} with an answer on {TRUTH_TOPIC}')
    return found


def _questions(bag: BagReader, text: str) -> tuple[int | None, tuple[tuple[str, str], ...]]:
    """Return the stamp, None where the truth has none, and the questions with an answer."""
    try:
        fields = json.loads(text)
        pairs = fields['questions'] if 'questions' in fields else fields['answers'].items()
        stamp = fields.get('stamp')
        return (None if stamp is None else int(stamp['sec']) * NANO + int(stamp['nanosec']),
                tuple((str(question), str(answer)) for question, answer in pairs
                      if answer is not None))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BagError(f'{bag.path}: {TRUTH_TOPIC} does not hold "answers" as simulate bag '
                       'writes them') from error
