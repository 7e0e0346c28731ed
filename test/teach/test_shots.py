"""Moments: neighbouring frames are one, and one answer shown on and on is one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.teach.question import TeachError
from latent_vqa_ros.teach.shots import Shot, moments, parse, splits

SECOND = 1_000_000_000


def shots(*pairs):
    return [Shot(f'{i:06d}.jpg', answer, int(at * SECOND), str(i))
            for i, (answer, at) in enumerate(pairs, 1)]


def test_one_answer_with_nothing_between_is_one_moment_however_long():
    assert moments(shots(('yes', 0), ('yes', 100), ('yes', 9999))) == [1, 1, 1]


def test_another_answer_between_makes_two_moments():
    assert moments(shots(('yes', 0), ('no', 10), ('yes', 20), ('yes', 25))) == [1, 2, 3, 3]


def test_shots_within_two_seconds_are_one_moment_whatever_they_show():
    assert moments(shots(('yes', 0), ('no', 1.5), ('yes', 10))) == [1, 1, 2]


def test_the_time_decides_and_not_the_order_of_showing():
    assert moments(shots(('yes', 20), ('no', 10), ('yes', 0))) == [3, 2, 1]


def test_a_named_moment_is_one_whatever_the_time():
    found = [Shot('000001.jpg', 'yes', 0, 'a', 'dawn'), Shot('000002.jpg', 'yes', 0, 'b', 'noon'),
             Shot('000003.jpg', 'yes', 90 * SECOND, 'c', 'dawn')]
    assert moments(found) == [1, 2, 1]


def test_a_named_shot_of_another_answer_ends_a_moment_and_one_of_the_same_does_not():
    live = shots(('yes', 0), ('no', 100), ('yes', 200), ('yes', 300), ('yes', 400))
    named = [replace(shot, moment='files') if i in (1, 3) else shot
             for i, shot in enumerate(live)]
    assert moments(named) == [1, 2, 3, 2, 3]


def test_a_moment_is_never_in_two_splits_and_each_split_has_each_answer():
    found = shots(*(('yes' if i % 2 else 'no', 10 * i + j) for i in range(10) for j in range(3)))
    numbers = moments(found)
    chosen = splits(found, numbers)
    assert len(set(numbers)) == len(set(zip(numbers, chosen, strict=True))) == 10
    assert {(s, shot.answer) for s, shot in zip(chosen, found, strict=True)} == {
        (s, a) for s in ('train', 'val', 'test') for a in ('yes', 'no')}


def test_a_line_is_read_as_it_was_written():
    shot = Shot('000012.jpg', 'not "quite"', 17, 'd', 'noon', (0.1, 0.2, 0.3, 0.4), 'run7')
    assert parse(shot.line('is it?', 'val')) == shot


@given(st.text(max_size=200))
def test_any_other_line_is_refused_by_one_error(line):
    with pytest.raises(TeachError):
        parse(line)


@pytest.mark.parametrize('image', ['../000001.jpg', 'shots/../000001.jpg', '/etc/passwd',
                                   'shots/1.jpg', 'shots/000001.png'])
def test_a_line_that_names_another_file_is_refused(image):
    line = Shot('000001.jpg', 'yes', 0, 'd').line('q').replace('shots/000001.jpg', image)
    with pytest.raises(TeachError, match='no shot'):
        parse(line)


def test_two_runs_whose_stamps_interleave_make_no_moments():
    run = [*(('yes', 5 * i) for i in range(10)), *(('no', 5 * i + 2.5) for i in range(10))]
    assert set(moments(shots(*run))) == {1, 2}
    recordings = [replace(shot, source='ab'[shot.answer == 'no']) for shot in shots(*run)]
    assert set(moments(recordings)) == {1, 2}


def test_spans_of_one_recording_may_be_added_in_any_order():
    spans = shots(('yes', 0), ('yes', 20), ('yes', 40), ('no', 10), ('no', 30))
    assert moments([replace(shot, source='run7') for shot in spans]) == [1, 3, 5, 2, 4]
