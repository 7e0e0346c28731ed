"""Texts are data: a slug never leaves its folder, and a question is found however it is typed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.teach.question import (
    MAX_TEXT,
    Question,
    TeachError,
    check_answer,
    check_region,
    normal,
)


@given(st.text(min_size=1, max_size=MAX_TEXT))
def test_any_text_that_is_taken_has_a_plain_slug(text):
    try:
        slug = Question(text).slug
    except TeachError:
        slug = 'refused'
    assert re.fullmatch('[a-z0-9]+(-[a-z0-9]+)*', slug)
    assert len(slug) <= 48


@pytest.mark.parametrize(('text', 'slug'), [
    ('Is the tray empty?', 'is-the-tray-empty'), ('../../etc/passwd', 'etc-passwd'),
    ('¿Está vacía la bandeja?', 'esta-vacia-la-bandeja'), ('托盘是空的吗', 'question'),
    ('.', 'question')])
def test_a_slug_is_what_is_left_of_the_text(text, slug):
    assert Question(text).slug == slug


def test_case_blanks_and_the_mark_at_the_end_do_not_matter_but_signs_do():
    same = ('Is the  tray empty?', 'is the tray empty', ' IS THE TRAY EMPTY ?')
    assert len(set(map(normal, same))) == 1
    assert normal('is a > b?') != normal('is a < b?')


@pytest.mark.parametrize('region', [
    [0, 0, 1], [0, 0, 1, 'a'], [0, 0, float('nan'), 1], [0.5, 0, 0.6, 1], [-0.1, 0, 0.5, 0.5],
    [0, 0, 0.001, 0.5], 'abcd', [True, 0, 1, 1], [0, 0, 10 ** 400, 1], {}, 7])
def test_a_region_outside_the_frame_is_refused(region):
    with pytest.raises(TeachError, match='region'):
        check_region(region)


@pytest.mark.parametrize('answer', ['', '  ', 'a' * 61, 'a\nb', 7, None, 'a\x00'])
def test_an_answer_that_is_no_short_text_is_refused(answer):
    with pytest.raises(TeachError, match='answer'):
        check_answer(answer)
