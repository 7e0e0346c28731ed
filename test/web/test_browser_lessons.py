"""A person teaches through the page, beside what stands in for teaching."""

from __future__ import annotations

import json

from selenium.webdriver import ActionChains
from std_msgs.msg import String

TRAY = 'Is the tray empty?'


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
    screen.until(lambda: len(screen.texts('.thumb')) >= 6, 'thumbnails again')
    before = len(screen.texts('.thumb'))
    screen.press_on('.thumb', '\ue017')  # Delete
    screen.until(lambda: len(screen.texts('.thumb')) == before - 1, 'the shot to go')


def test_a_press_the_focus_and_open_versions_outlive_what_others_do(screen, asker):
    question = 'Is it clean?'

    def somebody_else_takes_a_shot():
        before = screen.shots('no')
        message = {'do': 'add', 'question': question, 'answer': 'no'}
        asker.tell('stand_in/teach', message)
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
        asker.tell('answer/detail', detail)

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
            asker.tell('answer/detail', detail)
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
            'const found = [...choice.options].find((each) => each.text.startsWith(arguments[0]));'
            'if (!found) return false;'
            'choice.value = found.value; choice.dispatchEvent(new Event("change")); return true',
            question), f'{question} among the taught ones')

    def regions():
        return [each.get('region') for each in said if each['do'] == 'add']

    def region_of_a_shot():
        before = len(regions())
        screen.until(lambda: screen.texts('[data-answer=yes]'), 'its key')
        screen.press('1')
        screen.until(lambda: len(regions()) > before, 'a shot')
        return regions()[-1]

    assert screen.sees()
    for question, region in (('Boxed?', {'region': [0.1, 0.1, 0.2, 0.2]}), ('Whole?', {})):
        asker.tell('stand_in/teach',
                   {'do': 'add', 'question': question, 'answer': 'yes', **region})
    screen.press('t')
    choose('Boxed?')
    screen.until(lambda: 'a box of 20 × 20 %' in screen.text('.hint'), 'its box')
    choose('Whole?')
    screen.until(lambda: 'the whole picture' in screen.text('.hint'), 'no box')
    assert region_of_a_shot() is None
    choose('Boxed?')
    screen.until(lambda: 'a box of 20 × 20 %' in screen.text('.hint'), 'its box')
    assert region_of_a_shot() is None  # the node has it
    asker.tell('stand_in/teach', {'do': 'add', 'question': 'Boxed?', 'answer': 'yes',
                                  'region': [0.3, 0.3, 0.4, 0.4]})  # from elsewhere
    screen.until(lambda: 'a box of 40 × 40 %' in screen.text('.hint'), 'the box of now')
    assert region_of_a_shot() is None
    screen.click('.hint button')
    assert region_of_a_shot() == [0, 0, 1, 1]
    screen.until(lambda: region_of_a_shot() is None, 'the node to have it')
    screen.until(lambda: len(screen.texts('.thumb')) >= 3, 'its shots')
    assert 'the whole picture' in screen.text('.hint')
