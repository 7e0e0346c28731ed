"""Without ROS: a bag with its time line, a folder, uploads, over a real server."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from helpers.page import EPISODE, ROOT, Page, serving

from latent_vqa_ros.cli import main as cli
from latent_vqa_ros.web import stills
from latent_vqa_ros.web.stills import Stills, folder_reel

ODD = os.fsdecode(b'caf\xe9.png')  # a name that is not UTF-8


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('photos')
    for name, colour in (('b.png', (0, 0, 255)), ('a.jpg', (255, 0, 0)),
                         (ODD, (0, 255, 0))):
        pixels = np.full((60, 80, 3), colour, np.uint8)
        (folder / name).write_bytes(cv2.imencode(name[-4:], pixels)[1].tobytes())
    (folder / 'notes.txt').write_text('no picture')
    return folder


@pytest.fixture(scope='module')
def page(tmp_path_factory, folder):
    log = tmp_path_factory.mktemp('page') / 'log'
    shown = '--bag', str(EPISODE), '--folder', str(folder)
    with serving(log, 'web', *shown, '--port', '0') as page:
        yield page


@pytest.fixture
def link(page):
    with page.link() as link:
        yield link


def test_the_bag_is_shown_at_once_and_goes_on(link):
    hello = link.until('hello')
    assert hello['cameras'][0] == 'camera'
    link.say({'do': 'watch', 'camera': 'camera', 'width': 224})
    first = link.until('picture')
    assert first['head']['width'] == 224
    link.say({'do': 'drawn'})
    assert link.until('picture')['jpeg'] != first['jpeg']


def test_a_picture_comes_only_after_the_last_one_is_drawn(link):
    link.say({'do': 'watch', 'camera': 'camera', 'width': 224})
    link.until('picture')
    link.wire.settimeout(1.0)
    kinds = set()
    with suppress(TimeoutError):
        while True:
            kinds.add(link.receive()['kind'])
    assert 'picture' not in kinds


def test_a_place_in_the_bag_answers_the_same_each_time(link):
    link.say({'do': 'play', 'camera': 'camera', 'value': False})
    answers = set()
    for at_s in (2.0, 20.0, 2.0, 20.0):
        link.say({'do': 'seek', 'camera': 'camera', 'value': at_s})
        link.until('reel', position=at_s)
        answers.add((at_s, link.ask('what is in the tray?')['answer']))
    link.say({'do': 'play', 'camera': 'camera', 'value': True})
    assert answers == {(2.0, 'nothing'), (20.0, 'several')}


def test_a_folder_shows_its_pictures_in_order_by_place_not_by_path(link, folder):
    reel = link.until('reel', camera=folder.name)
    assert (reel['count'], reel['label']) == (3, 'a.jpg')
    link.say({'do': 'seek', 'camera': folder.name, 'value': 1.0})
    assert link.until('reel', camera=folder.name)['label'] == 'b.png'
    link.say({'do': 'watch', 'camera': '../../etc/passwd', 'width': 80})
    link.say({'do': 'seek', 'camera': '../../etc/passwd', 'value': 0.0})
    assert 'vqa_web' in link.until('notice')['text']


def test_a_name_that_is_not_utf8_does_not_end_the_link(link, folder):
    link.say({'do': 'seek', 'camera': folder.name, 'value': 2.0})
    assert link.until('reel', camera=folder.name, position=2.0)['label'] == ODD
    link.say({'do': 'seek', 'camera': folder.name, 'value': 0.0})
    assert link.until('reel', camera=folder.name, position=0.0)['label'] == 'a.jpg'


def test_a_folder_whose_name_is_not_utf8_is_called_as_a_browser_can_say_it(tmp_path):
    folder = tmp_path / os.fsdecode(b'f\xfcr')
    folder.mkdir()
    (folder / 'a.png').write_bytes(b'')
    assert folder_reel(folder).camera == 'f\ufffdr'


def test_pictures_of_a_folder_that_are_not_shown_are_counted(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(stills, 'MOST_FILES', 2)
    for name in 'cab':
        (tmp_path / f'{name}.jpg').write_bytes(b'')
    assert folder_reel(tmp_path).labels == ['a.jpg', 'b.jpg']
    assert 'the first 2 of 3 pictures are shown' in caplog.text


def test_a_still_picture_comes_again_to_who_looks_away_and_back(link, folder):
    for camera in (folder.name, None, folder.name, 'camera', folder.name):
        link.say({'do': 'watch', 'camera': camera, 'width': 80})
        link.say({'do': 'drawn'})
        while camera and link.until('picture')['head']['camera'] != camera:
            link.say({'do': 'drawn'})


def test_hello_says_what_time_it_is_here(page):
    before = time.time()
    with page.link() as link:
        assert before <= link.until('hello')['now'] <= time.time()


def test_a_program_is_told_where_the_page_is():
    command = [sys.executable, '-m', 'latent_vqa_ros.cli.main', 'web', '--port', '0', '--json']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            url = json.loads(process.stdout.readline())['url']
            page = Page(urlsplit(url).port)
            assert (page.url, page.request()[0]) == (url, 200)
        finally:
            process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ''
    assert process.returncode == 0


@pytest.mark.parametrize('port', ['65536', '80800'])
def test_a_port_that_there_cannot_be_is_bad_usage(port, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(['web', '--port', port])
    assert stop.value.code == 2
    assert f'a port from 0 to 65535, not {port!r}' in capsys.readouterr().err.splitlines()[-1]


def test_an_upload_is_shown_and_can_be_asked_about(page, link):
    picture = cv2.imencode('.png', np.full((90, 120, 3), 128, np.uint8))[1].tobytes()
    assert page.upload(picture, 'mine.png') == (204, '')
    reel = link.until('reel', look=True)
    assert reel['label'] == 'mine.png'
    detail = link.ask('is there a cube?', camera=reel['camera'])
    assert detail['camera'] == reel['camera']
    assert detail['status'] in ('ok', 'unsure', 'unfamiliar_image')
    link.say({'do': 'watch', 'camera': reel['camera'], 'width': 120})
    assert link.until('picture')['head']['height'] == 90


def test_what_is_answered_is_told_to_who_comes_later(page, link):
    link.ask('how many things are there?', 'before')
    with page.link() as later:
        while later.until('detail')['detail']['id'] != 'before':
            pass


def test_uploads_are_answered_by_the_model_that_the_node_has_now():
    loaded, bundle = [], ['tabletop']
    stills = Stills(lambda: loaded.append(bundle[0]) or bundle[0], [], lambda: tuple(bundle))
    assert [stills.pipeline, stills.pipeline] == ['tabletop'] * 2
    bundle[0] = 'easy_vqa'
    assert [stills.pipeline, stills.pipeline] == ['easy_vqa'] * 2
    assert loaded == ['tabletop', 'easy_vqa']


def test_a_still_picture_comes_again_larger_where_the_page_grows(link):
    link.say({'do': 'play', 'camera': 'camera', 'value': False})
    link.say({'do': 'seek', 'camera': 'camera', 'value': 0.0})
    widths = []
    for width in (64, 224):
        link.say({'do': 'watch', 'camera': 'camera', 'width': width})
        jpeg = link.until('picture')['jpeg']
        link.say({'do': 'drawn'})
        widths.append(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape[1])
    assert widths[0] < widths[1]
