"""Answers over time: what is counted, and how many frames an answer needs to follow."""

import json

import cv2
import numpy as np
import pytest
from helpers.truth_bag import RATE, START_NS, STORY, Oracle, write_bag

from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.evaluation import timeline
from latent_vqa_ros.evaluation.timeline_plot import draw_timeline
from latent_vqa_ros.simulation.language.episode_questions import worded
from latent_vqa_ros.simulation.language.meaning import Meaning

HOLDING = 'is the gripper holding anything?'


def evaluate_bag(*args, **more):
    return timeline.report(timeline.follow(*args, **more))


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return write_bag(tmp_path_factory.mktemp('truth') / 'bag')


def row(truth, answers, question='q'):
    """Return a row of letters, one per frame; '.' is not certain, or no answer."""
    details = tuple(Detail(Status.OK if a != '.' else Status.BAD_IMAGE, question,
                           answer=None if a == '.' else a) for a in answers)
    return timeline.Row(question, tuple(None if t == '.' else t for t in truth), details)


def test_the_truth_itself_is_always_right_and_at_once(bag):
    document = evaluate_bag(Oracle(bag), bag)
    assert document['model'] == 'oracle'
    assert document['data'] == str(bag)
    assert document['accuracy'] == 1.0
    assert document['events']['n'] > 5
    assert document['events']['followed_within_2'] == 1.0
    assert document['events']['worst_frames'] == 0
    assert 0.3 < document['blind_accuracy'] < 0.8
    assert all(group['accuracy'] == 1.0 for group in document['groups'].values())
    assert sum(group['n'] for group in document['groups'].values()) == document['n']


@pytest.mark.parametrize('late', [1, 2, 3])
def test_a_late_answer_is_late_by_so_many_frames(bag, late):
    document = evaluate_bag(Oracle(bag, late), bag)
    told = document['events']
    assert {event['frames'] for event in told['list']} == {late}
    assert told['worst_frames'] == late
    assert told['followed_within_2'] == (1.0 if late <= 2 else 0.0)
    assert told['never'] == 0
    assert document['accuracy'] < 1.0


def test_ambiguous_frames_are_not_counted(bag):
    document = evaluate_bag(Oracle(bag), bag, rate=RATE)
    assert document['frames'] == len(STORY)
    assert document['ambiguous_frames'] == STORY.count('?')
    assert document['groups'][HOLDING]['n'] == len(STORY) - STORY.count('?')


def test_events_are_told_with_their_time(bag):
    told = evaluate_bag(Oracle(bag), bag, rate=RATE)['events']['list']
    holding = [(e['before'], e['after'], e['time_s']) for e in told if e['question'] == HOLDING]
    assert holding == [('no', 'yes', pytest.approx(STORY.index('held') / RATE)),
                       ('yes', 'no', pytest.approx(STORY.index('tray') / RATE))]


@pytest.mark.parametrize(('truth', 'answers', 'delays'), [
    ('aaabbb', 'aaabbb', [0]),
    ('aaabbb', 'aaaabb', [1]),
    ('aaabbb', 'aaaaab', [2]),
    ('aaabbb', 'aaaaaa', [None]),
    ('aaabbb', 'aaa..b', [2]),         # no answer is a wrong one
    ('aaa..bbb', 'aaaaaabb', [1]),     # what is not certain does not count
    ('aaa..aaa', 'bbbbbbbb', []),      # the same truth again is no event
    ('aaabbaaa', 'aaaaaaaa', []),      # two frames of b leave no time to follow, nor to return
    ('aaabbccc', 'aaaaaacc', [1]),
    ('aabbb', 'aabbb', [0]),           # what is true at first counts, however soon it ends
    ('......', 'aaaaaa', []),
])
def test_delays_are_counted_in_certain_frames(truth, answers, delays):
    assert [event.frames for event in timeline.events(row(truth, answers))] == delays


def test_what_is_never_followed_is_as_slow_as_its_truth_lasts():
    line = timeline.Timeline('m', 'd', 5, tuple(i / 5 for i in range(8)), 0,
                             (row('aaabbbbb', 'aaaaaaaa', 'p'), row('aaaabbbb', 'aaaaabbb')))
    told = timeline.report(line)['events']
    assert (told['n'], told['never'], told['worst_frames']) == (2, 1, 5)
    assert told['followed_within_2'] == 0.5


def test_the_blind_floor_is_the_most_frequent_truth():
    line = timeline.Timeline('m', 'd', 5, tuple(i / 5 for i in range(8)), 0,
                             (row('aaab....', 'aaaaaaaa', 'p'), row('aabbbbbb', '........')))
    document = timeline.report(line)
    assert [group['blind'] for group in document['groups'].values()] == [0.75, 0.75]
    assert document['n'] == 12
    assert document['blind_accuracy'] == pytest.approx((3 + 6) / 12)
    assert document['accuracy'] == pytest.approx(3 / 12)
    assert document['answered'] == pytest.approx(4 / 12)
    assert document['accuracy_answered'] == pytest.approx(3 / 4)
    assert document['statuses'] == {'ok': 4, 'bad_image': 8}


@pytest.mark.parametrize(('rate', 'expected'), [
    (5, list(range(0, 30, 2))), (10, list(range(30))), (100, list(range(30))),
    (2.5, list(range(0, 30, 4))), (1, [0, 10, 20])])
def test_frames_are_taken_at_the_rate(rate, expected):
    stamps = [START_NS + i * 10**8 - (i % 3 == 0) * (i > 0) for i in range(30)]  # 1 ns early
    assert sorted(timeline.at_rate(stamps, rate)) == [stamps[i] for i in expected]


def test_other_questions_can_be_asked(bag):
    class Yes(Oracle):
        def respond(self, request, frame, now_ns=0):
            return Detail(Status.OK, request.question, answer='yes')

    document = evaluate_bag(Yes(bag), bag, 5, [worded(Meaning('tray_seen'))])
    assert list(document['groups']) == ['is there a tray?']
    assert document['accuracy'] == 1.0
    assert document['events']['n'] == 0
    assert document['events']['worst_frames'] is None


def test_a_standing_question_that_is_taught_counts_once_and_yes_is_yes(bag, monkeypatch):
    class Yes(Oracle):
        def respond(self, request, frame, now_ns=0):
            return Detail(Status.OK, request.question, answer='YES')

    asked = [worded(Meaning('tray_seen'))]
    text = asked[0].text.upper()
    stamps = []

    def told_of_each_third(opened):
        stamps.extend(timeline.read_scenes(opened))
        return {stamp: {text: 'Yes'} for stamp in stamps[::3]}

    monkeypatch.setattr(timeline, 'read_answers', told_of_each_third)
    document = evaluate_bag(Yes(bag), bag, 5, asked, taught=lambda text: True)
    assert list(document['groups']) == [text]
    plain = evaluate_bag(Yes(bag), bag, 5, asked)
    assert document['n'] == document['groups'][text]['n'] >= plain['n'] > len(stamps) / 3
    assert document['accuracy'] == document['accuracy_answered'] == 1.0


def test_nothing_to_ask_is_one_line(tmp_path):
    bag = write_bag(tmp_path / 'bag', ['?'] * 4)
    with pytest.raises(DatasetError, match='no frame of which'):
        evaluate_bag(Oracle(bag), bag)
    with pytest.raises(DatasetError, match='rate'):
        evaluate_bag(Oracle(bag), bag, rate=0)


def test_the_document_is_json_and_a_table(bag):
    document = evaluate_bag(Oracle(bag, 3), bag)
    assert json.loads(json.dumps(document)) == document
    text = timeline.table(document)
    assert all(question in text for question in document['groups'])
    assert f'{document["events"]["n"]} changes' in text


def reddest(path):
    """Return how many pixels have the colour of a mistake."""
    b, g, r = np.moveaxis(cv2.imread(str(path)).astype(int), 2, 0)
    return int(((r > 180) & (g < 40) & (b < 40)).sum())


def test_the_picture_marks_mistakes(bag, tmp_path):
    for name, late in (('right', 0), ('late', 3)):
        draw_timeline(timeline.follow(Oracle(bag, late), bag), tmp_path / f'{name}.png')
    assert reddest(tmp_path / 'right.png') == 0
    assert reddest(tmp_path / 'late.png') > 500
