import random
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.simulation_oracle import possible_answers
from helpers.simulation_scenes import random_scene, untold_scene
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_vqa_ros.core.tokenizer import Tokenizer, words
from latent_vqa_ros.datasets import record
from latent_vqa_ros.evaluation.evaluate import blind_answers
from latent_vqa_ros.simulation.language import wording
from latent_vqa_ros.simulation.language.answering import KINDS, outcome
from latent_vqa_ros.simulation.language.balance import Tally
from latent_vqa_ros.simulation.language.grammar import say
from latent_vqa_ros.simulation.language.meaning import ANSWERS, Description, Meaning
from latent_vqa_ros.simulation.language.proposals import propose
from latent_vqa_ros.simulation.language.questions import WEIGHTS, ask, shortcut_answers, vocabulary
from latent_vqa_ros.simulation.truth import Scene, Thing

SCENES = 3000
YES_NO = {'existence', 'comparison', 'count_is', 'edge', 'verify', 'left_right', 'front_behind',
          'on_top', 'related_any'}
# Highest blind floor of a group. Below 1 / (number of answers) nobody can be.
FLOORS = {**dict.fromkeys(YES_NO, 0.56), 'size': 0.56, 'gripper': 0.5, 'tray': 0.5,
          'presupposition': 0.56, 'presupposition_related': 0.56, 'color': 0.2, 'shape': 0.24,
          'related_color': 0.24, 'related_shape': 0.25, 'count': 0.25, 'count_color': 0.32,
          'count_shape': 0.32, 'count_color_shape': 0.4, 'gripper_what': 0.22, 'tray_what': 0.25,
          'tray_count': 0.32, 'edge_what': 0.25}
SHORTCUTS = {'left_right': 0.55, 'front_behind': 0.55, 'on_top': 0.58, 'related_any': 0.58,
             'related_color': 0.75, 'related_shape': 0.6, 'presupposition_related': 0.55}
seeds = st.integers(0, 2**32)
made = st.sampled_from((random_scene, untold_scene))


def thing(shape='cube', color='red', x=0.0, y=0.5, **more):
    """Return a small thing that is seen where it stands."""
    values = {'size': 'small', 'visible': 1.0, 'box': (0, 0, 8, 8),
              'center': (48 + 200 * x, 120 - 120 * y), **more}
    return Thing(shape, color, position=(x, y, 0.0), **values)


def scene(*things, tray=False, gripper=False):
    return Scene(0, 'train', 96, 96, things, tray, gripper)


def answer(of, kind, *about, **more):
    told = outcome(of, Meaning(kind, about, **more))
    return None if told is None else told.answer


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope='module')
def data():
    """Return random scenes and the questions about them, one tally over all."""
    tally = Tally()
    scenes = [random_scene(seed) for seed in range(SCENES)]
    return scenes, [ask(one, rng(one.seed), tally=tally) for one in scenes]


def as_records(asked):
    """Return what a data set would hold: texts as the tokenizer sees them."""
    return [record.Record(Path('x.png'), 'train', tuple(
        record.Question(' '.join(words(q.text)), q.answer, q.group) for q in questions))
        for questions in asked]


def shares(right, groups):
    found = defaultdict(list)
    for hit, group in zip(right, groups, strict=True):
        found[group].append(hit)
    return {group: float(np.mean(hits)) for group, hits in found.items()}


@settings(max_examples=150, deadline=None)
@given(seeds, st.booleans(), made)
def test_every_answer_is_the_only_one_in_all_worlds_that_look_alike(seed, held_out, make):
    one, wordings = make(seed), wording.HELD_OUT if held_out else wording.TRAIN
    for question in ask(one, rng(seed), limit=30, wordings=wordings):
        assert possible_answers(one, question.meaning) == {question.answer}, question


@settings(max_examples=60, deadline=None)
@given(seeds, made)
def test_what_is_left_out_is_uncertain_and_little_else_is(seed, make):
    one, chooser = make(seed), random.Random(seed)
    for kind in KINDS:
        for meaning in propose(one, kind, chooser):
            told, possible = outcome(one, meaning), possible_answers(one, meaning)
            assert told is None or possible == {told.answer}, meaning
            if told is None and all(t.counts and t.color and t.size for t in one.things):
                assert len(possible) > 1 or 'ill-formed' in possible, meaning


def fits(said, thing):
    return all(value in ('', getattr(thing, name)) for name, value in said._asdict().items())


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_phrases_are_spans_that_mean_one_thing_that_is_seen(seed):
    one = random_scene(seed)
    for question in ask(one, rng(seed), limit=30):
        for phrase in question.phrases:
            assert words(question.text)[phrase.start:phrase.stop] == words(phrase.text)
            assert one.things[phrase.thing].counts
            if phrase.named:
                assert any(fits(said, one.things[phrase.thing])
                           and sum(fits(said, other) for other in one.things) == 1
                           for said in question.meaning.about)


def test_a_phrase_that_names_by_place_points_at_the_answer():
    one = scene(thing('cube', 'red', x=-0.1), thing('ball', 'blue', x=0.1))
    meaning = Meaning('related_color', (Description(color='blue', shape='ball'),), 'left')
    text, spans = say(meaning, random.Random(0))
    assert [span.of for span in spans] == ['target', '0'], text
    assert outcome(one, meaning).targets == (0,)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_questions_are_a_function_of_scene_and_seed(seed):
    one = random_scene(seed)
    assert ask(one, rng(seed)) == ask(one, rng(seed))
    assert len(ask(one, rng(seed), limit=3)) <= 3


def test_a_text_has_one_meaning(data):
    meanings = defaultdict(set)
    for question in (q for questions in data[1] for q in questions):
        meanings[' '.join(words(question.text))].add(question.meaning)
    assert len(meanings) > SCENES
    assert {text: found for text, found in meanings.items() if len(found) > 1} == {}


def test_no_meaning_is_asked_twice_about_a_scene(data):
    for questions in data[1]:
        assert len({question.meaning for question in questions}) == len(questions)


def test_all_words_are_known_and_questions_fit_24_tokens(data):
    tokenizer = Tokenizer(vocabulary(), 24)
    for question in (q for questions in data[1] for q in questions):
        tokenizer.encode(question.text)
    held = [q for one in data[0][:300] for q in ask(one, rng(1), wordings=wording.HELD_OUT)]
    for question in held:
        tokenizer.encode(question.text)
    assert {word for text in ANSWERS for word in words(text)} <= set(vocabulary())


def test_every_kind_has_five_wordings_and_others_held_out_of_known_words():
    assert set(wording.TRAIN) == set(wording.HELD_OUT) == set(KINDS) == set(WEIGHTS)
    for kind, train in wording.TRAIN.items():
        held = wording.HELD_OUT[kind]
        assert len(set(train)) == len(train) >= 5, kind
        assert held
        assert not set(train) & set(held), kind
        assert 0.15 <= len(held) / (len(train) + len(held)) <= 0.3, kind


def test_held_out_texts_are_never_training_texts(data):
    train = {' '.join(words(q.text)) for questions in data[1] for q in questions}
    held = [q for one in data[0][:800]
            for q in ask(one, rng(7), wordings=wording.HELD_OUT)]
    assert [q.text for q in held if ' '.join(words(q.text)) in train] == []


def test_no_courtesy_turns_a_training_wording_into_a_held_out_one():
    for kind, held in wording.HELD_OUT.items():
        shown = {f'{prefix} {template}'.strip() for template in wording.TRAIN[kind]
                 for prefix in ('', *wording.PREFIXES)}
        heard = {f'{prefix} {template}'.strip() for template in held
                 for prefix in ('', *wording.PREFIXES)}
        assert not shown & heard, kind


def test_every_answer_and_group_occurs(data):
    assert {q.answer for questions in data[1] for q in questions} == set(ANSWERS)
    groups = Counter(q.group for questions in data[1] for q in questions)
    assert set(groups) == set(FLOORS)
    assert min(groups.values()) >= 200, groups


def test_a_guesser_without_a_picture_gains_little(data):
    records = as_records(data[1])
    half = SCENES // 2
    asked = [q for record in records[half:] for q in record.questions]
    blind = blind_answers(records[:half], records[half:])
    right = [a == q.answer for a, q in zip(blind, asked, strict=True)]
    floors = shares(right, [q.group for q in asked])
    assert set(floors) == set(FLOORS)
    assert {g: (f, FLOORS[g]) for g, f in floors.items() if f > FLOORS[g]} == {}
    majority = {group: max(found.values()) / found.total() for group, found in _answers(asked)}
    assert {g: (f, FLOORS[g]) for g, f in majority.items() if f > FLOORS[g]} == {}


def _answers(asked):
    found = defaultdict(Counter)
    for question in asked:
        found[question.group][question.answer] += 1
    return found.items()


def test_a_guesser_who_knows_what_is_there_but_not_where_gains_little(data):
    hits, groups = [], []
    for one, questions in zip(*data, strict=True):
        for guess, question in zip(shortcut_answers(one, questions), questions, strict=True):
            assert (guess is None) <= (question.group not in SHORTCUTS)
            if guess is not None:
                hits.append(guess == question.answer)
                groups.append(question.group)
    floors = shares(hits, groups)
    assert {g: (floors[g], most) for g, most in SHORTCUTS.items() if floors[g] > most} == {}


def test_a_tally_evens_what_one_scene_cannot():
    def most(tally):
        asked = [q for seed in range(400) for q in ask(random_scene(seed), rng(seed), tally=tally)
                 if q.group == 'edge']
        found = Counter(q.answer for q in asked)
        return max(found.values()) / found.total()
    assert most(None) > 0.6
    assert most(Tally()) < 0.53


CUBE, RED_CUBE, BALL = Description(shape='cube'), Description('', 'red', 'cube'), Description(
    shape='ball')


def test_wrong_presuppositions_are_answered_none_and_several():
    one = scene(thing('cube', 'red'), thing('cube', 'blue', x=0.1))
    assert answer(one, 'color', CUBE) == 'several'
    assert answer(one, 'color', BALL) == 'none'
    assert answer(one, 'size', RED_CUBE) == 'small'
    assert outcome(one, Meaning('relation', (RED_CUBE, BALL), 'left')).group == 'presupposition'
    assert answer(one, 'relation', CUBE, BALL, relation='left') is None  # several and none


def test_a_hidden_thing_is_not_asked_about_and_leaves_doubt_only_where_its_colour_allows():
    one = scene(thing('cube', 'red'), thing('ball', 'blue', x=0.1, visible=0.29))
    assert answer(one, 'exists', Description('', 'blue')) is None
    assert answer(one, 'count', CUBE) is None
    assert answer(one, 'count', RED_CUBE) == '1'
    assert answer(one, 'exists', CUBE) == 'yes'
    assert answer(one, 'shape', Description('', 'blue')) is None
    seen = replace(one, things=(one.things[0], replace(one.things[1], visible=0.3)))
    assert answer(seen, 'shape', Description('', 'blue')) == 'ball'


@pytest.mark.parametrize(('x', 'shift', 'told'), [
    (0.1, 20.0, 'yes'), (0.029, 20.0, None), (0.1, 2.8, None), (0.1, -20.0, None),
    (-0.1, -20.0, 'no')])
def test_relations_need_ground_and_picture_to_agree_by_a_margin(x, shift, told):
    one = scene(thing('cube', 'red'), replace(thing('ball', 'blue', x=x), center=(48 + shift, 60)))
    assert answer(one, 'relation', CUBE, BALL, relation='left') == told


def test_on_top_of_is_direct_and_not_told_over_a_third_thing():
    one = scene(thing('bowl', 'red'), thing('cube', 'red', on_top_of=0),
                thing('ball', 'red', on_top_of=1))
    bowl = Description(shape='bowl')
    assert answer(one, 'relation', CUBE, bowl, relation='on') == 'yes'
    assert answer(one, 'relation', bowl, CUBE, relation='on') == 'no'
    assert answer(one, 'relation', BALL, bowl, relation='on') is None
    assert answer(one, 'related_shape', CUBE, relation='on') == 'ball'
    assert answer(one, 'related_shape', BALL, relation='on') == 'nothing'


def test_nothing_is_asked_about_a_gripper_where_a_hand_holds_the_thing():
    held, kinds = replace(thing(), position=(0.0, 0.5, 0.5)), ('any', 'empty', 'what', 'color')
    assert {answer(scene(held), f'gripper_{kind}') for kind in kinds} == {None}
    assert answer(scene(held), 'gripper_seen') == 'no'
    tower = scene(replace(held, on_top_of=1), thing('cube', 'blue'))
    assert {answer(tower, f'gripper_{kind}') for kind in kinds} == {'none'}


def test_gripper_tray_and_edge():
    held, inside = thing('mug', 'white', held=True), thing('ball', 'gray', in_tray=True)
    one = scene(held, inside, thing('cube', at_edge=True), tray=True, gripper=True)
    assert answer(one, 'gripper_what') == 'mug'
    assert answer(one, 'gripper_color') == 'white'
    assert answer(one, 'tray_empty') == 'no'
    assert answer(one, 'tray_what') == 'ball'
    assert answer(one, 'edge_the', CUBE) == 'yes'
    assert answer(one, 'edge_the', BALL) == 'no'
    bare = scene(thing())
    assert answer(bare, 'tray_empty') == answer(bare, 'gripper_any') == 'none'
    assert answer(scene(thing(), tray=True), 'tray_what') == 'nothing'
