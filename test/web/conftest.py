"""A real browser, and a robot for it: node, replayed bag and page, each a process."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from helpers.page import EPISODE, LIMIT, NAMESPACE, ROOT, serving
from helpers.screen import Screen, chromium
from helpers.told import TOLD, hello

HERE = ['--ros-args', '-r', f'__ns:={NAMESPACE}', '-r', 'image_raw:=/camera/image_raw']
CAMERA = ['-r', 'image_raw/compressed:=/camera/image_raw/compressed']
# What stands in for teaching has topics of its own, so that the node's teaching stays out of it.
APART = ['-r', 'teach:=stand_in/teach', '-r', 'teach/detail:=stand_in/teach/detail']
NODE = ['-p', 'image_transport:=compressed', '-p', 'max_image_age:=0.0', '-p', 'model:=tabletop']


@pytest.fixture(scope='module')
def open_browser(tmp_path_factory):
    """Return a function that starts a browser of its own."""
    if not (shutil.which('chromium') and shutil.which('chromedriver')):
        pytest.skip('needs a browser: sudo apt install chromium chromium-driver')
    return lambda: chromium(tmp_path_factory.mktemp('profile'))


@pytest.fixture(scope='module')
def browser(open_browser):
    """Return the browser that most tests use."""
    with open_browser() as driver:
        yield driver


class Robot:
    """The processes of a robot; ``start`` and ``kill`` them by name."""

    def __init__(self, environment, folder):
        self.environment = environment
        self.folder = folder
        self.processes = {}
        self.page_arguments = []

    def start(self, name, module, *arguments):
        out = (self.folder / f'{name}.log').open('a')
        self.processes[name] = subprocess.Popen(
            [sys.executable, '-m', module, *arguments], stdout=out, stderr=subprocess.STDOUT,
            cwd=ROOT, env=self.environment)
        out.close()

    def start_node(self, *parameters):
        given = [word for each in parameters for word in ('-p', each)]
        self.start('node', 'latent_vqa_ros.ros.main', *HERE, *NODE, *given)

    def kill(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def close(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGINT)
        end = time.monotonic() + LIMIT
        for process in self.processes.values():
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope='module')
def robot(ros_environment, tmp_path_factory):
    """Return a robot on which nothing runs yet."""
    environment = ros_environment | {
        'PYTHONPATH': f'{ros_environment["PYTHONPATH"]}:{ROOT / "test"}'}
    robot = Robot(environment, tmp_path_factory.mktemp('robot'))
    try:
        yield robot
    finally:
        robot.close()


@pytest.fixture(scope='module')
def machine(robot):
    """Run a node, a bag that is replayed for ever, and what stands in for teaching."""
    robot.page_arguments = APART
    robot.start_node()
    robot.start('replay', 'latent_vqa_ros.cli.main', 'replay', str(EPISODE), '--loop')
    robot.start('teach', 'helpers.teach_stand_in', *HERE, *CAMERA, *APART)
    return robot


@pytest.fixture(scope='module')
def page(ros, machine):
    """Serve the page of that robot."""
    log = machine.folder / 'page.log'
    with serving(log, *HERE, *machine.page_arguments, '-p', 'port:=0',
                 module='latent_vqa_ros.ros.page_main', env=machine.environment) as page:
        yield page


@pytest.fixture(scope='module')
def asker(ros, machine):
    """Return somebody who hears what the node says."""
    from helpers.node_harness import Asker

    asker = Asker(NAMESPACE)
    asker.greet()
    yield asker
    asker.close()


@pytest.fixture
def screen(browser, page):
    screen = Screen(browser, page.url)
    yield screen
    assert screen.complaints() == []


@pytest.fixture(scope='module')
def bag_page(tmp_path_factory):
    """Serve a bag and a folder of stills; what else a robot says, tests say in its place."""
    folder = tmp_path_factory.mktemp('page') / 'stills'
    folder.mkdir()
    for name, grey in (('a.png', 60), ('b.png', 200)):
        cv2.imwrite(str(folder / name), np.full((60, 80, 3), grey, np.uint8))
    with serving(folder.parent / 'log', 'web', '--bag', str(EPISODE), '--folder', str(folder),
                 '--port', '0') as page:
        yield page


@pytest.fixture
def open_page(browser, bag_page):
    """Return a function that opens the page in a browser whose clock is so many s ahead."""
    made = []

    def opened(ahead_s=3600):
        source = TOLD.replace('AHEAD_MS', str(1000 * ahead_s))
        made.append(browser.execute_cdp_cmd('Page.addScriptToEvaluateOnNewDocument',
                                            {'source': source}))
        return Screen(browser, bag_page.url)
    yield opened
    for script in made:
        browser.execute_cdp_cmd('Page.removeScriptToEvaluateOnNewDocument', script)
    assert [entry['message'] for entry in browser.get_log('browser')] == []


@pytest.fixture
def told_screen(open_page):
    """Return the page as of a robot; what its node says, a test says: ``hear(event)``."""
    screen = open_page()
    screen.run('hear(arguments[0])', hello())
    return screen
