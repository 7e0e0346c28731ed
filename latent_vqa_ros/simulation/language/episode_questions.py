"""The standing questions about an episode: what changes in it, and what a user would watch.

    for asked in standing(scenes):
        print(asked.text, asked.truth(scene))

    followed(carried)   six of them that need no look ahead

A question is a meaning with its words; the truth answers it, or None where that is not certain.
Chosen from the truth alone, the same way each time. Knows neither bags nor models.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation.language.answering import KINDS, outcome
from latent_vqa_ros.simulation.language.grammar import say
from latent_vqa_ros.simulation.language.meaning import RELATIONS, Description, Meaning
from latent_vqa_ros.simulation.truth import COLORS, SHAPES, SIZES, Scene
from latent_vqa_ros.simulation.world.layout import Placed

MOST = 13  # standing questions
WATCHED = ('gripper_any', 'gripper_what', 'gripper_color', 'tray_empty', 'tray_what',
           'tray_count')
FOLLOWED = ('gripper_any', 'gripper_what', 'tray_what', 'tray_count')
ATTRIBUTES = {'size': SIZES, 'color': COLORS, 'shape': SHAPES}
NEEDS = {'exists': 1, 'count': 1, 'count_is': 1, 'relation': 2, 'more': 2, 'fewer': 2, 'equal': 2,
         **{kind: 1 for kind in KINDS if kind.startswith(('is_', 'related_'))
            or kind in ATTRIBUTES or kind.endswith(('_a', '_the'))}}


@dataclass(frozen=True)
class Asked:
    """A question in words, and what it means."""

    text: str
    meaning: Meaning

    def truth(self, scene: Scene | None) -> str | None:
        """Return the true answer; None where it is not certain from what can be seen."""
        told = None if scene is None else outcome(scene, self.meaning)
        return None if told is None else told.answer


class _Plain(Random):
    """Takes the first of all wordings, without courtesy, in lower case, with a question mark."""

    def random(self) -> float:
        return 0.5

    def choice(self, seq: Any) -> Any:
        return seq[0]


def worded(meaning: Meaning) -> Asked:
    """Return a meaning in its plainest words."""
    return Asked(say(meaning, _Plain())[0], meaning)


def followed(carried: Placed) -> list[Asked]:
    """Return what one asks while the gripper carries an object: six questions, whatever comes."""
    one = Description(color=carried.color, shape=carried.shape)
    return [*(worded(Meaning(kind)) for kind in FOLLOWED),
            worded(Meaning('count', (Description(),))), worded(Meaning('tray_the', (one,)))]


def standing(scenes: Sequence[Scene]) -> list[Asked]:
    """Return about a dozen questions: gripper, tray, number, then those with most changes."""
    asked = [worded(Meaning(kind)) for kind in WATCHED]
    asked.append(worded(Meaning('count', (Description(),))))
    kinds = [*dict.fromkeys((t.color, t.shape) for scene in scenes for t in scene.things)]
    moved = [*dict.fromkeys((t.color, t.shape) for scene in scenes for t in scene.things
                            if t.held)]
    asked += [worded(Meaning('tray_the', (Description(color=color, shape=shape),)))
              for color, shape in moved[:1]]
    exists = [worded(Meaning('exists', (Description(color=color, shape=shape),)))
              for color, shape in kinds]
    colors = [worded(Meaning('color', (Description(shape=shape),)))
              for shape in dict.fromkeys(shape for _, shape in kinds)]
    asked += _liveliest(exists, scenes)[:3] + _liveliest(colors, scenes)[:MOST]
    return asked[:MOST]


def _liveliest(asked: Sequence[Asked], scenes: Sequence[Scene]) -> list[Asked]:
    """Return the questions that have answers, those with more different ones first."""
    answers = [{one.truth(scene) for scene in scenes} - {None} for one in asked]
    order = sorted(range(len(asked)), key=lambda i: (-len(answers[i]), i))
    return [asked[i] for i in order if answers[i]]


def read(path: Path) -> list[Asked]:
    """Read questions from a file, one JSON object per line; DatasetError names the line.

    ``{"kind": "exists", "about": [{"color": "red", "shape": "cube"}], "question": "…"}``, with
    "relation" and "value" where the kind has them; without "question" it gets plain words.
    """
    found: list[Asked] = []
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except UnicodeDecodeError:
        raise DatasetError(f'{path}: not a text file') from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                asked = _parse(json.loads(line))
                if any(asked.text == other.text for other in found):
                    raise ValueError(f'{asked.text!r} is asked twice')
                found.append(asked)
            except (ValueError, TypeError, AttributeError) as error:
                raise DatasetError(f'{path}, line {number}: {error}') from error
    if not found:
        raise DatasetError(f'{path}: no question in it')
    return found


def _parse(fields: dict[str, Any]) -> Asked:
    about = tuple(Description(**said) for said in fields.get('about', ()))
    meaning = Meaning(fields.get('kind', ''), about, fields.get('relation', ''),
                      str(fields.get('value', '')))
    if meaning.kind not in KINDS:
        raise ValueError(f'kind {meaning.kind!r} is none of {", ".join(KINDS)}')
    if len(about) != NEEDS.get(meaning.kind, 0):
        raise ValueError(f'{meaning.kind} is about {NEEDS.get(meaning.kind, 0)} descriptions, '
                         f'not {len(about)}')
    for said in about:
        for name in ATTRIBUTES:
            if getattr(said, name) not in ('', *ATTRIBUTES[name]):
                raise ValueError(f'{name} {getattr(said, name)!r} is none of '
                                 f'{", ".join(ATTRIBUTES[name])}')
    _check(meaning)
    return Asked(str(fields['question']), meaning) if fields.get('question') else worded(meaning)


def _check(meaning: Meaning) -> None:
    """Raise ValueError where the relation or the claim is not one that the kind has."""
    if meaning.kind.startswith('relat'):
        known: Sequence[str] = RELATIONS
        said = meaning.relation
    elif meaning.kind == 'count_is':
        known, said = tuple('2345'), meaning.value
    elif meaning.kind.startswith('is_'):
        known, said = ATTRIBUTES[meaning.kind.removeprefix('is_')], meaning.value
    else:
        return
    if said not in known:
        raise ValueError(f'{meaning.kind}: {said!r} is none of {", ".join(known)}')
