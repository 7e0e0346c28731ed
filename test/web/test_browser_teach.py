"""A person teaches the real node: show, check, switch on all the same, ask, correct, roll back."""

from __future__ import annotations

import re
import time

import cv2
import numpy as np
import pytest
import rclpy
from helpers.node_harness import Spinner, header, picture
from helpers.page import EPISODE
from helpers.screen import Screen
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage

TRAY = 'Is the tray empty?'
REMEMBERED = 4  # frames
MIDDLE_RGBA = """
const seen = document.getElementById('canvas');
const at = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
at.drawImage(seen, seen.width / 2, seen.height / 2, 1, 1, 0, 0, 1, 1);
return [...at.getImageData(0, 0, 1, 1).data]"""


@pytest.fixture(scope='module')
def machine(robot):
    """Run a node that may be taught, and a bag that is replayed for ever."""
    robot.start_node(f'taught_folder:={robot.folder / "taught"}',
                     f'remembered_frames:={REMEMBERED}')
    robot.start('replay', 'latent_vqa_ros.cli.main', 'replay', str(EPISODE), '--loop')
    return robot


@pytest.fixture
def screen(browser, page):
    screen = Screen(browser, page.url)
    yield screen
    assert screen.complaints() == []


@pytest.fixture
def lamp(screen, machine):
    """Return a function that lets the camera see a lamp of a colour from now on, not the bag."""
    machine.kill('replay')
    node = rclpy.create_node('lamp_camera')
    camera = node.create_publisher(CompressedImage, '/camera/image_raw/compressed',
                                   qos_profile_sensor_data)
    bgr, rng = [0, 0, 0], np.random.default_rng(0)

    def publish():  # no two are alike, as of a camera
        pixels = picture(192, 192, bgr) * rng.uniform(0.7, 1) + rng.normal(0, 5, (192, 192, 3))
        jpeg = cv2.imencode('.jpg', np.clip(pixels, 0, 255).astype(np.uint8))[1].tobytes()
        camera.publish(CompressedImage(header=header(time.time_ns(), ''), data=jpeg))

    def show(colour):
        bgr[:] = [255 * (each == colour) for each in ('blue', 'green', 'red')]
        screen.until(lambda: np.argmax(screen.run(MIDDLE_RGBA)[2::-1]) == np.argmax(bgr),
                     f'the {colour} lamp')

    node.create_timer(0.1, publish)
    spinner = Spinner(node)
    yield show
    spinner.stop()
    node.destroy_node()


def check_it(screen, version):
    """Let the judge look, who has seen too little to trust what becomes this version."""
    screen.click('#fit')
    screen.until(lambda: f'Version {version}:' in screen.run(
        'return document.querySelector(".versions")?.textContent ?? ""'), 'the version')
    assert 'does not trust' in screen.text('.judge')


def switch_on_anyway(screen, selector, said):
    """Press what switches on, see that a person is warned, go on."""
    screen.run('window.confirm = (text) => { window.warned = text; return true; }')
    screen.click(selector)
    assert 'does not trust' in screen.run('return window.warned')
    screen.until(lambda: said in screen.text('.on-off'), said)
    assert 'although the judge' in screen.text('.on-off')


def test_a_question_is_taught_judged_forced_on_asked_corrected_and_rolled_back(screen):
    assert screen.sees()
    screen.teach(TRAY, ('yes', 'no'))
    screen.take_shots('1', 'yes')
    screen.take_shots('2', 'no')
    screen.until(lambda: len(screen.texts('.thumb img')) >= 6, 'thumbnails')
    check_it(screen, 1)
    assert 'Not switched on' in screen.text('.on-off')
    switch_on_anyway(screen, '#on', 'version 1 answers')
    screen.press('l')
    screen.ask(TRAY)
    assert 'taught/is-the-tray-empty' in screen.text('.meta')
    assert 'Forced' in screen.text('.answer')

    def corrected():
        screen.ask(TRAY)
        screen.press('w', '1')
        return 'Noted' in screen.until(lambda: screen.text('#notices'), 'the correction')
    screen.until(corrected, 'a picture that is no shot yet to be taken')

    for _ in range(REMEMBERED + 1):  # what was offered first is forgotten
        said = screen.text('.meta')
        screen.until(lambda said=said: screen.ask(TRAY) and screen.text('.meta') != said,
                     'a newer answer')
    def offered():  # about a familiar frame of which the page had the very picture
        screen.press('l')
        screen.ask(TRAY)
        screen.press('t')
        time.sleep(1)
        return screen.run('return document.querySelector(".least img")?.naturalWidth')
    screen.until(offered, 'the frame that it is least sure of')
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


def test_a_long_question_stays_within_its_card_on_a_phone(screen):
    size = screen.driver.get_window_size()
    try:
        screen.driver.set_window_size(390, 844)
        screen.teach('Is the tray at the end of the belt ready for the next part?', ('yes', 'no'))
        cards = screen.run('return [...document.querySelectorAll(".step")]'
                           '.map((each) => [each.scrollWidth, each.clientWidth])')
        assert cards
        assert all(wide <= room for wide, room in cards), cards
    finally:
        screen.driver.set_window_size(size['width'], size['height'])


def test_rolling_back_brings_the_version_before_and_its_answers_back(screen, lamp):
    question = 'Which lamp is on?'
    screen.teach(question, ('red', 'blue'))
    for key, colour in (('1', 'red'), ('2', 'blue')):
        lamp(colour)
        screen.take_shots(key, colour)
    check_it(screen, 1)
    switch_on_anyway(screen, '#on', 'version 1 answers')

    lamp('green')
    screen.write('#new-answer', 'green')
    screen.take_shots('3', 'green')
    check_it(screen, 2)
    screen.click('.judge summary')
    switch_on_anyway(screen, '.versions button', 'version 2 answers')
    screen.until(lambda: asked(screen, question) == ('green', 'which-lamp-is-on 2'),
                 'the answer of version 2')

    screen.press('t')
    screen.click('#rollback')
    screen.until(lambda: 'Version 1 answers again' in screen.text('#notices'), 'the way back')
    assert 'version 1 answers' in screen.text('.on-off')
    answer, version = asked(screen, question)
    assert version == 'which-lamp-is-on 1'
    assert answer in ('red', 'blue', 'I do not know this kind of picture')


def asked(screen, question):
    """Ask; return the likeliest answer, sure of it or not, and the version that gave it."""
    screen.press('l')
    answer = screen.ask(question)
    guess = re.search(r'guess: (\w+)', screen.text('.confidence'))
    version = re.search(r'taught/(\S+ \d+)', screen.text('.meta'))
    return guess[1] if guess else answer, version[1]
