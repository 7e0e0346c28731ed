"""Descriptions of a scene and of its things, for the contrastive stages. Only what can be seen."""

from __future__ import annotations

from collections.abc import Iterator

from latent_vqa_ros.simulation.language.grammar import article
from latent_vqa_ros.simulation.language.meaning import related
from latent_vqa_ros.simulation.truth import Scene, Thing

PER_CAPTION = 4  # things in one caption, so that it has at most 22 words
_NUMBERS = ('no', 'one', 'two', 'three', 'four', 'five', 'six')
_RELATIONS = {'left': 'to the left of', 'behind': 'behind', 'on': 'on top of'}
_STATE = {'held': 'in the gripper', 'in_tray': 'in the tray',
          'at_edge': 'near the edge of the table'}


def captions(scene: Scene) -> list[str]:
    """Return captions of the whole scene: lists of its things from left to right, their number,
    what is held, in the tray or at the edge, and relations. At most 22 words each.
    """
    seen = [i for i, _ in scene.counted]
    seen.sort(key=lambda i: scene.things[i].center[0])
    found = [*_lists(scene, seen), *_relations(scene, seen)]
    if len(seen) == len(scene.things) and not any(
            thing.in_air for thing in scene.things):
        found.append(_number(seen))
    for state, where in _STATE.items():
        found += [f'{_a(scene.things[i])} {where}' for i in seen
                  if getattr(scene.things[i], state)]
    if scene.tray_visible and not any(thing.in_tray for thing in scene.things):
        found.append('an empty tray')
    if scene.gripper_visible and not any(thing.held for thing in scene.things):
        found.append('an empty gripper')
    return found


def caption_words() -> tuple[str, ...]:
    """Return texts that hold every word of the captions but sizes, colours and shapes."""
    return (*_NUMBERS, *_RELATIONS.values(), *_STATE.values(), 'from left to right', 'and',
            'an empty tray', 'an empty gripper', 'things on the table')


def _name(thing: Thing) -> str:
    return ' '.join(word for word in (thing.size, thing.color, thing.shape) if word)


def _a(thing: Thing) -> str:
    name = _name(thing)
    return article(name) + name


def _number(seen: list[int]) -> str:
    return f'{_NUMBERS[len(seen)]} thing{"" if len(seen) == 1 else "s"} on the table'


def _lists(scene: Scene, seen: list[int]) -> Iterator[str]:
    """Yield runs of neighbours, e.g. "from left to right a small red cube and a …"."""
    for start in range(max(1, len(seen) - PER_CAPTION + 1)):
        named = [_a(scene.things[i]) for i in seen[start:start + PER_CAPTION]]
        if len(named) > 1:
            yield f'from left to right {" ".join(named[:-1])} and {named[-1]}'
        else:
            yield from named


def _relations(scene: Scene, seen: list[int]) -> Iterator[str]:
    for relation, words in _RELATIONS.items():
        for a in seen:
            for b in seen:
                if a != b and related(scene, a, relation, b):
                    yield f'{_a(scene.things[a])} {words} {_a(scene.things[b])}'
