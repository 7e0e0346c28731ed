"""Answers by trying every world that could look like the scene: slow, and written from scratch.

A thing that is mostly hidden may be absent or anything of its colour; an attribute that nobody
could name may be any; a relation that ground and
picture do not agree on may hold or not. A question may be asked if all worlds answer alike.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from latent_vqa_ros.simulation.truth import COLORS, SHAPES, SIZES

ILL = 'ill-formed'
FLAG = {'gripper': 'held', 'tray': 'in_tray', 'edge': 'at_edge'}


def possible_answers(scene, meaning):
    """Return the answers over all worlds; ILL stands for a question that nobody should ask."""
    return set().union(*(in_world(scene, world, meaning) for world in worlds(scene)))


def worlds(scene):
    """Yield dicts from index to thing."""
    options = []
    for thing in scene.things:
        colors = [thing.color] if thing.color else COLORS
        if thing.visible >= 0.3:
            options.append([replace(thing, color=color, size=size) for color in colors
                            for size in ([thing.size] if thing.size else SIZES)])
        else:
            options.append([None, *(replace(thing, color=color, shape=shape, size=size)
                                    for color in colors for shape in SHAPES for size in SIZES)])
    for chosen in itertools.product(*options):
        yield {i: thing for i, thing in enumerate(chosen) if thing is not None}


def chosen(world, said):
    return [i for i, t in world.items() if said.size in ('', t.size)
            and said.color in ('', t.color) and said.shape in ('', t.shape)]


def in_world(scene, world, meaning):
    kind, about = meaning.kind, meaning.about
    found = [chosen(world, said) for said in about]
    place = kind.split('_')[0]
    if kind in ('color', 'shape', 'size', 'relation', 'tray_the', 'edge_the') or kind.startswith(
            ('is_', 'related')):
        wrong = {'none' if not f else 'several' for f in found if len(f) != 1}
        if wrong:
            return wrong if len(wrong) == 1 else {ILL}
        return of_unique(scene, world, meaning, [f[0] for f in found])
    if place in FLAG:
        return {at_place(scene, world, meaning, place)}
    if kind == 'exists':
        return {'yes' if found[0] else 'no'}
    if kind == 'count':
        return {str(len(found[0]))}
    if kind == 'count_is':
        return {yes(str(len(found[0])) == meaning.value)}
    a, b = map(len, found)
    if kind == 'equal' and a == b == 0:
        return {ILL}
    return {yes({'more': a > b, 'fewer': b > a, 'equal': a == b}[kind])}


def of_unique(scene, world, meaning, found):
    kind, thing = meaning.kind, world[found[0]]
    if kind in ('color', 'shape', 'size'):
        return {getattr(thing, kind)}
    if kind.startswith('is_'):
        return {yes(getattr(thing, kind[3:]) == meaning.value)}
    if kind == 'tray_the':
        return {yes(thing.in_tray) if scene.tray_visible else ILL}
    if kind == 'edge_the':
        return {yes(thing.at_edge) if scene.edge_visible else ILL}
    if kind == 'relation':
        a, b = found
        return {ILL} if a == b else {yes(v) for v in may_hold(scene, a, meaning.relation, b)}
    others = [i for i in world if i != found[0]]
    sure = [may_hold(scene, i, meaning.relation, found[0]) for i in others]
    results = set()
    for truth in itertools.product(*sure):
        there = [world[i] for i, holds in zip(others, truth, strict=True) if holds]
        if kind == 'related_any':
            results.add(yes(there))
        elif len(there) == 1:
            results.add(there[0].color if kind == 'related_color' else there[0].shape)
        else:
            nobody = 'none' if kind == 'related_color' else 'nothing'
            results.add('several' if there else nobody)
    return results


def at_place(scene, world, meaning, place):
    what = meaning.kind.split('_')[1]
    there = [t for t in world.values() if getattr(t, FLAG[place])]
    seen = {'gripper': scene.gripper_visible, 'tray': scene.tray_visible,
            'edge': scene.edge_visible}[place]
    if what == 'seen':
        return yes(seen)
    if not seen:
        return ILL if there else 'none'
    if what == 'any':
        return yes(there)
    if what == 'empty':
        return yes(not there)
    if what == 'count':
        return str(len(there))
    if what == 'a':
        named = chosen(dict(enumerate(there)), meaning.about[0])
        return yes(named)
    if len(there) > 1:
        return 'several'
    if what == 'color':
        return there[0].color if there else 'none'
    return there[0].shape if there else 'nothing'


def may_hold(scene, first, relation, second):
    """Return the truth values that a relation may have."""
    a, b = scene.things[first], scene.things[second]
    if relation == 'on':
        if a.visible >= 0.3 and b.visible >= 0.3 and (a.held or b.held):
            return {True, False}
        step, depth = a, 1
        while step.on_top_of is not None and step.on_top_of != second:
            step, depth = scene.things[step.on_top_of], depth + 1
        if step.on_top_of is None:
            return {False}
        return {True} if depth == 1 and a.visible >= 0.3 else {True, False}
    if a.visible < 0.3 or b.visible < 0.3:
        return {True, False}
    if relation in ('left', 'right'):
        ground, picture = b.position[0] - a.position[0], (b.center[0] - a.center[0]) / scene.width
    else:
        ground = b.position[1] - a.position[1]
        picture = (a.center[1] - b.center[1]) / scene.height  # rows grow towards the camera
        if a.held or b.held:
            return {True, False}
    if relation in ('right', 'behind'):
        ground, picture = -ground, -picture
    ground = ground / scene.ground_margin * 0.03
    if min(ground, picture) >= 0.03:
        return {True}
    return {False} if max(ground, picture) <= -0.03 else {True, False}


def yes(value):
    return 'yes' if value else 'no'
