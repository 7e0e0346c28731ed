"""What the page says of the past: of a silent node, of answers that nobody asked for again."""

from __future__ import annotations

import time

import pytest
from helpers.told import hello

STATUS = {'name': 'node', 'level': 0, 'message': 'active', 'values': {}}


@pytest.fixture
def screen(told_screen):
    told_screen.until(lambda: told_screen.pictures, 'a picture')
    told_screen.run('alone = true')
    told_screen.run('hear(arguments[0])', hello() | {'standing': [['camera', 'Is it open?']]})
    yield told_screen
    told_screen.run('localStorage.clear()')


def diagnostics(screen, seconds_ago):
    screen.run('hear(arguments[0])', {'kind': 'diagnostics', 'statuses': [STATUS],
                                      'at': time.time() - seconds_ago})


def answered(screen, question, seconds_ago):
    detail = {
        'id': 'x', 'question': question, 'camera': 'camera', 'status': 'ok', 'answer': 'yes',
        'confidence': 0.99, 'reason': '', 'top': [['yes', 0.99]], 'evidence': [], 'stamp': None,
        'image_age_ms': 5.0, 'latency_ms': {}, 'model': {'name': 'm', 'version': '1'}}
    screen.run('hear(arguments[0])', {
        'kind': 'detail', 'at': time.time() - seconds_ago, 'detail': detail})


def light(screen):
    return screen.run('return document.getElementById("lamp").textContent')


def test_a_node_that_spoke_long_ago_is_silent_to_who_comes_now(screen):
    screen.run('hear(arguments[0])', {'kind': 'node', 'there': True})
    diagnostics(screen, 1)
    assert light(screen) == 'all fine'
    diagnostics(screen, 60)
    assert light(screen) == 'node is silent'
    row = {'name': 'diagnostics_period', 'kind': 'number', 'value': 30.0, 'live': True,
           'from': 0.1, 'to': 3600.0, 'choices': [], 'description': ''}
    screen.run('hear(arguments[0])', {'kind': 'parameters', 'rows': [row]})
    diagnostics(screen, 60)
    assert light(screen) == 'all fine'  # it speaks twice a minute


def test_only_a_question_that_is_asked_again_and_again_stands(screen):
    screen.run('hear(arguments[0])', {'kind': 'node', 'there': True})
    diagnostics(screen, 1)
    answered(screen, 'is it open?', 7200)
    answered(screen, 'is it red?', 7200)
    asked = screen.run('return all(".story button").map((each) => each.title)')
    assert [title for title in asked if title.endswith('for 2 h')] == [asked[1]]
    assert asked[0].endswith('once')
    answered(screen, 'is it red?', 3600)
    assert screen.run('return all(".story button")[0].title').endswith('2 times in 1 h')


def test_an_answer_of_another_day_has_its_date(screen):
    answered(screen, 'is it red?', 3 * 24 * 3600)
    day = screen.run('return new Date(Date.now() - 3 * 24 * 3600e3).toLocaleDateString()')
    assert day in screen.run('return all(".story button")[0].title')


def test_a_condition_that_is_no_more_is_shown_no_more(screen):
    for name in ('grip', 'tray'):
        screen.run('hear(arguments[0])', {
            'kind': 'condition', 'name': name, 'value': True, 'detail': None, 'at': None,
            'question': 'x?', 'expected': ['yes'], 'camera': '', 'rate': 1.0})
    screen.run('hear(arguments[0])', {'kind': 'condition', 'name': 'grip', 'gone': True})
    assert screen.run('return all(".lamps b").map((each) => each.textContent.toLowerCase())') == [
        'tray']
