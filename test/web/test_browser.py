"""A person's whole way through the page, in a real browser, beside a real node."""

from __future__ import annotations

import signal

import cv2
import numpy as np
import pytest
from axe_core_python.selenium import Axe
from helpers.node_harness import until
from helpers.page import serving
from helpers.screen import Screen
from selenium.webdriver.common.keys import Keys

from latent_vqa_ros.web.server import STATIC

HTML = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
TRAY = 'Is the tray empty?'


def test_a_person_sees_the_camera_asks_and_gets_the_topics_answer(screen, asker):
    assert screen.sees()
    question = 'how many things are there?'
    answer = screen.ask(question)
    detail = screen.until(  # the page may get it first
        lambda: next((each for each in asker.details if each['question'] == question), None),
        'the detail on the topic')
    assert (detail['status'], detail['answer']) == ('ok', answer)
    assert f'{round(100 * detail["confidence"])} % sure' in screen.text('.confidence')
    assert 'needs 50 %' in screen.text('.confidence')
    assert 'tabletop' in screen.text('.meta')
    assert screen.run('return document.querySelector(".answer").getAttribute("aria-live")')


def test_where_the_model_looked_stands_on_the_picture(screen):
    assert screen.sees()
    screen.ask('is there a yellow cone?')
    assert any('cone' in text for text in screen.run(
        'return [...document.querySelectorAll("#overlay text")].map((each) => each.textContent)'))


def test_an_unknown_word_offers_known_questions_and_one_press_asks_it(screen):
    assert screen.ask('is there a unicorn?') == 'I do not know a word'
    assert 'unicorn' in screen.text('.answer')
    offered = screen.texts('.near button')
    assert offered
    screen.click('.near button')
    screen.until(lambda: screen.text('.answer .asked') == offered[0], 'the answer')


def test_known_questions_are_found_by_their_words_with_the_keyboard_alone(screen):
    screen.press('/')
    field = screen.find('#question')
    field.clear()
    field.send_keys('traay')
    assert screen.until(lambda: screen.texts('#suggestions li'), 'suggestions')
    field.clear()
    field.send_keys('yellow sph')
    first = screen.until(lambda: screen.texts('#suggestions li')[:1], 'suggestions')[0]
    assert 'yellow' in first.lower()
    field.send_keys('\ue015', '\ue007')  # down, Enter
    screen.until(lambda: screen.text('.answer .asked') == first, 'the answer')


def test_a_question_in_other_words_says_how_it_was_read(screen):
    screen.ask('any cubes?')
    assert "Read as 'are there any cubes'." in screen.text('.answer')


def test_a_question_that_is_html_is_text(screen):
    screen.ask(HTML)
    assert HTML in screen.texts('.story .asked')
    assert screen.run('return window.hacked') is None
    assert screen.run('return document.querySelectorAll("#look img, #look script").length') == 0


def test_a_change_of_a_standing_question_is_its_story(screen, asker):
    for answer in ('yes', 'no', 'no', 'yes'):
        detail = asker.ask('is the gripper holding something?')
        detail |= {'id': None, 'status': 'ok', 'answer': answer, 'question': 'standing?'}
        asker.tell('answer/detail', detail)
    story = 'return [...document.querySelectorAll(".story > li")].find((each) =>' \
        'each.querySelector(".asked").innerText === "standing?")?.querySelectorAll("b").length'
    screen.until(lambda: screen.run(story) == 3, 'three runs: yes, no, yes')


def test_an_answer_is_corrected_with_two_keys(screen):
    screen.ask('is there a yellow cone?')
    screen.press('w')
    right = screen.until(lambda: screen.texts('.choices button')[:1], 'the choices')[0].split()[-1]
    screen.press('1')
    screen.until(lambda: f'1 × {right}' in screen.text('#notices'), 'the correction')


def test_who_corrects_an_answer_is_not_interrupted_by_the_next_one(screen, asker):
    screen.ask(TRAY)
    screen.press('w')
    right = screen.until(lambda: screen.texts('.choices button')[:1], 'the choices')[0].split()[-1]
    newer = asker.ask(TRAY) | {'id': None, 'status': 'ok', 'answer': 'perhaps'}
    asker.tell('answer/detail', newer)
    screen.until(lambda: 'perhaps' in screen.text('.story'), 'an answer that somebody else gets')
    screen.press('1')
    screen.until(lambda: f'× {right}' in screen.text('#notices'), 'the correction')
    assert screen.text('.answer .big') == 'perhaps'


def test_the_state_shows_how_the_node_is_and_sets_what_may_be_set(screen):
    screen.press('s')
    screen.until(lambda: 'answering' in screen.text('.health'), 'the diagnostics')
    field = screen.until(lambda: screen.run('return !!document.getElementById("set-top_k")')
                         and screen.find('#set-top_k'), 'the parameters')
    assert 'answer/detail' in screen.text('#set-top_k-about')
    screen.run('arguments[0].max = 99999; arguments[0].value = 5000; '
               'arguments[0].form.requestSubmit()', field)
    screen.until(lambda: 'range' in screen.text('#notices').lower(), "the node's reason")
    screen.write('#set-top_k', '2')
    screen.until(lambda: screen.run('return document.getElementById("set-top_k").value') == '2',
                 'the value')


@pytest.mark.parametrize('view', ['look', 'teach', 'state'])
@pytest.mark.parametrize('theme', ['dark', 'light'])
def test_axe_finds_nothing_to_complain_about(browser, page, view, theme):
    screen = Screen(browser, page.url, view)
    screen.run('document.documentElement.dataset.theme = arguments[0]', theme)
    if view == 'look':
        screen.ask('is there a yellow cone?')
    found = Axe().run(browser)['violations']
    assert [(each['id'], [node['html'][:120] for node in each['nodes']]) for each in found] == []


def test_the_camera_is_received_only_while_the_page_is_looked_at(screen, asker, machine):
    topic = '/camera/image_raw/compressed'
    assert screen.sees()
    with_page = asker.node.count_subscribers(topic)
    screen.press('s')  # the state needs no picture
    screen.until(lambda: asker.node.count_subscribers(topic) == with_page - 1, 'the end of it')
    screen.press('l')
    screen.until(lambda: asker.node.count_subscribers(topic) == with_page, 'the beginning')
    screen.driver.get('about:blank')
    screen.until(lambda: asker.node.count_subscribers(topic) == with_page - 1, 'the end of it')


def test_a_photo_is_uploaded_shown_and_asked_about(screen, tmp_path):
    photo = tmp_path / 'photo.png'
    cv2.imwrite(str(photo), np.full((300, 400, 3), 90, np.uint8))
    screen.find('#upload').send_keys(str(photo))
    chosen = '#cameras [aria-pressed="true"]'
    screen.until(lambda: screen.text(chosen) == 'uploaded pictures', 'the upload')
    screen.until(lambda: screen.run('return document.getElementById("canvas").width') == 400,
                 'its picture')
    assert screen.ask('is there a cube?')
    assert 'uploaded pictures' in screen.text('.meta')
    assert screen.ask('is the unicorn shod?') == 'I do not know a word'
    assert 'is the unicorn shod?' not in screen.texts('.near button')


def test_a_line_stands_around_the_square_that_the_model_cuts_out_of_a_photo(browser, tmp_path):
    with serving(tmp_path / 'log', 'web', '--port', '0', '--model', 'easy_vqa') as page:
        _line_around_the_square(Screen(browser, page.url), tmp_path)


def _line_around_the_square(screen, tmp_path):
    def lines():
        return screen.run(
            'return [...document.querySelectorAll("#overlay .seen rect")].map((each) => '
            '["x", "y", "width", "height"].map((at) => each.getAttribute(at)))')

    assert lines() == []  # there is no picture yet
    photo = tmp_path / 'wide.png'
    cv2.imwrite(str(photo), np.full((300, 420, 3), 90, np.uint8))
    screen.find('#upload').send_keys(str(photo))
    assert ['60', '0', '300', '300'] in screen.until(lines, 'the line')
    screen.click('#show-seen')
    assert lines() == []
    screen.click('#show-seen')
    assert lines()


def test_the_door_opens_to_the_token_and_stays_open(browser, tmp_path):
    token = 'a-token-of-sufficient-length'
    with serving(tmp_path / 'log', 'web', '--port', '0', '--token', token) as locked:
        for given, seen in (('wrong', 'Token'), (token, 'Question')):
            browser.get(locked.url)
            field = browser.find_element('id', 'token')
            field.send_keys(given, Keys.ENTER)
            until(lambda seen=seen: seen in browser.execute_script(
                'return document.body?.innerText ?? ""'), seen)
        assert token not in browser.current_url
        Screen(browser, locked.url)


def test_a_page_that_got_another_token_shows_its_door(browser, tmp_path):
    first, second = 'a-token-of-sufficient-length', 'another-token-of-that-length'
    with serving(tmp_path / 'log', 'web', '--port', '0', '--token', first) as locked:
        browser.get(f'{locked.url}?token={first}')
        Screen(browser, locked.url)
        port = str(locked.port)
    with serving(tmp_path / 'log2', 'web', '--port', port, '--token', second):
        until(lambda: browser.find_elements('id', 'token'), 'the door')



def test_two_browsers_see_the_same_and_one_that_stops_reading_slows_nobody(
        screen, page, open_browser):
    with open_browser() as other_driver:
        other = Screen(other_driver, page.url)
        assert other.sees()
        assert screen.sees()
        answer = screen.ask('how many things are there?')
        other.until(lambda: 'how many things are there?' in other.texts('.story .asked'),
                    'the answer in the other browser')
        assert answer
        stuck = page.link()
        stuck.say({'do': 'watch', 'camera': '', 'width': 640})
        before = page.memory_mb
        for _ in range(20):
            screen.ask('how many things are there?')
        assert screen.sees(20)
        assert page.memory_mb < before + 60
        stuck.wire.close()


def test_an_answer_that_comes_late_is_shown(screen, machine):
    node = machine.processes['node']
    node.send_signal(signal.SIGSTOP)
    try:
        screen.write('#question', TRAY)
        screen.until(lambda: screen.text('.answer .big') == 'No answer', 'the end of patience')
    finally:
        node.send_signal(signal.SIGCONT)
    screen.until(lambda: screen.text('.answer .big') not in ('', 'No answer'), 'the answer')
    assert screen.text('.answer .asked') == TRAY


def test_a_node_that_is_killed_is_missed_and_back_again(screen, machine):
    machine.kill('node')
    screen.until(lambda: screen.text('#lamp') == 'node is silent', 'the node to be missed')
    machine.start_node()
    screen.until(lambda: screen.text('#lamp') not in ('node is silent', ''), 'the node')
    screen.until(lambda: screen.ask('how many things are there?').isdigit(), 'an answer')
    assert screen.sees()


def test_the_first_view_is_small():
    sizes = [path.stat().st_size for path in STATIC.iterdir()]
    assert len(sizes) >= 10
    assert sum(sizes) < 300_000
