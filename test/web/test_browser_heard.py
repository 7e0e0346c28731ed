"""The view that teaches, beside a node whose answers are late, refused, or to another browser."""

from __future__ import annotations

import json
import time

import pytest
from helpers.told import QUESTION, SLUG, Node, hello
from selenium.webdriver import ActionChains

from latent_vqa_ros.web.source import Story

UNTAUGHT = {'answers': [], 'shots': {}, 'moments': {}}


@pytest.fixture
def screen(told_screen):
    told_screen.until(lambda: told_screen.pictures, 'a picture')
    told_screen.run('alone = true')
    told_screen.press('t')
    yield told_screen
    told_screen.run('localStorage.clear()')


@pytest.fixture
def node(screen):
    return Node(screen)


def taken(*names):
    return [{'shot': name, 'answer': 'yes', 'moment': 1, 'margin': None, 'picture': None}
            for name in names]


def test_a_held_key_keeps_its_answer_though_the_node_lists_them_in_another_order(screen, node):
    screen.teach(QUESTION, ('yes', 'no'))
    screen.run('document.activeElement.blur()')
    ActionChains(screen.driver).key_down('2').perform()
    node.says('add', node.asked('add'), answers=['no'], shots={'no': 1}, moments={'no': 1})
    screen.until(lambda: len(node.told('add')) >= 3, 'three shots')
    assert screen.text('.held b') == 'no'
    ActionChains(screen.driver).key_up('2').perform()
    assert {each['answer'] for each in node.told('add')} == {'no'}
    assert screen.texts('.answer-keys b') == ['yes', 'no']


def test_shots_count_though_the_node_spells_the_question_otherwise(screen, node):
    screen.teach('is it wet', ('yes', 'no'))
    screen.press('1')
    node.says('add', node.asked('add', question='is it wet'))
    assert screen.shots('yes') == 2
    screen.press('1')
    node.asked('add', question=SLUG)


def test_a_shot_that_is_gone_when_its_picture_is_asked_for_takes_no_other_with_it(screen, node):
    node.lists((QUESTION, SLUG))
    screen.write('#new-question', QUESTION)
    node.says('show', node.asked('show'), taken=taken('1.jpg', '2.jpg'))
    refused = {'status': 'refused', 'reason': "it has no shot '2.jpg'"}
    node.says('show', node.asked('show', shot='2.jpg'), **refused)
    node.asked('show', shot='1.jpg')
    assert len(node.told('show', shot='2.jpg')) == 1
    assert len(screen.texts('.thumb')) == 2
    assert screen.texts('.notice') == []
    node.says('show', taken=[], shots={'yes': 0})
    assert screen.texts('.thumb') == []


def test_why_a_question_is_broken_is_said(screen, node):
    node.lists((QUESTION, SLUG), broken='active: no number')
    screen.write('#new-question', QUESTION)
    node.says('show', node.asked('show'), status='refused', reason='active: no number')
    assert 'active: no number' in screen.text('.notice')


def test_taught_questions_are_known_though_nobody_opened_the_view_that_teaches(screen, node):
    screen.press('l')
    screen.run('said.length = 0; hear({kind: "node", there: true})')
    node.asked('list')


def test_a_question_that_is_forgotten_while_its_pictures_come_is_asked_for_no_more(screen, node):
    node.lists((QUESTION, SLUG))
    screen.write('#new-question', QUESTION)
    screen.run('hear(arguments[0]); confirm = () => true;'
               'all("button").find((each) => each.textContent === "Forget").click()',
               node.event('show', node.asked('show'), taken=taken('1.jpg', '2.jpg')))
    count = len(node.told('show'))
    time.sleep(0.5)  # longer than the page waits before the next one
    assert len(node.told('show')) == count


@pytest.mark.parametrize('answers', [UNTAUGHT, UNTAUGHT | {'next': {
    'answer': None, 'about': None, 'say': 'show each answer'}}])
def test_a_question_that_somebody_else_forgets_is_closed_and_one_without_shots_is_not(
        screen, node, answers):
    node.lists((QUESTION, SLUG))
    screen.write('#new-question', QUESTION)
    node.says('forget', **answers)
    closed = answers == UNTAUGHT
    assert ('was forgotten' in ' '.join(screen.texts('.notice'))) == closed
    assert screen.run('return document.getElementById("taught").value') == (
        '' if closed else SLUG)


def test_a_question_from_the_last_visit_that_is_not_taught_any_more_is_closed(screen, node):
    screen.write('#new-question', QUESTION)
    screen.driver.refresh()
    screen.until(lambda: screen.run('return window.wire?.readyState === 1'), 'the link')
    screen.run('alone = true; hear(arguments[0]); hear({kind: "node", there: true})', hello())
    assert screen.run('return document.getElementById("taught").value') == QUESTION
    node.lists(('Is it open?', 'is-it-open'))
    assert screen.run('return document.getElementById("taught").value') == ''


@pytest.mark.parametrize('status', ['inactive', 'overloaded', 'bad_message'])
def test_a_list_that_was_not_made_is_no_empty_one(screen, node, status):
    node.lists((QUESTION, SLUG))
    node.says('list', node.asked('list'), status=status, reason='so it is', **UNTAUGHT)
    assert [QUESTION in each for each in screen.texts('#taught option')] == [False, True]


def test_what_a_slow_check_brought_is_said_by_name_when_another_question_is_open(screen, node):
    node.lists((QUESTION, SLUG), ('Is it open?', 'is-it-open'))
    screen.write('#new-question', QUESTION)
    node.says('show', node.asked('show'), taken=taken('1.jpg'), answers=['yes', 'no'],
              shots={'yes': 12, 'no': 12}, moments={'yes': 3, 'no': 3})
    screen.click('#fit')
    fit = node.asked('fit')
    screen.write('#new-question', 'Is it open?')
    node.says('fit', fit, active=1)
    assert f'{QUESTION}: Learnt, and switched on.' in screen.texts('.notice')


def test_what_another_browser_tries_is_not_shown_and_nothing_stays_of_another_question(
        screen, node):
    tried = {'version': 1, 'status': 'ok', 'reason': '', 'answer': 'yes', 'confidence': 0.9,
             'top': []}
    node.lists((QUESTION, SLUG), ('Is it open?', 'is-it-open'))
    screen.write('#new-question', QUESTION)
    node.says('try', tried=tried)
    assert screen.text('.shadow') == ''
    screen.click('#shadow')
    node.says('try', node.asked('try'), tried=tried)
    assert 'yes (90 %)' in screen.text('.shadow')
    screen.click('#shadow')
    screen.write('#new-question', 'Is it open?')
    assert screen.text('.shadow') == ''


def test_a_picture_that_an_id_is_about_no_more_is_offered_no_more(screen, node):
    def answers(model):
        screen.run('hear(arguments[0])', {'kind': 'detail', 'at': time.time(), 'detail': {
            'id': 'tray', 'question': QUESTION, 'camera': 'camera', 'status': 'ok', 'reason': '',
            'answer': 'yes', 'confidence': 0.5, 'top': [['yes', 0.5]], 'stamp': None,
            'image_age_ms': 1.0, 'latency_ms': {'total': 1.0}, 'evidence': [],
            'model': {'name': model, 'version': '1', 'sha256': ''}}})

    node.lists((QUESTION, SLUG))
    screen.write('#new-question', QUESTION)
    answers(f'taught/{SLUG}')
    node.says('show', node.asked('show'), taken=taken('1.jpg'),
              next={'answer': 'no', 'say': 'show no', 'about': 'tray'})
    assert screen.texts('.least button') == ['yes']
    answers('tabletop')
    assert screen.texts('.least button') == []


def test_somebody_elses_upload_moves_nobodys_picture(screen):
    screen.run('hear(arguments[0])', {
        'kind': 'reel', 'camera': 'uploaded pictures', 'count': 1, 'position': 0.0, 'seconds': 0.0,
        'playing': False, 'label': 'theirs.png', 'look': True})
    shown = screen.run('return all("#cameras button").map((each) =>'
                       ' [each.textContent, each.getAttribute("aria-pressed")])')
    assert ['camera', 'true'] in shown
    assert ['uploaded pictures', 'false'] in shown


def test_what_pages_ask_to_compare_pushes_no_answer_out_of_the_history():
    story = Story()
    told = [{'kind': 'detail', 'detail': {'id': id_}, 'at': 0.0}
            for id_ in ('ask-1', None, 7, 'shadow-teach-5')]
    for each in told:
        story.tell(each)
    assert json.dumps(story.snapshot()) == json.dumps(told[:3])
