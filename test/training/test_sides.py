import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.core.tokenizer import Tokenizer, words
from latent_vqa_ros.training.sides import (
    answer_tells_side,
    may_tell_what_remains,
    mirrored,
    sides,
)

WORDS = ('a', 'b', 'corner', 'is', 'it', 'left', 'leftmost', 'leftward', 'now', 'of', 'on', 'or',
         'right', 'rightmost', 'side', 'the', 'top')
TOKENIZER = Tokenizer(WORDS, 16)


def told(ids, tokenizer=TOKENIZER):
    special = tokenizer.size - len(tokenizer.vocabulary)
    return ' '.join(tokenizer.vocabulary[i - special] for i in ids[1:] if i)


def turned(text, tokenizer=TOKENIZER):
    return mirrored([text], tokenizer.encode_batch([text]), tokenizer)


@pytest.mark.parametrize(('question', 'other'), [
    ('is a on the right of b right now', 'is a on the left of b right now'),
    ('Is A LEFT of b', 'is a right of b'), ('is it right of a left', 'is it left of a right'),
    ('is it a of b', 'is it a of b'), ('is a on the left side', 'is a on the right side'),
    ('is it right', 'is it left'), ('is it left or right', 'is it right or left'),
    ('is it on top right corner', 'is it on top left corner'),
    ('is it right on top of it', 'is it right on top of it'),
    ('is it leftmost', 'is it rightmost'), ('is it leftward', None),
    ('is it leftward of the right', None)])
def test_sides_change_places_and_what_cannot_be_asked_is_said(question, other):
    ids, can = turned(question)
    assert can.tolist() == [other is not None]
    if other is not None:
        assert told(ids[0].tolist()) == other


@pytest.mark.parametrize(('question', 'can'), [
    ('how many things are left', False), ('is anything left', False),
    ('are there any things left on it', False), ('how many are left in it', False),
    ('what is left in the tray', False), ('is there a cube left', False),
    ('which things are left now', False), ('is no cube left', False),
    ('how many things are left of it', True), ('is anything on the left', True),
    ('is something left or right of it', True), ('how many left hands are there', True)])
def test_what_may_ask_for_the_rest_is_not_asked_of_the_mirrored_picture(question, can):
    tokenizer = Tokenizer(tuple(sorted({*WORDS, *words(question)})), 16)
    assert turned(question, tokenizer)[1].tolist() == [can]


def test_a_side_whose_other_side_is_no_known_word_cannot_be_asked():
    tokenizer = Tokenizer(('is', 'it', 'left', 'of'), 8)
    assert not turned('is it left of it', tokenizer)[1].any()
    assert turned('is it', tokenizer)[1].all()


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(' '.join))
def test_nothing_but_sides_changes(text):
    ids, can = turned(text)
    found = list(zip(words(text), words(told(ids[0].tolist())), sides(text), strict=True))
    assert {(before, after) for before, after, side in found if side} <= {
        ('left', 'right'), ('right', 'left'), ('leftmost', 'rightmost'),
        ('rightmost', 'leftmost'), ('leftward', 'leftward')}
    assert all(before == after for before, after, side in found if not side)
    assert bool(can[0]) == ('leftward' not in words(text) and not may_tell_what_remains(text))


@pytest.mark.parametrize(('answer', 'side'), [
    ('left', True), ('right', True), ('rightward', True), ('the left one', True), ('red', False)])
def test_an_answer_tells_a_side_with_its_words_alone(answer, side):
    assert answer_tells_side(answer) == side
