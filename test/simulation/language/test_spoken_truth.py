import pytest

from latent_vqa_ros.simulation.language import spoken
from latent_vqa_ros.simulation.language.meaning import Description, Meaning
from latent_vqa_ros.simulation.truth import Scene, Thing

CUBE, BALL, MUG, CONE = (Description(shape=shape) for shape in ('cube', 'ball', 'mug', 'cone'))
RED, ANY = Description(color='red'), Description()


def thing(shape='cube', color='red', at=0.5, **more):
    """Return a small thing at a share ``at`` of the picture's width."""
    values = {'size': 'small', 'visible': 1.0, 'box': (0, 0, 8, 8), 'center': (100 * at, 60.0),
              'position': (at - 0.5, 0.5, 0.0), **more}
    return Thing(shape, color, **values)


def scene(*things, tray=False, gripper=False):
    return Scene(0, 'train', 100, 100, things, tray, gripper)


def answer(of, kind, *about, **more):
    told = spoken.outcome(of, Meaning(kind, about, **more))
    return None if told is None else told.answer


# What is on the table.

def test_what_is_held_is_not_on_the_table():
    one = scene(thing('mug', held=True), gripper=True)
    assert answer(one, 'table_any') == 'no'
    assert answer(one, 'table_empty') == 'yes'
    assert answer(one, 'table_what') == 'nothing'
    assert answer(one, 'table_the', MUG) == 'no'
    assert answer(one, 'table_count', ANY) == '0'
    assert answer(one, 'table_color', MUG) == 'none'
    by_hand = scene(thing('mug', position=(0.0, 0.5, 0.4)))
    assert answer(by_hand, 'table_any') == 'no'
    assert answer(by_hand, 'gripper_the', MUG) is None


def test_what_is_in_the_tray_may_be_said_to_be_on_the_table_or_not():
    inside = thing('ball', 'blue', in_tray=True)
    one = scene(inside, tray=True)
    assert {answer(one, kind) for kind in ('table_any', 'table_empty', 'table_what')} == {None}
    assert answer(one, 'table_a', BALL) is None
    assert answer(one, 'table_the', BALL) is None
    assert answer(one, 'table_a', CUBE) == 'no'
    two = scene(inside, thing('cube'), tray=True)
    assert answer(two, 'table_any') == 'yes'
    assert answer(two, 'table_what') is None  # the cube, or several
    assert answer(two, 'table_count', ANY) is None
    assert answer(two, 'table_count', CUBE) == '1'
    assert answer(scene(inside, thing(), thing('mug'), tray=True), 'table_what') == 'several'


def test_what_stands_on_another_thing_is_where_that_one_is():
    below = thing('cube', 'red')
    above = thing('ball', 'blue', on_top_of=0, position=(0.0, 0.5, 0.4))
    assert answer(scene(below, above), 'table_the', BALL) == 'yes'
    assert answer(scene(below, above), 'table_count', ANY) == '2'
    inside = thing('cube', 'red', in_tray=True)
    assert answer(scene(inside, above, tray=True), 'table_the', BALL) is None
    held = thing('cube', 'red', held=True)
    assert answer(scene(held, above, gripper=True), 'table_the', BALL) == 'no'


def test_a_hidden_thing_makes_a_bare_table_doubtful():
    hidden = thing('ball', 'blue', visible=0.2)
    assert answer(scene(hidden), 'table_any') is None
    assert answer(scene(hidden, thing()), 'table_any') == 'yes'
    assert answer(scene(hidden, thing()), 'table_count', RED) == '1'
    assert answer(scene(hidden, thing()), 'table_count', BALL) is None


# Sides of the picture.

@pytest.mark.parametrize(('at', 'where', 'left', 'middle', 'right'), [
    (0.1, 'left', 'yes', 'no', 'no'), (0.34, 'left', 'yes', 'no', 'no'),
    (0.36, None, 'yes', None, 'no'), (0.41, None, 'yes', None, 'no'),
    (0.43, None, None, None, None), (0.45, 'middle', None, 'yes', None),
    (0.5, 'middle', None, 'yes', None), (0.57, None, None, None, None),
    (0.59, None, 'no', None, 'yes'), (0.66, 'right', 'no', 'no', 'yes')])
def test_near_a_border_nobody_is_asked_for_the_side(at, where, left, middle, right):
    one = scene(thing('cube', at=at))
    assert answer(one, 'where', CUBE) == where
    sides = {'left': left, 'middle': middle, 'right': right}
    assert {side: answer(one, 'side_the', CUBE, value=side) for side in sides} == sides
    assert {side: answer(one, 'side_any', value=side) for side in sides} == sides


def test_what_is_on_a_side():
    one = scene(thing('cube', 'red', at=0.1), thing('ball', 'blue', at=0.2),
                thing('mug', 'white', at=0.9))
    assert answer(one, 'side_what', value='right') == 'mug'
    assert answer(one, 'side_color', value='right') == 'white'
    assert answer(one, 'side_what', value='left') == answer(
        one, 'side_color', value='left') == 'several'
    assert answer(one, 'side_what', value='middle') == 'nothing'
    assert answer(one, 'side_color', value='middle') == 'none'
    assert answer(one, 'side_a', BALL, value='left') == 'yes'
    assert answer(one, 'side_a', BALL, value='right') == 'no'
    assert answer(one, 'side_count', ANY, value='left') == '2'
    assert answer(one, 'side_the_color', BALL, value='left') == 'blue'
    assert answer(one, 'side_the_color', MUG, value='left') == 'none'
    assert answer(one, 'where', CONE) == 'none'
    doubt = scene(*one.things, thing('cone', at=0.57))
    assert answer(doubt, 'side_what', value='right') is None
    assert answer(doubt, 'side_any', value='right') == 'yes'
    assert answer(doubt, 'side_count', MUG, value='right') == '1'


# Numbers, and what several things have in common.

@pytest.mark.parametrize(('count', 'told'), [
    (1, {'of': 'no', 'more': 'no', 'fewer': 'yes', 'least': 'no', 'most': 'yes', 'only': 'no'}),
    (2, {'of': 'yes', 'more': 'no', 'fewer': 'no', 'least': 'yes', 'most': 'yes',
         'only': 'yes'}),
    (3, {'of': None, 'more': 'yes', 'fewer': 'no', 'least': 'yes', 'most': 'no', 'only': 'no'})])
def test_whether_there_are_two(count, told):
    one = scene(*[thing('cube', at=0.1 * i) for i in range(count)], thing('ball'))
    assert {kind: answer(one, f'count_{kind}', CUBE, value='2') for kind in told} == told
    assert answer(one, 'more_than_one', CUBE) == ('yes' if count > 1 else 'no')
    assert answer(one, 'only_one', CUBE) == ('yes' if count == 1 else 'no')


def test_colours_of_several_things():
    one = scene(thing('cube', 'red'), thing('cube', 'red'), thing('ball', 'blue'))
    assert answer(one, 'all_are', CUBE, value='red') == 'yes'
    assert answer(one, 'all_are', CUBE, value='blue') == 'no'
    assert answer(one, 'all_are', ANY, value='red') == 'no'
    assert answer(one, 'all_are', MUG, value='red') == answer(one, 'colors', MUG) == 'none'
    assert answer(one, 'colors', CUBE) == 'red'
    assert answer(one, 'colors', ANY) == 'several'
    assert answer(one, 'one_color', CUBE) == 'yes'
    assert answer(one, 'one_color', ANY) == 'no'
    assert answer(one, 'one_color', BALL) is None  # there is one
    untold = scene(*one.things, thing('cube', ''))
    assert answer(untold, 'all_are', CUBE, value='red') is None
    assert answer(untold, 'colors', BALL) == 'blue'


def test_one_of_two_is_chosen_where_it_is_one_of_them():
    one = scene(thing('cube', 'red'), thing('ball', 'blue'), thing('ball', 'green'))
    assert answer(one, 'choose_color', CUBE, value='blue red') == 'red'
    assert answer(one, 'choose_color', CUBE, value='blue green') is None
    assert answer(one, 'choose_color', BALL, value='blue green') == 'several'
    assert answer(one, 'choose_color', MUG, value='blue green') == 'none'
    assert answer(one, 'choose_shape', RED, value='cube ball') == 'cube'


def test_both_and_either():
    one = scene(thing('cube'), thing('ball', visible=0.2))
    assert answer(one, 'either', CUBE, MUG) == 'yes'
    assert answer(one, 'both', CUBE, MUG) is None  # what is hidden may be a mug
    two = scene(thing('cube'), thing('ball'))
    assert [answer(two, kind, CUBE, each) for kind in ('both', 'either')
            for each in (BALL, MUG)] == ['yes', 'no', 'yes', 'yes']
    assert answer(two, 'either', MUG, CONE) == 'no'


# What is seen.

def test_what_is_seen_is_told_of_one_thing():
    nothing, single, two = scene(), scene(thing('mug', 'blue')), scene(thing(), thing('ball'))
    kinds = ('seen_what', 'seen_color', 'seen_any', 'seen_empty')
    assert [answer(nothing, kind) for kind in kinds] == ['nothing', 'none', 'no', 'yes']
    assert [answer(single, kind) for kind in kinds] == ['mug', 'blue', 'yes', 'no']
    assert [answer(two, kind) for kind in kinds] == ['several', 'several', 'yes', 'no']
    assert [answer(single, 'seen_is', ANY, value=value) for value in (
        'blue', 'red', 'mug', 'ball')] == ['yes', 'no', 'yes', 'no']
    assert answer(two, 'seen_is', ANY, value='red') == 'several'
    hidden = scene(thing(visible=0.2), thing('ball', 'blue'))
    assert [answer(hidden, kind) for kind in kinds] == [None, None, 'yes', 'no']
    assert answer(scene(thing('mug', '')), 'seen_color') is None


def test_what_is_beside_a_thing():
    one = scene(thing('cube', 'red', at=0.1), thing('cube', 'blue', at=0.3),
                thing('ball', 'green', at=0.6))
    assert answer(one, 'related_a', CUBE, BALL, relation='left') == 'yes'
    assert answer(one, 'related_a', CUBE, BALL, relation='right') == 'no'
    assert answer(one, 'related_count', BALL, relation='left') == '2'
    assert answer(one, 'related_number', RED, BALL, relation='left') == '1'
    assert answer(one, 'beside_color', CUBE, BALL, relation='left') == 'several'
    assert answer(one, 'related_a', BALL, CUBE, relation='left') == 'several'
    blue = Description(color='blue')
    assert answer(one, 'beside_color', CUBE, blue, relation='left') == 'red'
    assert answer(one, 'beside_color', BALL, blue, relation='left') == 'none'


# What is in the tray.

def test_how_many_of_a_kind_are_in_the_tray():
    one = scene(thing('cube', 'red', in_tray=True), thing('cube', 'blue'), tray=True)
    assert answer(one, 'tray_number', CUBE) == answer(one, 'tray_number', RED) == '1'
    assert answer(one, 'tray_number', BALL) == '0'
    assert answer(scene(thing()), 'tray_number', CUBE) == 'none'  # there is no tray
    unseen = scene(*one.things)
    assert answer(unseen, 'tray_number', CUBE) is None
    assert answer(unseen, 'tray_count') is None


def test_nobody_is_told_that_there_is_no_tray_where_it_is_not_seen():
    one = scene(thing('cube', 'red', in_tray=True))
    assert answer(one, 'tray_number', BALL) is None
