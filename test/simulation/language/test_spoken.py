import random
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from helpers import simulation_oracle, spoken_oracle
from helpers.simulation_scenes import random_scene, untold_scene
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.datasets import record
from latent_vqa_ros.evaluation.evaluate import blind_answers
from latent_vqa_ros.simulation.language import questions, spoken
from latent_vqa_ros.simulation.language.balance import SHARES, SLACK, Tally
from latent_vqa_ros.simulation.language.grammar import LIKE_HELD_OUT, MAX_WORDS, say
from latent_vqa_ros.simulation.language.meaning import Description, Meaning
from latent_vqa_ros.simulation.language.questions import ask
from latent_vqa_ros.simulation.language.spoken_truth import TRUTHS
from latent_vqa_ros.simulation.language.spoken_wording import SPOKEN
from latent_vqa_ros.simulation.language.wording import HELD_OUT, TRAIN

SCENES, LIMIT = 1200, 8
# Highest blind floor of a group: what was measured, and a margin of 0.06 or more for the chance of
# other scenes. The shares of balance.py hold the answers of one kind down, not those of a group.
FLOORS = {'spoken_attribute': 0.2, 'spoken_beside': 0.28, 'spoken_count': 0.3,
          'spoken_existence': 0.56, 'spoken_gripper': 0.38, 'spoken_number': 0.58,
          'spoken_seen': 0.33, 'spoken_several': 0.36, 'spoken_side': 0.29, 'spoken_table': 0.37,
          'spoken_tray': 0.43, 'spoken_two': 0.46, 'spoken_verify': 0.45, 'spoken_what': 0.24}
# Of what is beside a thing they ask only where it is certain of all that is, of whatever kind.
WARY = ('related_a', 'related_number', 'beside_color')
seeds = st.integers(0, 2**32)
made = st.sampled_from((random_scene, untold_scene))
CUBE, BALL, RED = Description(shape='cube'), Description(shape='ball'), Description(color='red')


def rng(seed=0):
    return np.random.default_rng(seed)


def possible_answers(one, meaning):
    oracle = spoken_oracle if meaning.kind in TRUTHS else simulation_oracle
    return oracle.possible_answers(one, meaning)


def outcome_of(one, meaning, asked_so=True):
    found = (spoken if asked_so else questions).outcome(one, meaning)
    return None if found is None else found.answer


@pytest.fixture(scope='module')
def data():
    """Return random scenes and the questions about them, one tally over all."""
    tally = Tally()
    scenes = [(random_scene, untold_scene)[seed % 2](seed) for seed in range(SCENES)]
    return scenes, [ask(one, rng(one.seed), LIMIT, SPOKEN, tally) for one in scenes]


def all_of(data):
    return [question for asked in data[1] for question in asked]


@settings(max_examples=40, deadline=None)
@given(seeds, made)
def test_every_answer_is_the_only_one_in_all_worlds_that_look_alike(seed, make):
    one = make(seed)
    for question in ask(one, rng(seed), limit=25, wordings=SPOKEN):
        assert possible_answers(one, question.meaning) == {question.answer}, question


@settings(max_examples=8, deadline=None)
@given(seeds)
def test_what_is_left_out_is_uncertain_and_little_else_is(seed):
    one, chooser = random_scene(seed), random.Random(seed)
    told_all = all(each.counts for each in one.things)
    for kind in TRUTHS:
        for meaning in spoken.propose(one, kind, chooser)[:12]:
            told, possible = outcome_of(one, meaning), possible_answers(one, meaning)
            assert told is None or possible == {told}, meaning
            if told is None and told_all and kind not in WARY:
                assert len(possible) > 1 or 'ill-formed' in possible, meaning


def fits(said, one):
    return all(value in ('', getattr(one, name)) for name, value in said._asdict().items())


def test_phrases_are_spans_that_mean_one_thing_that_is_seen(data):
    named = Counter()
    for one, asked in zip(*data, strict=True):
        for question in asked:
            for phrase in question.phrases:
                assert words(question.text)[phrase.start:phrase.stop] == words(phrase.text)
                assert phrase.start < phrase.stop
                assert one.things[phrase.thing].counts
                named[phrase.named] += 1
                if phrase.named:
                    assert any(fits(said, one.things[phrase.thing])
                               and sum(fits(said, other) for other in one.things) == 1
                               for said in question.meaning.about), question
    assert min(named[True], named[False]) > SCENES / 10


@pytest.mark.parametrize(('kind', 'about', 'template', 'phrases'), [
    ('what_is', RED, 'what {thing} is {is0}', [('target', 1, 2), ('0', 3, 4)]),
    ('what_is', RED, 'which {things} are {adj0}', [('0', 3, 4)]),
    ('exists', RED, 'is anything {is0}', [('0', 2, 3)]),
    ('exists', CUBE, 'is anything {is0}', [('0', 3, 4)]),  # after its article
    ('what_is', RED, 'what {n0} do you see', [('0', 1, 3)]),
    ('both', CUBE, 'is there {a0} and {a1}', [('0', 3, 4), ('1', 6, 7)])])
def test_phrases_are_where_their_words_are(kind, about, template, phrases):
    meaning = Meaning(kind, (about, BALL))
    text, spans = next((text, spans) for text, spans in (
        say(meaning, random.Random(seed), {kind: (template,)}) for seed in range(99))
        if words(text)[0] == template.split()[0])  # without courtesy before it
    assert [(span.of, span.start, span.stop) for span in spans] == phrases
    assert all(words(text)[span.start:span.stop] == words(span.text) for span in spans)


@given(seeds, made)
@settings(max_examples=15, deadline=None)
def test_questions_are_a_function_of_scene_and_seed(seed, make):
    one = make(seed)
    found = ask(one, rng(seed), LIMIT, SPOKEN)
    assert found == ask(one, rng(seed), LIMIT, SPOKEN)
    assert 0 < len(found) <= LIMIT


def test_no_meaning_is_asked_twice_about_a_scene(data):
    assert len(all_of(data)) > 0.9 * SCENES * LIMIT
    for asked in data[1]:
        assert len({question.meaning for question in asked}) == len(asked)


class Fixed(random.Random):
    """Chooses always the same synonym, and no courtesy."""

    which = 0

    def random(self):
        return 0.99

    def choice(self, each):
        return each[self.which % max(1, len(each))]


def texts(scenes):
    """Yield what every wording makes of some meanings, old ones and new ones: (text, meaning)."""
    some = (Description(), RED, CUBE, Description('small', 'red', 'cube'))
    for wordings, asks in ((SPOKEN, spoken), (TRAIN, questions), (HELD_OUT, questions)):
        for kind, templates in wordings.items():
            found = [meaning for one in scenes
                     for meaning in asks.propose(one, kind, random.Random(0))]
            shown = {(meaning.relation, meaning.value): meaning for meaning in found}
            meanings = [meaning._replace(about=(said, BALL)[:len(meaning.about)])
                        for meaning in list(shown.values())[:3] for said in some]
            for template in templates:
                for Fixed.which in range(3):
                    yield from ((text, meaning, asks is spoken) for meaning in meanings
                                if (text := _said(meaning, Fixed(0), template)))


def test_two_meanings_of_a_text_never_have_different_answers():
    scenes = [make(seed) for seed in range(30) for make in (random_scene, untold_scene)]
    meanings = defaultdict(set)
    for text, *meaning in texts(scenes[:4]):
        meanings[text].add(tuple(meaning))
    shared = {text: found for text, found in meanings.items()
              if len({meaning for meaning, _ in found}) > 1}
    assert len(meanings) > 5000
    assert shared  # "is there any thing" asks for a thing, and for anything
    wrong = {}
    for text, found in shared.items():
        for one in scenes:
            told = {outcome_of(one, *each) for each in found} - {None}
            if len(told) > 1:
                wrong[text] = found, told
    assert wrong == {}


def test_questions_fit_24_tokens(data):
    assert MAX_WORDS + 1 == 24
    assert max(len(words(question.text)) for question in all_of(data)) <= MAX_WORDS


def test_every_kind_has_a_truth_and_wordings_and_no_other_has():
    assert set(SPOKEN) == set(spoken.WEIGHTS)
    assert set(TRUTHS) | set(spoken.RESTATED) == set(spoken.WEIGHTS)
    assert not set(TRUTHS) & set(spoken.RESTATED)
    assert set(spoken.RESTATED) <= set(questions.WEIGHTS)
    assert set(spoken.DEFINITE) <= set(spoken.WEIGHTS)
    assert {kind: len(set(each)) for kind, each in SPOKEN.items()} == {
        kind: len(each) for kind, each in SPOKEN.items()}


def test_every_wording_can_be_said_but_those_that_look_held_out():
    unsaid = set()
    for kind, templates in SPOKEN.items():
        chooser, meanings = random.Random(0), []
        for seed in range(20):
            meanings += spoken.propose(random_scene(seed), kind, chooser)
        for template in templates:
            said = [text for meaning in chooser.sample(meanings, min(len(meanings), 200))
                    if (text := _said(meaning, chooser, template))]
            assert said, template
            for text in said:
                assert not set('{}') & set(text)
                assert '  ' not in text, text
            if all(map(LIKE_HELD_OUT.search, map(str.lower, said))):
                unsaid.add((kind, template))
        assert set(templates) - {template for of, template in unsaid if of == kind}
    assert len(unsaid) == 13, unsaid


def _said(meaning, chooser, template):
    try:
        return say(meaning, chooser, {meaning.kind: (template,)})[0]
    except IndexError:  # no wording is left: "is a cube" cannot be said of what is just red
        return ''


@pytest.mark.parametrize('kind', sorted(spoken.WEIGHTS))
def test_every_meaning_has_a_wording(kind):
    chooser = random.Random(0)
    meanings = [meaning for seed in range(30)
                for meaning in spoken.propose(untold_scene(seed), kind, chooser)[:10]]
    assert meanings
    assert all(say(meaning, chooser, SPOKEN)[0] for meaning in meanings)


def test_every_kind_and_group_is_asked(data):
    groups = Counter(question.group for question in all_of(data))
    assert set(groups) == set(FLOORS) == {spoken.group_of(kind) for kind in spoken.WEIGHTS}
    assert min(groups.values()) >= SCENES / 20, groups
    assert {question.meaning.kind for question in all_of(data)} == set(spoken.WEIGHTS)


def test_no_answer_to_a_kind_exceeds_its_share(data):
    found = defaultdict(Counter)
    for question in all_of(data):
        if question.meaning.kind in TRUTHS:
            found[question.meaning.kind, question.meaning.relation][question.answer] += 1
    over = {kind: answers for kind, answers in found.items()
            if max(answers.values()) > SHARES.get(kind[0], 0.5) * answers.total() + SLACK}
    assert {kind for kind, _ in found} == set(TRUTHS)
    assert over == {}


def test_a_guesser_without_a_picture_gains_little(data):
    records = [record.Record(Path('x.png'), 'train', tuple(
        record.Question(question.text, question.answer, question.group) for question in asked))
        for asked in data[1]]
    half = SCENES // 2
    asked = [question for each in records[half:] for question in each.questions]
    hits = defaultdict(list)
    for guess, question in zip(blind_answers(records[:half], records[half:]), asked, strict=True):
        hits[question.group].append(guess == question.answer)
    floors = {group: float(np.mean(each)) for group, each in hits.items()}
    assert set(floors) == set(FLOORS)
    assert {g: (f, FLOORS[g]) for g, f in floors.items() if f > FLOORS[g]} == {}


@pytest.mark.parametrize('wordings', [TRAIN, HELD_OUT])
def test_who_does_not_ask_so_is_asked_as_before(wordings):
    asked = [question for seed in range(60) for question in ask(
        random_scene(seed), rng(seed), wordings=wordings, tally=Tally())]
    assert {question.meaning.kind for question in asked} <= set(questions.WEIGHTS)
    assert not {question.meaning.kind for question in asked} & set(TRUTHS)
    assert not [question for question in asked if question.group.startswith('spoken')]


def test_no_wording_that_training_never_sees_is_spoken(data):
    held = {' '.join(words(question.text)) for seed in range(400)
            for question in ask(random_scene(seed), rng(seed), 20, HELD_OUT)}
    assert len(held) > 3000
    assert {q.text for asked in data[1] for q in asked if ' '.join(words(q.text)) in held} == set()
