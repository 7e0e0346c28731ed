import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.datasets.record import Question, Record
from latent_vqa_ros.training import evaluate


def record(*asked):
    return Record('x.png', 'train', tuple(Question(*each) for each in asked))


def test_the_blind_model_knows_the_question_but_not_the_picture():
    train = [record(('is it', 'yes', 'yn')), record(('is it', 'no', 'yn'), ('is it', 'no', 'yn')),
             record(('what', 'red', 'c'))]
    asked = [Question('is it', 'yes', 'yn'), Question('is it not', 'yes', 'yn'),
             Question('which', 'red', 'c'), Question('x', 'y', 'new group')]
    assert evaluate.blind_answers(train, asked) == ['no', 'no', 'red', '']


def test_blind_floor_of_easy_vqa_is_the_known_one():
    pytest.importorskip('easy_vqa', reason='needs EasyVQA: pip install easy-vqa')
    from latent_vqa_ros import datasets
    from latent_vqa_ros.datasets.record import questions_of
    data = datasets.load('easy_vqa')
    asked = [question for _, question in questions_of(data.split('test'))]
    blind = evaluate.blind_answers(data.split('train'), asked)
    share = np.mean([a == q.answer for a, q in zip(blind, asked, strict=True)])
    assert share == pytest.approx(0.670, abs=0.002)


def test_calibration_error_is_the_gap_between_confidence_and_truth():
    p = np.array([[0.9, 0.1]] * 10)
    assert evaluate.calibration_error(p, np.array([True] * 9 + [False])) == pytest.approx(0)
    assert evaluate.calibration_error(p, np.array([False] * 10)) == pytest.approx(0.9)


@given(st.integers(2, 5), st.integers(1, 60), st.integers(0, 99))
def test_calibration_error_is_a_share(answers, n, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(answers), n)
    assert 0 <= evaluate.calibration_error(p, rng.random(n) < 0.5) <= 1


def test_disagreement_is_told_per_group():
    def run(*answers):
        return evaluate.Predictions(np.eye(3)[list(answers)], np.zeros(4, int),
                                    ('a', 'a', 'b', 'b'), np.zeros(4),
                                    np.zeros(0, bool))
    assert evaluate.disagreement(run(0, 1, 2, 0), run(0, 2, 2, 0)) == {
        'a': 0.5, 'b': 0.0, 'all': 0.25}
