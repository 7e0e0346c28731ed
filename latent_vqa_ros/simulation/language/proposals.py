"""Meanings that may be worth asking about a scene: true ones, near misses, far ones.

The scene decides which meanings are proposed. The wanted answer decides which of them is asked
(questions.py). So a proposal tells nothing about its answer.
"""

from __future__ import annotations

from random import Random

from latent_vqa_ros.simulation.language.answering import ATTRIBUTES, COMPARISONS
from latent_vqa_ros.simulation.language.meaning import RELATIONS, Description, Meaning, describe
from latent_vqa_ros.simulation.truth import COLORS, SHAPES, SIZES, Scene

VALUES = {'color': COLORS, 'shape': SHAPES, 'size': SIZES}
FAR = 4  # descriptions at random, most of them of nothing
Signature = tuple[str, ...]
_ANY: tuple[Signature, ...] = (
    ('shape',), ('color',), ('color', 'shape'), ('color', 'shape'), ('size', 'shape'),
    ('size', 'color'), ('size', 'color', 'shape'))
# What names a thing whose attribute is asked for.
_NAMING: dict[str, tuple[Signature, ...]] = {
    'color': (('shape',), ('size', 'shape'), ('size',)),
    'shape': (('color',), ('size', 'color'), ('size',)),
    'size': (('color', 'shape'), ('shape',), ('color',))}
_COUNTED: tuple[Signature, ...] = ((), ('color',), ('shape',), ('color', 'shape'))


def propose(scene: Scene, kind: str, chooser: Random) -> list[Meaning]:
    """Return different meanings of a kind, some tens at most, in a random but fixed order."""
    if kind == 'relation':
        return _pairs(scene, chooser)
    if kind in COMPARISONS:
        return _comparisons(scene, kind, chooser)
    if kind.startswith('related_'):
        relation = _relation(scene, chooser, stacks=kind != 'related_color')
        said = _each(scene, chooser) + _descriptions(scene, chooser.choice(_ANY), chooser)[-2:]
        return [Meaning(kind, (one,), relation) for one in said]
    if kind in ('count', 'count_is'):
        said = _descriptions(scene, chooser.choice(_COUNTED), chooser)
        if kind == 'count':
            return [Meaning(kind, (one,)) for one in said]
        return [Meaning(kind, (one,), value=value) for one in said for value in '2345']
    if kind in ATTRIBUTES:
        signature = chooser.choice(_NAMING[kind])
        return [Meaning(kind, (said,)) for said in _descriptions(scene, signature, chooser)]
    if kind.startswith('is_'):
        return _claims(scene, kind, chooser)
    if kind == 'exists' or kind.endswith(('_a', '_the')):
        return [Meaning(kind, (said,))
                for said in _descriptions(scene, chooser.choice(_ANY), chooser)]
    return [Meaning(kind)]


def _descriptions(scene: Scene, signature: Signature, chooser: Random) -> list[Description]:
    """Return descriptions of what is there, each with a near miss, and some at random."""
    if not signature:
        return [Description()]
    if len(signature) == 1:
        name = signature[0]
        return [Description(**{name: value}) for value in VALUES[name]]
    found: dict[Description, None] = {}
    for thing in scene.things:
        said = describe(thing, signature)
        name = chooser.choice(signature)
        found[said] = None
        found[said._replace(**{name: chooser.choice(VALUES[name])})] = None
    for _ in range(FAR):
        found[Description(**{name: chooser.choice(VALUES[name]) for name in signature})] = None
    return list(found)


def _claims(scene: Scene, kind: str, chooser: Random) -> list[Meaning]:
    """Return claims about an attribute: the true one, one of another thing, one at random."""
    name = kind.removeprefix('is_')
    signature = chooser.choice(_NAMING[name])
    said = _descriptions(scene, signature, chooser)
    values = {value: None for thing in scene.things if (value := getattr(thing, name))}
    values[chooser.choice(VALUES[name])] = None
    return [Meaning(kind, (one,), value=value) for one in said for value in values]


def _relation(scene: Scene, chooser: Random, stacks: bool = True) -> str:
    """Return a relation: where things stand on things, more often that."""
    stacked = any(thing.on_top_of is not None for thing in scene.things)
    if stacks and chooser.random() < (0.4 if stacked else 0.1):
        return 'on'
    return chooser.choice(RELATIONS[:4])


def _each(scene: Scene, chooser: Random) -> list[Description]:
    """Return two descriptions of each thing, that may fit others too."""
    return [describe(thing, chooser.choice(_ANY)) for thing in scene.things for _ in range(2)]


def _pairs(scene: Scene, chooser: Random) -> list[Meaning]:
    """Return one relation over pairs of things, and over things that are not there."""
    relation = _relation(scene, chooser)
    said = _each(scene, chooser) + _descriptions(scene, chooser.choice(_ANY), chooser)[-1:]
    return [Meaning('relation', (a, b), relation) for a in said for b in said if a != b]


def _comparisons(scene: Scene, kind: str, chooser: Random) -> list[Meaning]:
    """Return comparisons of numbers by colour or by shape, some with what is not there."""
    name = chooser.choice(('color', 'shape', 'shape'))
    values = {value: None for thing in scene.things if (value := getattr(thing, name))}
    values[chooser.choice(VALUES[name])] = None
    said = [Description(**{name: value}) for value in values]
    return [Meaning(kind, (a, b)) for a in said for b in said if a != b]
