"""Counts what a drawn split holds, from its files. Knows neither pictures nor Markdown."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.simulation.truth import Scene, Thing

UNTOLD = {'color': 'of no colour with a name', 'size': 'of a size that cannot be told'}


@dataclass
class Survey:
    """One split: counts of scenes and things by what is true of them, of answers by group."""

    captions: int = 0
    scenes: Counter[str] = field(default_factory=Counter)
    things: Counter[str] = field(default_factory=Counter)
    pairs: set[tuple[str, str]] = field(default_factory=set)  # colour and shape
    answers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    guessable: Counter[str] = field(default_factory=Counter)  # questions with a shortcut, by group
    guessed: Counter[str] = field(default_factory=Counter)  # those that it answers right
    texts: set[str] = field(default_factory=set)
    lengths: Counter[int] = field(default_factory=Counter)  # questions by number of words

    @property
    def questions(self) -> int:
        """Return how many questions there are."""
        return self.lengths.total()


def survey(folder: Path, limit: int | None = None) -> Survey:
    """Count what is in the folder of a split, or in its first ``limit`` scenes."""
    found = Survey()
    images = set()
    for scene in map(Scene.from_json, lines(folder / 'truth.jsonl', limit)):
        images.add(scene.image)
        found.scenes.update(about_scene(scene))
        for thing in scene.things:
            found.pairs.add((thing.color, thing.shape))
            found.things.update(about_thing(thing))
    for line in map(json.loads, lines(folder / 'questions.jsonl')):
        if line['image'] in images:
            _question(found, line)
    for line in lines(folder / 'captions.jsonl'):
        found.captions += json.loads(line)['image'] in images
    return found


def lines(path: Path, limit: int | None = None) -> Iterator[str]:
    """Yield the lines of a file, or its first ones."""
    with path.open(encoding='utf-8') as file:
        for index, line in enumerate(file):
            if index == limit:
                return
            yield line


def about_scene(scene: Scene) -> Iterator[str]:
    """Yield what is true of a scene, in the words of the datasheet."""
    yield 'all'
    count = len(scene.things)
    yield f'{count} thing{"s" * (count != 1)}'
    if scene.tray_visible:
        yield 'tray seen'
    if scene.gripper_visible:
        yield 'gripper seen'


def about_thing(thing: Thing) -> Iterator[str]:
    """Yield what is true of a thing, in the words of the datasheet."""
    yield from ('all', thing.shape, thing.color or UNTOLD['color'], thing.size or UNTOLD['size'])
    facts = {'held by the gripper': thing.held, 'in the tray': thing.in_tray,
             'on another thing': thing.on_top_of is not None, 'at the edge': thing.at_edge,
             'hidden too much to be asked about': not thing.counts}
    yield from (name for name, is_so in facts.items() if is_so)


def _question(found: Survey, line: dict[str, Any]) -> None:
    group, answer = line['group'], line['answer']
    found.answers[group][answer] += 1
    found.texts.add(line['question'])
    found.lengths[len(words(line['question']))] += 1
    if 'shortcut' in line:
        found.guessable[group] += 1
        found.guessed[group] += line['shortcut'] == answer
