"""Takes the pictures of docs/page from a real node and its page, with Debian's chromium.

    python test/web/screenshots.py docs/page

The camera shows the shipped bags: `episode` while questions are asked, `tray` in the view that
teaches, after 24 of its frames were stored as shots. Look at each picture before it is committed.
Refuses to know how a picture should look: nothing is compared.
"""

from __future__ import annotations

import base64
import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

import rclpy
from faults.rig import Child, node_command
from helpers.node_harness import Spinner, header
from helpers.page import serving
from helpers.screen import Screen, chromium
from performance.common import ros
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from selenium.webdriver.support.ui import Select
from sensor_msgs.msg import CompressedImage

from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.bags.truth import published, true_frames
from latent_vqa_ros.cli.demo_teach import LESSONS, SHOTS
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.question import Question

BAGS = Path(__file__).parents[1] / 'data'
NAMESPACE, TOPIC = '/workcell', 'image_raw/compressed'
DESKTOP, PHONE = (1440, 900), (390, 844)
QUALITY = 70  # of a JPEG
RATE = 4.0  # Hz; a software renderer draws it, too
STORY = 3  # changes of the standing question until its story is worth a picture
LONGEST_STORY = ('return Math.max(0, ...[...document.querySelectorAll(".strip")]'
                 '.map((each) => each.childElementCount))')
LESSON = LESSONS[0]
PARAMETERS = """
/**:
  ros__parameters:
    model: tabletop
    image_transport: compressed
    standing_questions: ['is the gripper holding something?']
    conditions: ['tray_empty', 'gripper_holds']
    tray_empty: {question: 'is there anything in the tray?', expected: ['no'], rate: 0.5}
    gripper_holds: {question: 'is the gripper holding something?', expected: ['yes'], rate: 0.5}
"""
Pictures = list[tuple[int, bytes, dict[str, str]]]  # stamp in ns, JPEG, answers to questions


def pictures(name: str) -> Pictures:
    """Return the pictures of a shipped bag of which something is true."""
    with BagReader(BAGS / name) as bag:
        truths = {frame.stamp_ns: dict(frame.questions) for frame in true_frames(bag)}
        return [(stamp_ns, bytes(deserialize_message(cdr, CompressedImage).data), truths[stamp_ns])
                for stamp_ns, cdr in published(bag, truths)]


class Camera:
    """Shows pictures for ever, each with the present time as its stamp."""

    def __init__(self) -> None:
        self.node = rclpy.create_node('camera', namespace=NAMESPACE)
        self._out = self.node.create_publisher(CompressedImage, TOPIC, qos_profile_sensor_data)
        self._timer = None
        self._spinner = Spinner(self.node)

    def show(self, jpegs: list[bytes], rate: float) -> None:
        """Show these from now on, so many a second."""
        endless = itertools.cycle(jpegs)
        if self._timer:
            self._timer.cancel()
        self._timer = self.node.create_timer(1 / rate, lambda: self._out.publish(
            CompressedImage(header=header(time.time_ns(), 'camera'), format='jpeg',
                            data=next(endless))))

    def close(self) -> None:
        """End it."""
        self._spinner.stop()
        self.node.destroy_node()


@contextmanager
def workcell(folder: Path, jpegs: list[bytes]) -> Iterator[tuple[Camera, Screen]]:
    """Run a camera that shows these, node, page and browser."""
    parameters = folder / 'parameters.yaml'
    parameters.write_text(PARAMETERS)
    node = [*node_command(NAMESPACE, taught_folder=folder / 'taught'), '--params-file',
            str(parameters)]
    with ExitStack() as all_of:
        camera = Camera()
        all_of.callback(camera.close)
        camera.show(jpegs, RATE)
        all_of.enter_context(Child(node, folder / 'node.txt'))
        page = all_of.enter_context(serving(
            folder / 'page.txt', '--ros-args', '-r', f'__ns:={NAMESPACE}', '-p', 'port:=0',
            module='latent_vqa_ros.ros.page_main'))
        driver = all_of.enter_context(chromium(folder / 'profile'))
        screen = Screen(driver, page.url)
        screen.until(lambda: screen.text('#lamp') == 'all fine', 'the node')
        yield camera, screen


def take(screen: Screen, path: Path, size: tuple[int, int], theme: str, whole: bool = False
         ) -> None:
    """Write a picture of the page in a window of this size, or of the whole page."""
    screen.run('document.documentElement.dataset.theme = arguments[0]', theme)
    fit(screen, size)
    if whole:
        height = screen.run('return document.documentElement.scrollHeight')
        fit(screen, (size[0], height))
    if not screen.run('return document.getElementById("stage").hidden'):
        screen.sees()
    taken = screen.driver.execute_cdp_cmd(
        'Page.captureScreenshot', {'format': 'jpeg', 'quality': QUALITY})
    path.write_bytes(base64.b64decode(taken['data']))
    print(f'{path}  {path.stat().st_size / 1e3:.0f} kB')


def fit(screen: Screen, size: tuple[int, int]) -> None:
    """Give the window a size; a narrow one is a phone's."""
    screen.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
        'width': size[0], 'height': size[1], 'deviceScaleFactor': 1,
        'mobile': size[0] < 600})
    time.sleep(1)  # the page asks for pictures of the new width


def teach(folder: Path, shown: Pictures) -> None:
    """Store the tray's first pictures as shots."""
    taught = Folder(folder / 'taught')
    for stamp_ns, jpeg, truth in shown[:SHOTS]:
        taught.add(Question(LESSON.question, '', LESSON.region), truth[LESSON.question], jpeg,
                   stamp_ns)


def take_all(folder: Path, out: Path) -> None:
    """Take each picture of docs/page.md."""
    episode, tray = pictures('episode'), pictures('tray')
    teach(folder, tray)
    with workcell(folder, [jpeg for _, jpeg, _ in episode]) as (camera, screen):
        screen.sees()
        screen.ask('is there a unicorn?')
        screen.ask('how many cubes are there?')
        screen.until(lambda: screen.run(LONGEST_STORY) >= STORY, 'a story')
        fit(screen, DESKTOP)
        screen.until(lambda: screen.ask('what is left of the yellow cone?') == 'several',
                     'the answer')
        take(screen, out / 'look.jpg', DESKTOP, 'dark')
        screen.ask('is there a yellow cone?')
        take(screen, out / 'phone_look.jpg', PHONE, 'light')
        screen.press('s')
        for name, size, theme in (('state', DESKTOP, 'dark'), ('phone_state', PHONE, 'light')):
            take(screen, out / f'{name}.jpg', size, theme)

        camera.show([jpeg for _, jpeg, _ in tray[SHOTS:]], 1)
        screen.press('t')
        screen.until(lambda: LESSON.question in screen.text('#taught'), 'the question')
        Select(screen.find('#taught')).select_by_value(LESSON.question)
        screen.until(lambda: len(screen.texts('.thumb img')) == SHOTS, 'the shots')
        screen.click('#fit')
        screen.until(lambda: 'version 1 answers' in screen.text('.on-off'), 'the judgement')
        screen.click('#shadow')
        screen.until(lambda: '%' in screen.text('.shadow'), 'a trial')
        for name, size, theme in (('teach', DESKTOP, 'dark'), ('phone_teach', PHONE, 'light')):
            take(screen, out / f'{name}.jpg', size, theme, whole=True)


def main() -> None:
    """Take the pictures."""
    out = Path(sys.argv[1] if sys.argv[1:] else 'docs/page')
    with ros() as folder:
        take_all(folder, out)


if __name__ == '__main__':
    main()
