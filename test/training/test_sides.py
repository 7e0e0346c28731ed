import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.core.tokenizer import Tokenizer, words
from latent_vqa_ros.training.sides import answer_tells_side, mirrored, sides

WORDS = ('a', 'b', 'corner', 'is', 'it', 'left', 'leftmost', 'most', 'now', 'of', 'on', 'right',
         'side', 'the', 'top')
TOKENIZER = Tokenizer(WORDS, 16)


def told(ids, tokenizer=TOKENIZER):
    special = tokenizer.size - len(tokenizer.vocabulary)
    return ' '.join(tokenizer.vocabulary[i - special] for i in ids[1:] if i)


@pytest.mark.parametrize(('question', 'other'), [
    ('is a on the right of b right now', 'is a on the left of b right now'),
    ('is a left of b', 'is a right of b'), ('is it right of a left', 'is it left of a right'),
    ('is it a of b', 'is it a of b'), ('is a on the left side', 'is a on the right side'),
    ('is it right', 'is it right'), ('is it on top right corner', 'is it on top left corner'),
    ('is it right most', 'is it left most'), ('is it leftmost', None),
    ('is it leftmost of the right', None)])
def test_sides_change_places_and_what_cannot_be_asked_is_said(question, other):
    ids, can = mirrored([question], TOKENIZER)
    assert can.tolist() == [other is not None]
    if other is not None:
        assert told(ids[0].tolist()) == other


def test_a_side_whose_other_side_is_no_known_word_cannot_be_asked():
    tokenizer = Tokenizer(('is', 'it', 'left', 'of'), 8)
    assert mirrored(['is it left of it', 'is it'], tokenizer)[1].tolist() == [False, True]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(' '.join))
def test_nothing_but_sides_changes(text):
    ids, can = mirrored([text], TOKENIZER)
    found = list(zip(words(text), words(told(ids[0].tolist())), sides(text), strict=True))
    assert {(before, after) for before, after, side in found if side} <= {
        ('left', 'right'), ('right', 'left'), ('leftmost', 'leftmost')}
    assert all(before == after for before, after, side in found if not side)
    assert bool(can[0]) == ('leftmost' not in words(text))


@pytest.mark.parametrize(('answer', 'side'), [
    ('left', True), ('right', True), ('rightward', True), ('the left one', True), ('red', False)])
def test_an_answer_tells_a_side_with_its_words_alone(answer, side):
    assert answer_tells_side(answer) == side
