"""A person teaches the real node: show, check, switch on all the same, ask, correct, roll back."""

from __future__ import annotations

import pytest
from helpers.page import EPISODE
from helpers.screen import Screen

TRAY = 'Is the tray empty?'


@pytest.fixture(scope='module')
def machine(robot):
    """Run a node that may be taught, and a bag that is replayed for ever."""
    robot.start_node(f'taught_folder:={robot.folder / "taught"}')
    robot.start('replay', 'latent_vqa_ros.cli.main', 'replay', str(EPISODE), '--loop')
    return robot


@pytest.fixture
def screen(browser, page):
    screen = Screen(browser, page.url)
    yield screen
    assert screen.complaints() == []


def teach_and_force_on(screen):
    """Show each answer a few times, have it judged, switch it on all the same."""
    screen.teach(TRAY, ('yes', 'no'))
    for key, answer in (('1', 'yes'), ('2', 'no')):
        screen.take_shots(key, answer)
    screen.until(lambda: len(screen.texts('.thumb img')) >= 6, 'thumbnails')
    screen.click('#fit')
    screen.until(lambda: 'does not trust' in screen.text('.judge'), "the judge's reason")
    assert 'Not switched on' in screen.text('.on-off')

    screen.run('window.confirm = (text) => { window.warned = text; return true; }')
    screen.click('#on')
    assert 'does not trust' in screen.run('return window.warned')
    screen.until(lambda: 'although the judge' in screen.text('.on-off'), 'the switch')


def test_a_question_is_taught_judged_forced_on_asked_corrected_and_rolled_back(screen):
    assert screen.sees()
    teach_and_force_on(screen)
    screen.press('l')
    screen.ask(TRAY)
    assert 'taught/is-the-tray-empty' in screen.text('.meta')
    assert 'Forced' in screen.text('.answer')

    def corrected():
        screen.ask(TRAY)
        screen.press('w', '1')
        return 'Noted' in screen.until(lambda: screen.text('#notices'), 'the correction')
    screen.until(corrected, 'a picture that is no shot yet to be taken')

    screen.until(lambda: screen.ask(TRAY) and screen.texts('.confidence'), 'a familiar picture')
    screen.press('t')
    screen.until(lambda: screen.run('return document.querySelector(".least img")?.naturalWidth'),
                 'the frame that it is least sure of')
    before = screen.shots('yes')
    labelled = screen.run('return document.querySelector(".least [data-about]").dataset.about')
    screen.click(f'[data-about="{labelled}"] button')
    screen.until(lambda: screen.shots('yes') > before or 'already' in screen.text('#notices'),
                 'the label to count')
    assert not screen.texts(f'[data-about="{labelled}"]')

    screen.driver.refresh()
    screen.press('t')
    screen.until(lambda: 'version' in screen.text('.on-off'), 'the same after a reload')
    screen.click('#off')
    screen.until(lambda: 'Not switched on' in screen.text('.on-off'), 'the way back')
    screen.press('l')
    screen.ask(TRAY)
    assert 'taught/' not in screen.text('.meta')
