"""Unknown is never no, and a condition changes only after enough equal results in a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.conditions import Hysteresis, verdict
from latent_vqa_ros.core.statuses import Status

RESULTS = st.sampled_from([True, False, None])


@pytest.mark.parametrize(('answer', 'expected', 'holds'), [
    ('yes', ('yes',), True), ('no', ('yes',), False), ('red', ('blue', 'red'), True),
    ('yes', ('Yes ',), True), ('none', (), False), ('yes', ('yes please',), False),
])
def test_an_answer_is_compared_as_a_whole_word(answer, expected, holds):
    assert verdict(Detail(Status.OK, 'is it?', answer=answer), expected) is holds


@pytest.mark.parametrize('status', [status for status in Status if status is not Status.OK])
def test_a_question_without_an_answer_is_unknown_whatever_was_guessed(status):
    assert verdict(Detail(status, 'is it?', answer='yes'), ('yes',)) is None


@given(st.lists(RESULTS, max_size=40), st.integers(1, 5))
def test_the_state_is_the_last_result_that_came_often_enough_in_a_row(results, hold):
    holds = Hysteresis()
    states = [holds.feed(result, hold) for result in results]
    for index, state in enumerate(states):
        before = states[index - 1] if index else None
        run = results[max(0, index + 1 - hold):index + 1]
        enough = len(run) == hold and len(set(run)) == 1
        assert state is (run[0] if enough else before)
