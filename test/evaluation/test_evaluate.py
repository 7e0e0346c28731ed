from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.manifest import EvidenceConfig, Manifest
from latent_vqa_ros.datasets.record import Phrase, Question, Record
from latent_vqa_ros.evaluation import evaluate


def record(*asked):
    return Record('x.png', 'train', tuple(Question(*each) for each in asked))


def test_the_blind_model_knows_the_question_but_not_the_picture():
    train = [record(('is it', 'yes', 'yn')), record(('is it', 'no', 'yn'), ('is it', 'no', 'yn')),
             record(('what', 'red', 'c'))]
    asked = [record(('is it', 'yes', 'yn'), ('is it not', 'yes', 'yn')),
             record(('which', 'red', 'c'), ('x', 'y', 'new group'))]
    assert evaluate.blind_answers(train, asked) == ['no', 'no', 'red', '']


def test_the_blind_model_hears_words_however_they_are_typed():
    train = [record(('is it red?', 'yes', 'yn'), ('is it blue?', 'no', 'yn'))]
    asked = [record(('Is it RED', '', 'yn'), ('is it, blue?', '', 'yn'))]
    assert evaluate.blind_answers(train, asked) == ['yes', 'no']


def test_the_blind_model_does_not_learn_by_heart_what_it_is_asked():
    own = [record((f'is it {i}', 'yes' if i % 3 else 'no', 'yn')) for i in range(60)]
    assert evaluate.blind_answers(own, own) == ['yes'] * 60
    assert evaluate.blind_answers(own, own[:6]) == ['yes'] * 6


def test_blind_floor_of_easy_vqa_is_the_known_one():
    pytest.importorskip('easy_vqa', reason='needs EasyVQA: pip install easy-vqa')
    from latent_vqa_ros import datasets
    from latent_vqa_ros.datasets.record import questions_of
    data = datasets.load('easy_vqa')
    asked = [question for _, question in questions_of(data.split('test'))]
    blind = evaluate.blind_answers(data.split('train'), data.split('test'))
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


GRID = 4, 8  # rows, columns
BOX = (0.5, 0.25, 0.25, 0.25)  # x, y, width, height: columns 4 and 5 of row 1


def looking(row, column, tokens=(3, 4)):
    """Attention (6 tokens, cells): these tokens at one cell, all others at the first."""
    attention = np.zeros((6, *GRID))
    for token in range(6):
        attention[(token, row, column) if token in tokens else (token, 0, 0)] = 1
    return attention.reshape(6, -1)


def test_a_phrase_points_at_a_thing_where_its_best_cell_overlaps_the_box():
    phrase = Phrase(2, 4, (0.6, 0.3), BOX)
    hits = {(row, column) for row in range(4) for column in range(8)
            if evaluate.points_at(looking(row, column), phrase, GRID)}
    assert hits == {(1, 4), (1, 5)}
    assert not evaluate.points_at(looking(1, 4, tokens=(2, 5)), phrase, GRID)


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_any_cell_that_holds_a_point_of_the_box_points_at_it(rows, columns, data):
    share = st.floats(0.001, 0.999)
    x, y = data.draw(share), data.draw(share)
    attention = np.zeros((2, rows * columns))
    attention[1, int(y * rows) * columns + int(x * columns)] = 1
    box = (max(0, x - 0.01), max(0, y - 0.01), 0.02, 0.02)
    assert evaluate.points_at(attention, Phrase(0, 1, (x, y), box), (rows, columns))


class Pointing:
    """A backend whose every word looks at one cell; it answers 'yes'."""

    def __init__(self, attention_n):
        self.attention_n = attention_n

    def encode(self, image_hwc):
        return image_hwc, 1.0

    def answer(self, features, tokens_t):
        looked = self.attention_n
        return (np.array([0.0, 4.0]),
                None if looked is None else np.broadcast_to(looked, (len(tokens_t), len(looked))))


MANIFEST = Manifest(
    name='x', version='1', license='MIT', preprocess=PreprocessConfig(), graphs={}, max_tokens=16,
    vocabulary=('is', 'it', 'red', 'what'), answers=('no', 'yes'),
    evidence=EvidenceConfig(GRID, ('red',)))


@pytest.fixture
def asked(tmp_path):
    cv2 = pytest.importorskip('cv2')
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((8, 8, 3), np.uint8))
    here, there = (Phrase(2, 3, (0.5, 0.5), box) for box in (BOX, (0, 0, 0.1, 0.1)))
    what = Phrase(0, 1, (0.5, 0.5), BOX, named=False)
    return [Record(tmp_path / 'a.png', 'test', (
        Question('is it red', 'yes', 'place', (here, there), 'yes'),
        Question('is it red', 'no', 'place', (here,), 'yes'),
        Question('is it red', 'no', 'place', (), 'no'), Question('what', 'yes', 'plain', (what,)),
        Question('what', 'yes', 'half', (), 'yes'), Question('what', 'yes', 'half')))]


def judge(backend, asked, manifest=MANIFEST):
    found = evaluate.predict(backend, manifest, asked)
    return evaluate.report(found, manifest, asked, asked, 'data', 'test')


def test_pointing_counts_the_phrases_that_name_a_thing(asked):
    document = judge(Pointing(looking(1, 5)[3]), asked)
    assert document['pointing'] == {'n': 3, 'accuracy': pytest.approx(2 / 3)}
    assert 'looked at what is named: 66.67% of 3 phrases' in evaluate.table(document)


def test_things_that_a_crop_cuts_off_are_not_looked_for(asked):
    wide = [replace(record, aspect=4.0) for record in asked]  # the corner lies outside
    manifest = replace(MANIFEST, preprocess=PreprocessConfig(resize='center_crop'))
    found = evaluate.predict(Pointing(looking(1, 5)[3]), manifest, wide)
    assert len(found.pointed) == 2
    manifest = replace(MANIFEST, preprocess=PreprocessConfig(resize='letterbox'))
    assert len(evaluate.predict(Pointing(looking(1, 5)[3]), manifest, wide).pointed) == 3


def test_no_answer_is_right_where_the_bundle_does_not_have_the_true_one(asked):
    records = [replace(asked[0], questions=(Question('what', 'teal', 'x'),) * 2)]
    for answers in (('no', 'yes'), ('yes', 'no')):
        found = evaluate.predict(Pointing(None), replace(MANIFEST, answers=answers), records)
        assert found.truth.tolist() == [-1, -1]
        assert not found.right.any()


@pytest.mark.parametrize('truth', ['Yes', 'yes.', ' YES '])
def test_an_answer_is_right_however_the_truth_is_typed(asked, truth):
    records = [replace(asked[0], questions=(Question('what', truth, 'x'),))]
    assert evaluate.predict(Pointing(None), MANIFEST, records).right.all()


def test_floors_compare_answers_however_they_are_typed(asked):
    loud = [replace(record, questions=tuple(replace(
        question, answer=f'{question.answer.upper()}.') for question in record.questions))
        for record in asked]
    found = evaluate.predict(Pointing(None), MANIFEST, asked)
    others = [replace(record) for record in asked]  # those that are asked teach nothing
    plain, typed, learned = (evaluate.report(found, MANIFEST, told, train, 'data', 'test')
                             for told, train in ((asked, others), (loud, others), (asked, loud)))
    assert plain['blind_accuracy'] == typed['blind_accuracy'] == learned['blind_accuracy'] > 0
    assert typed['groups']['place']['shortcut'] == plain['groups']['place']['shortcut'] > 0


@pytest.mark.parametrize('looked', [None, looking(1, 5)[3]])
def test_no_pointing_where_the_bundle_promises_none(asked, looked):
    manifest = MANIFEST if looked is None else replace(MANIFEST, evidence=None)
    document = judge(Pointing(looked), asked, manifest)
    assert 'pointing' not in document
    assert 'looked' not in evaluate.table(document)


def test_the_shortcut_stands_beside_groups_that_all_have_one(asked):
    document = judge(Pointing(None), asked)
    groups = document['groups']
    assert groups['place']['shortcut'] == pytest.approx(2 / 3)
    assert all('shortcut' not in groups[name] for name in ('plain', 'half'))
    head, *lines = evaluate.table(document).splitlines()
    assert head.split()[-1] == 'shortcut'
    cells = {line.split()[0]: line.split() for line in lines[:4]}
    assert cells['place'][-1] == '66.67%'
    assert [len(cells[name]) for name in ('place', 'plain', 'half', 'all')] == [5, 4, 4, 4]


def test_no_shortcut_column_where_no_group_has_one(asked):
    bare = [replace(asked[0], questions=asked[0].questions[3:4])]
    assert 'shortcut' not in evaluate.table(judge(Pointing(None), bare))


def test_the_surest_nine_of_ten_leave_out_the_least_sure_answers():
    truth = np.array([1] * 18 + [0] * 2)
    logits = np.stack([np.zeros(20), np.linspace(20, 1, 20)], axis=1)  # the last two are wrong
    records = [record(*(('is it', 'yes' if t else 'no', 'yn') for t in truth))]
    found = evaluate.Predictions(logits, truth, ('yn',) * 20, np.zeros(1), np.zeros(0, bool))
    document = evaluate.report(found, MANIFEST, records, records, 'data', 'test')
    assert document['accuracy'] == 0.9
    assert document['accuracy_surest_90'] == 1
    assert document['confident'] == {'share': 0.9, 'accuracy': 1}
    turned = replace(found, logits=logits[::-1])  # now the wrong ones are the surest
    turned = evaluate.report(turned, MANIFEST, records, records, 'data', 'test')
    assert turned['accuracy_surest_90'] == pytest.approx(16 / 18)
    assert turned['confident'] == {'share': 0.9, 'accuracy': pytest.approx(16 / 18)}
    table = evaluate.table(document)
    assert 'the surest 90 % of the answers: 100.00% right' in table
    assert 'confidence 0.9 and above: 90.0% of the answers, 100.00% of them right; 0.0%' in table


THREE = replace(MANIFEST, answers=('no', 'red', 'yes'), temperature=2.0, min_confidence=0.6,
                max_distance=3.0)


def three():
    """Five questions: two "yes" answered "red", "red" answered "no", one right, one unknown."""
    truth = np.array([2, 2, 1, 0, -1])
    given = [1, 1, 0, 0, 2]
    logits = np.zeros((5, 3))
    logits[np.arange(5), given] = [1, 2, 3, 4, 5]
    records = [record(*((f'is it {i}', answer, 'g') for i, answer in
                        enumerate(('yes', 'yes', 'red', 'no', 'teal'))))]
    found = evaluate.Predictions(logits, truth, ('g',) * 5, np.array([1.0, 2.0, 3.0, 3.5]),
                                 np.zeros(0, bool))
    return found, evaluate.report(found, THREE, records, records, 'data', 'test')


def test_the_confusion_names_the_truth_first_and_then_the_answer_given():
    assert three()[1]['confusion'] == {
        '(not in the bank)': {'yes': 1}, 'red': {'no': 1}, 'yes': {'red': 2}}


def test_unfamiliar_is_the_share_of_pictures_beyond_the_limit():
    found, document = three()
    assert document['unfamiliar'] == 0.25
    records = [record(*(('is it', 'yes', 'g'),) * 5)]
    without = replace(THREE, max_distance=None)
    assert evaluate.report(found, without, records, records, 'd', 't')['unfamiliar'] == 0


def test_answered_are_those_that_the_node_would_publish():
    """Confidence after the temperature, from min_confidence on: two logits of 0 beside each."""
    found, document = three()
    confidence = [np.exp(x / 2) / (np.exp(x / 2) + 2) for x in (1, 2, 3, 4, 5)]
    sure = [c >= 0.6 for c in confidence]
    assert document['answered'] == np.mean(sure) == 0.6
    assert document['accuracy_answered'] == pytest.approx(1 / 3)
    assert document['accuracy'] == pytest.approx(0.2)
    assert document['ece'] == pytest.approx(evaluate.calibration_error(
        evaluate.softmax(found.logits, 2.0), found.right))
    assert document['ece'] != document['ece_uncalibrated']


def test_reliability_tells_accuracy_and_confidence_before_and_after_the_temperature():
    found, _ = three()
    curves = evaluate.reliability(found, THREE)
    for name, temperature in (('before', 1.0), ('after', 2.0)):
        top = evaluate.softmax(found.logits, temperature).max(axis=1)
        rows = curves[name]
        assert sum(row['n'] for row in rows) == 5
        assert sum(row['n'] * row['confidence'] for row in rows) == pytest.approx(top.sum())
        assert sum(row['n'] * row['accuracy'] for row in rows) == pytest.approx(1)
        assert [row['confidence'] for row in rows] == sorted(row['confidence'] for row in rows)


def test_confidences_are_compared_within_fifteen_equal_bins_the_last_one_with_certainty():
    def gap(*answers):
        p = np.array([[confidence, 1 - confidence] for confidence, _ in answers])
        return evaluate.calibration_error(p, np.array([right for _, right in answers]))

    assert gap((0.95, True), (1.0, False)) == pytest.approx(abs(0.5 - 0.975))  # one bin
    assert gap((0.9, False), (0.95, True)) == pytest.approx((0.9 + 0.05) / 2)  # two bins
    assert gap((0.94, True), (0.94, False), (0.6, True)) == pytest.approx(
        (2 * 0.44 + 0.4) / 3)  # each bin by its share


def test_each_bin_of_the_reliability_has_the_accuracy_of_its_own_answers():
    logits = np.log([[0.95, 0.05], [0.96, 0.04], [0.7, 0.3]])
    found = evaluate.Predictions(logits, np.array([0, 0, 1]), ('g',) * 3, np.zeros(1),
                                 np.zeros(0, bool))
    rows = evaluate.reliability(found, replace(MANIFEST, temperature=1.0))['after']
    assert [(row['n'], row['accuracy']) for row in rows] == [(1, 0.0), (2, 1.0)]
    assert [row['confidence'] for row in rows] == pytest.approx([0.7, 0.955])


def test_each_group_has_its_own_count_accuracy_and_floor():
    asked = [('is it', 'yes', 'a'), ('is it', 'yes', 'b'), ('is it', 'no', 'b'),
             ('is it', 'no', 'b'), ('is it', 'no', 'c'), ('is it', 'no', 'c')]
    records = [record(*asked)]
    truth = np.array([1, 1, 0, 0, 0, 0])  # no, yes
    logits = np.eye(2)[[1, 0, 0, 0, 0, 1]]
    found = evaluate.Predictions(logits, truth, tuple('abbbcc'), np.zeros(1), np.zeros(0, bool))
    document = evaluate.report(found, MANIFEST, records, [record(*asked)], 'data', 'test')
    assert document['n'] == 6
    assert {name: (group['n'], group['accuracy'], group['blind'])
            for name, group in document['groups'].items()} == {
        'a': (1, 1.0, 0.0), 'b': (3, pytest.approx(2 / 3), pytest.approx(2 / 3)),
        'c': (2, 0.5, 1.0)}
