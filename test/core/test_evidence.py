import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from latent_vqa_ros.core.evidence import LEAST_PEAK, find, place, runs

NOUNS = frozenset({'small', 'red', 'blue', 'cubes', 'ball'})


@pytest.mark.parametrize(('question', 'phrases'), [
    ('are the small red cubes left of the blue ball', ['small red cubes', 'blue ball']),
    ('red', ['red']), ('red cubes', ['red cubes']), ('is it left of the', []), ('', []),
    ('red is the ball', ['red', 'ball'])])
def test_a_phrase_is_a_longest_run_of_words_that_name_things(question, phrases):
    words = question.split()
    assert [' '.join(words[a:b]) for a, b in runs(words, NOUNS)] == phrases


def test_the_rows_of_a_phrase_are_those_of_its_words_after_the_first_token():
    attention_tn = np.full((6, 12), 0.01)
    for token, cell in enumerate((0, 1, 5, 5, 2, 11)):
        attention_tn[token, cell] = 0.9
    words = ['the', 'red', 'cubes', 'or', 'ball']
    assert find(words, attention_tn, NOUNS, (3, 4)) == [
        ('red cubes', (1, 1, 1, 1)), ('ball', (3, 2, 1, 1))]


def test_the_words_of_a_phrase_count_alike():
    attention_tn = np.zeros((3, 4))
    attention_tn[1] = 0.6, 0.4, 0, 0
    attention_tn[2] = 0, 0, 0, 1  # the mean is 0.3, 0.2, 0, 0.5
    assert find(['red', 'ball'], attention_tn, NOUNS, (1, 4)) == [('red ball', (3, 0, 1, 1))]
    attention_tn[1:] = 0.9 * LEAST_PEAK
    assert find(['red', 'ball'], attention_tn, NOUNS, (1, 4)) == []


def test_a_place_is_all_that_hangs_together_with_half_of_the_peak():
    attention_rc = np.array([
        [.00, .00, .00, .00, .48],
        [.00, .44, .80, .00, .00],
        [.00, .00, .40, .39, .00],
        [.00, .00, .00, .40, .00]])  # .48 and the last .40 touch nothing by a side
    assert place(attention_rc) == (1, 1, 2, 2)


@pytest.mark.parametrize('attention_n', [
    np.full(144, 1 / 144), np.full(144, np.nan), np.r_[0.99 * LEAST_PEAK, np.zeros(143)],
    np.zeros(144, np.float32)])
def test_spread_attention_has_no_place(attention_n):
    assert place(attention_n.reshape(12, 12)) is None


def test_a_phrase_without_a_place_is_left_out_and_the_others_stay():
    attention_tn = np.full((4, 144), 1 / 144)
    attention_tn[3, 13] = 0.5
    assert find(['red', 'or', 'ball'], attention_tn, NOUNS, (12, 12)) == [('ball', (1, 1, 1, 1))]


@given(arrays(np.float32, (5, 7), elements=st.floats(0, 1, width=32)))
def test_a_place_holds_the_peak_and_lies_in_the_grid(attention_rc):
    box = place(attention_rc)
    if box is None:
        assert attention_rc.max() < LEAST_PEAK
        return
    x, y, width, height = box
    assert 0 <= x < x + width <= 7
    assert 0 <= y < y + height <= 5
    assert attention_rc[y:y + height, x:x + width].max() == attention_rc.max()
