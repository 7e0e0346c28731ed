"""Answers to what is asked as people speak, by trying every world that could look like the scene.

Slow, and written from scratch, as simulation_oracle.py, whose worlds these are. Beside what is
hidden, two things are left open: a speaker may or may not say of what is in the tray that it is on
the table, and of a thing near a border that it is on this side of it.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from helpers.simulation_oracle import ILL, chosen, may_hold, worlds, yes

SHAPES = ('cube', 'ball', 'cylinder', 'cone', 'mug', 'bowl')
ONE_MEANT = ('choose_color', 'choose_shape', 'where', 'side_the', 'table_the', 'gripper_the')
BESIDE = ('related_a', 'related_count', 'related_number', 'beside_color')


def possible_answers(scene, meaning):
    """Return the answers over all worlds; ILL stands for a question that nobody should ask."""
    if not any(said.size for said in meaning.about):  # worlds that differ in sizes answer alike
        scene = replace(scene, things=tuple(replace(t, size='small') for t in scene.things))
    return set().union(*(in_world(scene, world, meaning) for world in worlds(scene)))


def in_world(scene, world, meaning):
    kind = meaning.kind
    found = [chosen(world, said) for said in meaning.about]
    if kind in ONE_MEANT:
        wrong = wrongly_meant(found[0])
        return {wrong} if wrong else of_the_one(scene, world, meaning, found[0][0])
    if kind in BESIDE:
        return beside(scene, world, meaning, found)
    if kind == 'same_color':
        return same_color(world, found)
    if kind.startswith('table_'):
        return {on_table(scene, world, meaning, found, tray_too) for tray_too in (True, False)}
    if kind.startswith('side_'):
        return on_side(scene, world, meaning, found)
    if kind == 'tray_number':
        inside = [i for i, thing in world.items() if thing.in_tray]
        if not scene.tray_visible:
            return {ILL if inside else 'none'}
        return {str(len(set(inside) & set(found[0])))}
    if kind in ('both', 'either'):
        first, second = (len(each) > 0 for each in found)
        return {yes(first and second if kind == 'both' else first or second)}
    if kind in ('seen_what', 'seen_color', 'seen_is', 'seen_any', 'seen_empty'):
        return {seen(world, meaning)}
    if kind == 'what_is':
        return {the_only(world, found[0], 'shape', 'nothing')}
    if kind in ('all_are', 'colors', 'one_color'):
        return {in_common(world, meaning, found[0])}
    return {number(len(found[0]), kind, int(meaning.value or 0))}


def wrongly_meant(found):
    """Return what answers "the …" where it means no single thing, '' where it does."""
    return {0: 'none', 1: ''}.get(len(found), 'several')


def the_only(world, found, attribute, nobody):
    if len(found) == 1:
        return getattr(world[found[0]], attribute)
    return 'several' if found else nobody


def seen(world, meaning):
    kind = meaning.kind
    if kind in ('seen_any', 'seen_empty'):
        return yes((len(world) > 0) == (kind == 'seen_any'))
    shape = kind == 'seen_what' or kind == 'seen_is' and meaning.value in SHAPES
    told = the_only(world, list(world), 'shape' if shape else 'color',
                    'nothing' if kind == 'seen_what' else 'none')
    return yes(told == meaning.value) if kind == 'seen_is' and len(world) == 1 else told


def in_common(world, meaning, found):
    colors = {world[i].color for i in found}
    if meaning.kind == 'one_color':
        return ILL if len(found) < 2 else yes(len(colors) == 1)
    if not colors:
        return 'none'
    if meaning.kind == 'all_are':
        return yes(colors == {meaning.value})
    return colors.pop() if len(colors) == 1 else 'several'


def same_color(world, found):
    wrong = {wrongly_meant(each) for each in found} - {''}
    if wrong:
        return wrong if len(wrong) == 1 else {ILL}
    (first,), (second,) = found
    return {ILL if first == second else yes(world[first].color == world[second].color)}


def number(count, kind, said):
    if kind == 'count_of':  # beside more of them some say yes, some no
        return ILL if count > said else yes(count == said)
    return yes({'count_more': count > said, 'count_fewer': count < said,
                'count_least': not count < said, 'count_most': not count > said,
                'count_only': count == said, 'more_than_one': count >= 2,
                'only_one': count == 1}[kind])


def of_the_one(scene, world, meaning, index):
    kind, thing = meaning.kind, world[index]
    if kind.startswith('choose_'):
        told = getattr(thing, kind.removeprefix('choose_'))
        return {told if told in meaning.value.split() else ILL}
    if kind == 'gripper_the':
        by_hand = not thing.held and floats(thing)
        return {yes(thing.held) if scene.gripper_visible and not by_hand else ILL}
    if kind == 'table_the':
        return {yes(stands(scene, index, tray_too)) for tray_too in (True, False)}
    if kind == 'side_the':
        return {yes(there) for there in may_be(scene, index, meaning.value)}
    x = thing.center[0] / scene.width
    named = {'left': x <= 0.44, 'middle': 0.35 < x < 0.65, 'right': x >= 0.56}
    return {side for side, may in named.items() if may}


def floats(thing):
    return thing.held or thing.on_top_of is None and thing.position[2] > 0.3


def stands(scene, index, tray_too):
    """Return whether a thing is on the table; ``tray_too``: what is in the tray is said to be."""
    pile = [scene.things[index]]
    while pile[-1].on_top_of is not None:
        pile.append(scene.things[pile[-1].on_top_of])
    if any(map(floats, pile)):
        return False
    return tray_too or not any(thing.in_tray for thing in pile)


def on_table(scene, world, meaning, found, tray_too):
    what = meaning.kind.removeprefix('table_')
    there = [i for i in (found[0] if found else world) if stands(scene, i, tray_too)]
    if what in ('any', 'a'):
        return yes(there)
    if what == 'empty':
        return yes(not there)
    if what == 'count':
        return str(len(there))
    return (the_only(world, there, 'color', 'none') if what == 'color'
            else the_only(world, there, 'shape', 'nothing'))


def may_be(scene, index, side):
    """Return the truth values that "it is on this side of the picture" may have."""
    x = scene.things[index].center[0] / scene.width
    if side == 'middle':
        return {True} if 0.44 < x < 0.56 else {True, False} if 0.35 < x < 0.65 else {False}
    if 0.42 < x < 0.58:
        return {True, False}
    return {x < 0.5 if side == 'left' else x > 0.5}


def on_side(scene, world, meaning, found):
    what = meaning.kind.removeprefix('side_')
    asked = found[0] if found else list(world)
    answers = set()
    for places in itertools.product(*(may_be(scene, i, meaning.value) for i in asked)):
        there = [i for i, holds in zip(asked, places, strict=True) if holds]
        if what in ('any', 'a'):
            answers.add(yes(there))
        elif what == 'count':
            answers.add(str(len(there)))
        elif what == 'what':
            answers.add(the_only(world, there, 'shape', 'nothing'))
        else:
            answers.add(the_only(world, there, 'color', 'none'))
    return answers


def beside(scene, world, meaning, found):
    kind, to = meaning.kind, found[-1]
    if len(to) != 1:
        return {wrongly_meant(to)}
    asked = [i for i in (world if kind == 'related_count' else found[0]) if i != to[0]]
    answers = set()
    for truth in itertools.product(*(may_hold(scene, i, meaning.relation, to[0]) for i in asked)):
        there = [i for i, holds in zip(asked, truth, strict=True) if holds]
        if kind == 'related_a':
            answers.add(yes(there))
        elif kind == 'beside_color':
            answers.add(the_only(world, there, 'color', 'none'))
        else:
            answers.add(str(len(there)))
    return answers
