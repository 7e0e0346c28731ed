"""A person's whole way through the page, in a real browser, beside a real node."""

from __future__ import annotations

import json
import signal

import cv2
import numpy as np
import pytest
from axe_core_python.selenium import Axe
from helpers.node_harness import Asker, until
from helpers.page import NAMESPACE, serving
from helpers.screen import Screen
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from std_msgs.msg import String

from latent_vqa_ros.web.server import STATIC

HTML = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
TRAY = 'Is the tray empty?'


@pytest.fixture(scope='module')
def asker(ros, machine):
    """Return somebody who hears what the node says."""
    asker = Asker(NAMESPACE)
    asker.greet()
    yield asker
    asker.close()


@pytest.fixture
def screen(browser, page):
    screen = Screen(browser, page.url)
    yield screen
    assert screen.complaints() == []


def test_a_person_sees_the_camera_asks_and_gets_the_topics_answer(screen, asker):
    assert screen.sees()
    answer = screen.ask('how many things are there?')
    detail = next(each for each in reversed(asker.details)
                  if each['question'] == 'how many things are there?')
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
    field.send_keys('yellow bal')
    first = screen.until(lambda: screen.texts('#suggestions li')[:1], 'suggestions')[0]
    assert 'yellow' in first
    field.send_keys('\ue015', '\ue007')  # down, Enter
    screen.until(lambda: screen.text('.answer .asked') == first, 'the answer')


def test_a_question_that_is_html_is_text(screen):
    screen.ask(HTML)
    assert HTML in screen.texts('.story .asked')
    assert screen.run('return window.hacked') is None
    assert screen.run('return document.querySelectorAll("#look img, #look script").length') == 0


def test_a_change_of_a_standing_question_is_its_story(screen, asker):
    for answer in ('yes', 'no', 'no', 'yes'):
        detail = asker.ask('is the gripper holding something?')
        detail |= {'id': None, 'status': 'ok', 'answer': answer, 'question': 'standing?'}
        asker.publish(_string(detail), 'answer/detail', 1000)
    story = 'return [...document.querySelectorAll(".story > li")].find((each) =>' \
        'each.querySelector(".asked").innerText === "standing?")?.querySelectorAll("b").length'
    screen.until(lambda: screen.run(story) == 3, 'three runs: yes, no, yes')


def _string(document):
    return String(data=json.dumps(document))


def test_an_answer_is_corrected_with_two_keys(screen):
    screen.ask('is there a yellow cone?')
    screen.press('w')
    right = screen.until(lambda: screen.texts('.choices button')[:1], 'the choices')[0].split()[-1]
    screen.press('1')
    screen.until(lambda: f'1 × {right}' in screen.text('#notices'), 'the correction')


def test_a_person_teaches_two_answers_switches_on_and_rolls_back(screen):
    screen.teach(TRAY, ('yes', 'no'))
    for key, answer in (('1', 'yes'), ('2', 'no')):
        screen.take_shots(key, answer)
    screen.until(lambda: len(screen.texts('.thumb')) >= 6, 'thumbnails')
    screen.click('#fit')
    screen.until(lambda: 'version 1 answers' in screen.text('.on-off'), 'the judgement')
    assert 'at least 83 %' in screen.text('.judge')
    assert screen.run('return document.querySelectorAll(".chart .dot").length') == 4
    screen.click('#off')
    screen.until(lambda: 'Not switched on' in screen.text('.on-off'), 'the switch')
    screen.click('#rollback')
    screen.until(lambda: 'version 1 answers' in screen.text('.on-off'), 'the way back')
    screen.driver.refresh()
    screen.until(lambda: 'version 1 answers' in screen.text('.on-off'), 'the same after a reload')
    before = len(screen.texts('.thumb'))
    screen.press_on('.thumb', '\ue017')  # Delete
    screen.until(lambda: len(screen.texts('.thumb')) == before - 1, 'the shot to go')


def test_a_press_the_focus_and_open_versions_outlive_what_others_do(screen, asker):
    question = 'Is it clean?'

    def somebody_else_takes_a_shot():
        before = screen.shots('no')
        message = {'do': 'add', 'question': question, 'answer': 'no'}
        asker.publish(_string(message), 'stand_in/teach', 1000)
        screen.until(lambda: screen.shots('no') > before, 'the shot on the page')

    assert screen.sees()
    screen.teach(question, ('yes', 'no'))
    screen.take_shots('1', 'yes')
    screen.take_shots('2', 'no')
    screen.click('#fit')
    screen.until(lambda: 'version 1 answers' in screen.text('.on-off'), 'the judgement')
    screen.click('.judge summary')
    screen.run('document.getElementById("rollback").focus()')
    somebody_else_takes_a_shot()
    assert screen.run('return document.activeElement.id') == 'rollback'
    assert screen.texts('.judge details[open]')
    mouse = ActionChains(screen.driver)
    mouse.click_and_hold(screen.find('#off')).perform()
    somebody_else_takes_a_shot()
    mouse.release().perform()
    screen.until(lambda: 'Not switched on' in screen.text('.on-off'), 'the switch')


def test_who_corrects_an_answer_is_not_interrupted_by_the_next_one(screen, asker):
    screen.ask(TRAY)
    screen.press('w')
    right = screen.until(lambda: screen.texts('.choices button')[:1], 'the choices')[0].split()[-1]
    newer = asker.ask(TRAY) | {'id': None, 'status': 'ok', 'answer': 'perhaps'}
    asker.publish(_string(newer), 'answer/detail', 1000)
    screen.until(lambda: 'perhaps' in screen.text('.story'), 'an answer that somebody else gets')
    screen.press('1')
    screen.until(lambda: f'× {right}' in screen.text('#notices'), 'the correction')
    assert screen.text('.answer .big') == 'perhaps'


def test_a_picture_that_is_offered_stays_until_it_is_labelled_though_a_worse_one_comes(
        screen, asker):
    safe = 'Is it safe?'
    heard = []
    asker.node.create_subscription(String, 'stand_in/teach/detail',
                                   lambda said: heard.append(json.loads(said.data)), 1000)

    def answered(id_, confidence):
        detail = asker.ask(TRAY)
        detail |= {'id': id_, 'question': safe, 'confidence': confidence,
                   'model': detail['model'] | {'name': 'taught/is-it-safe'}}
        asker.publish(_string(detail), 'answer/detail', 1000)

    def take_a_shot():
        """Take one, as each is told with the frame to label next."""
        before = screen.shots('yes')
        screen.press('1')
        screen.until(lambda: screen.shots('yes') > before, 'the shot on the page')

    def offered():
        return screen.run('return document.querySelector("[data-about]")?.dataset.about')

    assert screen.sees()
    screen.teach(safe, ('yes', 'no'))
    answered('bad', 0.31)
    screen.until(lambda: take_a_shot() or offered() == 'bad', 'a picture to be offered')
    answered('worse', 0.21)
    screen.until(lambda: take_a_shot() or heard[-1]['next']['about'] == 'worse', 'a worse one')
    take_a_shot()
    assert offered() == 'bad'
    screen.click('[data-about="bad"] button:last-child')
    screen.until(lambda: offered() == 'worse', 'the next to be offered')
    screen.until(lambda: screen.shots('no') == 1, 'the label to count')


def test_a_picture_is_offered_only_where_it_was_the_one_that_was_asked_about(screen, asker):
    question, heard = 'Is it warm?', []
    asker.node.create_subscription(String, 'stand_in/teach/detail',
                                   lambda said: heard.append(json.loads(said.data)), 1000)

    def take_a_shot():
        before = screen.shots('yes')
        screen.press('1')
        screen.until(lambda: screen.shots('yes') > before, 'the shot on the page')

    def offered_after(id_, confidence, **other):
        detail = asker.ask(TRAY)
        detail |= {'id': id_, 'question': question, 'confidence': confidence,
                   'model': detail['model'] | {'name': 'taught/is-it-warm'}, **other}

        def told():
            asker.publish(_string(detail), 'answer/detail', 1000)
            take_a_shot()
            return heard[-1:] and heard[-1]['next']['about'] == id_
        screen.until(told, f'{id_} to be the least sure one')
        take_a_shot()
        return screen.run('return document.querySelector("[data-about]")?.dataset.about')

    assert screen.sees()
    screen.teach(question, ('yes', 'no'))
    old = {'sec': 1, 'nanosec': 0}
    assert offered_after('elsewhere', 0.19, camera='attic') is None
    assert offered_after('shadow-1', 0.18) is None
    assert offered_after('long ago', 0.17, stamp=old) is None
    assert offered_after('here', 0.16, stamp=None) == 'here'


def test_each_question_keeps_its_own_region_and_a_box_can_be_taken_away(screen, asker):
    said = []
    asker.node.create_subscription(String, 'stand_in/teach',
                                   lambda each: said.append(json.loads(each.data)), 1000)

    def choose(question):
        screen.until(lambda: screen.run(
            'const choice = document.getElementById("taught");'
            'choice.value = arguments[0]; choice.dispatchEvent(new Event("change"));'
            'return choice.value', question) == question, f'{question} among the taught ones')

    def regions():
        return [each.get('region') for each in said if each['do'] == 'add']

    def region_of_a_shot():
        before = len(regions())
        screen.press('1')
        screen.until(lambda: len(regions()) > before, 'a shot')
        return regions()[-1]

    for question, region in (('Boxed?', {'region': [0.1, 0.1, 0.2, 0.2]}), ('Whole?', {})):
        asker.publish(_string({'do': 'add', 'question': question, 'answer': 'yes', **region}),
                      'stand_in/teach', 1000)
    screen.press('t')
    choose('Boxed?')
    screen.until(lambda: 'a box of 20 × 20 %' in screen.text('.hint'), 'its box')
    choose('Whole?')
    screen.until(lambda: 'the whole picture' in screen.text('.hint'), 'no box')
    assert region_of_a_shot() is None
    choose('Boxed?')
    screen.until(lambda: 'a box of 20 × 20 %' in screen.text('.hint'), 'its box')
    assert region_of_a_shot() == [0.1, 0.1, 0.2, 0.2]
    screen.click('.hint button')
    assert region_of_a_shot() == [0, 0, 1, 1]
    screen.until(lambda: len(screen.texts('.thumb')) >= 3, 'its shots')
    assert 'the whole picture' in screen.text('.hint')


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
