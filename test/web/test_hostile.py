"""What an attacker sends loses nothing, shows nothing, and leaves the page to its people."""

import gzip
import socket
import struct
import time
import zlib

import pytest
from helpers.page import EPISODE, LIMIT, read_response, serving

from latent_vqa_ros.web import guard

TOKEN = 'a-token-of-sufficient-length'
FORM = 'application/x-www-form-urlencoded'


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    log = tmp_path_factory.mktemp('page') / 'log'
    with serving(log, 'web', '--bag', str(EPISODE), '--port', '0') as page:
        yield page


@pytest.fixture(scope='module')
def locked(tmp_path_factory):
    log = tmp_path_factory.mktemp('locked') / 'log'
    with serving(log, 'web', '--port', '0', '--host', '127.0.0.1', '--token', TOKEN) as page:
        yield page


@pytest.fixture(autouse=True)
def _still_serves(page):
    yield
    with page.link() as link:
        assert link.ask('how many things are there?')['status'] == 'ok'


@pytest.mark.parametrize('origin', ['http://evil.example', 'null', '', 'file://', 'http://['])
def test_another_origin_gets_no_link_and_uploads_nothing(page, origin):
    assert page.link(Origin=origin).status == 403
    assert page.request('POST', '/picture', b'x', Origin=origin)[0] == 403


def test_another_site_that_points_its_name_here_sees_nothing(page):
    status, _, body = page.request(Host='evil.example:8080')
    assert status == 403
    assert b'<html' not in body


@pytest.mark.parametrize('host', ['a:b:c', 'localhost:99999999', '[', '::'])
def test_a_host_that_is_none_sees_the_door(locked, host):
    assert locked.request(Host=host)[0] == 401
    assert locked.request('POST', '/token', b'token=x', Host=host, Origin=f'http://{host}',
                          Content_Type=FORM)[0] in (401, 403)
    assert 'Traceback' not in locked.log.read_text()


def test_an_old_link_with_a_token_opens_a_page_that_needs_none(page):
    assert page.request(path='/?token=old')[0] == 200


@pytest.mark.parametrize('token', ['', 'wrong', TOKEN[:-1], TOKEN + 'x', '%C3%A9' * 16])
def test_a_wrong_token_sees_the_door_only(locked, token):
    status, headers, body = locked.request(path=f'/?token={token}')
    assert status == 401
    assert 'set-cookie' not in headers
    assert b'main.js' not in body
    assert locked.request(path='/static/main.js')[0] == 401
    assert locked.link().status == 401
    assert locked.link(Cookie=f'vqa_page_{locked.port}=' + 'f' * 64).status == 401


def test_the_right_token_is_shown_once_and_stands_in_no_log_and_no_cookie(locked):
    status, headers, _ = locked.request(path=f'/?token={TOKEN}')
    assert (status, headers['location']) == (303, './')
    cookie = headers['set-cookie']
    assert 'httponly' in cookie
    assert 'samesite=lax' in cookie
    assert TOKEN not in cookie
    assert cookie.startswith(f'vqa_page_{locked.port}=')  # another port's stays as it is
    with locked.link(Cookie=cookie.partition(';')[0]) as link:
        assert link.until('hello')['kind'] == 'hello'
    assert TOKEN not in locked.log.read_text()


@pytest.mark.parametrize(('body', 'kind', 'status'), [
    (f'token={TOKEN}', FORM, 303), ('token=wrong', FORM, 401), ('', FORM, 401),
    (f'token={TOKEN}', 'multipart/form-data; boundary=x', 415), (f'token={TOKEN}', '', 415),
    ('&x=y' * 20 + '&%ff=\xff', FORM, 401),
    (f'x=1&token=%{ord(TOKEN[0]):02x}{TOKEN[1:]}', FORM, 303),
    (f'token={TOKEN}&x=' + 'y' * 5000, FORM, 413)])
def test_the_form_of_the_token_is_short_and_of_one_kind(locked, body, kind, status):
    assert locked.request('POST', '/token', body.encode(), Content_Type=kind,
                          Origin=f'http://{locked.host}')[0] == status


def test_a_body_is_not_unpacked(locked):
    """A few bytes may unpack to gigabytes, before anything asks how long they are."""
    packed = gzip.compress(f'token={TOKEN}'.encode())
    assert locked.request('POST', '/token', packed, Content_Type=FORM, Content_Encoding='gzip',
                          Origin=f'http://{locked.host}')[0] == 401


@pytest.mark.parametrize(('head', 'begun'), [
    ('Content-Length: 20000000', b''), ('Transfer-Encoding: chunked', b'2000\r\n' + b'x' * 8192)])
def test_a_form_that_is_too_long_is_refused_before_it_has_come(locked, head, begun):
    with locked.connect() as wire:
        wire.sendall(f'POST /token HTTP/1.1\r\nHost: {locked.host}\r\nContent-Type: {FORM}\r\n'
                     f'Origin: http://{locked.host}\r\n{head}\r\n\r\n'.encode() + begun)
        assert read_response(wire)[0] == 413


def test_an_upload_of_a_gigabyte_is_refused_before_it_is_read(page):
    with page.connect() as wire:
        wire.sendall(f'POST /picture HTTP/1.1\r\nHost: {page.host}\r\nOrigin: http://{page.host}'
                     '\r\nContent-Length: 1000000000\r\nConnection: close\r\n\r\n'.encode())
        sent = 0
        try:
            while sent < 100_000_000:
                sent += wire.send(b'x' * 100_000)
        except OSError:
            pass
    assert sent < 60_000_000
    assert page.memory_mb < 400


def test_a_connection_that_says_nothing_whole_is_ended(page):
    slow = [page.connect() for _ in range(5)]
    for wire in slow:
        wire.sendall(b'GET / HTTP/1.1\r\nHost: ')
        wire.settimeout(guard.PATIENCE + LIMIT)
    assert [ended(wire) for wire in slow] == [True] * 5


def ended(wire):
    try:
        return wire.recv(100) == b''
    except ConnectionError:
        return True


def test_more_connections_than_the_bound_are_turned_away(page):
    many = [page.connect() for _ in range(guard.MOST + 20)]
    time.sleep(0.5)
    for wire in many:
        wire.settimeout(0.05)
    turned = 0
    for wire in many:
        try:
            turned += wire.recv(1) == b''
        except TimeoutError:
            pass
        except ConnectionError:
            turned += 1
        wire.close()
    assert turned >= 20


@pytest.mark.parametrize(('number', 'message'), [
    (10_000, {'do': 'play', 'camera': 'camera', 'value': True}),
    (1000, {'do': 'drawn'})])  # without a picture
def test_too_many_messages_end_the_connection_and_nothing_else(page, number, message):
    with page.link() as link:
        try:
            for _ in range(number):
                link.say(message)
        except OSError:
            pass
        event = link.receive()
        while event and event['kind'] != 'closed':
            event = link.receive()
        assert event is None or (event['code'], event['why']) == (1008, 'too many messages')


@pytest.mark.parametrize(
    'text', ['{', 'null', '{"do":', '\u0000', '{"do": "ask"}', '{"do": []}', '{"do": {}}',
             '"' + 'x' * 999])
def test_broken_json_is_said_and_the_link_stays(page, text):
    with page.link() as link:
        link.say(text)
        assert link.until('notice')['text'].startswith('Not understood')
        assert link.ask('how many things are there?')['status'] == 'ok'


def test_a_message_beyond_the_bound_ends_the_connection(page):
    with page.link() as link:
        link.say('x' * 100_000)
        event = link.receive()
        while event and event['kind'] != 'closed':
            event = link.receive()
        assert event is None or event['code'] == 1009


@pytest.mark.parametrize('question', [
    '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', 'is there a cube?\x00\x1b[31m',
    '@../../etc/passwd what?', '{"question": "x", "camera": {}}', 'x' * 60_000, '\ud800'])
def test_a_hostile_question_is_text_and_gets_its_detail(page, question):
    with page.link() as link:
        detail = link.ask(question)
    assert detail['status'] in ('bad_question', 'unknown_words')


@pytest.mark.parametrize('path', [
    '/static/../server.py', '/static/..%2fserver.py', '/static/%2e%2e/server.py',
    '/static/....//server.py', '/static//etc/passwd', '/static/page.css%00.js',
    '/../../etc/passwd', '/static/', '/picture', '/etc/passwd'])
def test_no_path_reaches_the_disk(page, path):
    status, _, body = page.request(path=path)
    assert status in (400, 403, 404, 405)
    assert b'root:' not in body
    assert b'aiohttp' not in body


def bomb(width, height, rows):
    """Return a PNG of a few kilobytes that says it is so large."""
    def chunk(kind, data):
        return (struct.pack('>I', len(data)) + kind + data
                + struct.pack('>I', zlib.crc32(kind + data)))
    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(rows * (1 + 3 * width)), 9)
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        chunk(*each) for each in ((b'IHDR', head), (b'IDAT', body), (b'IEND', b'')))


@pytest.mark.parametrize('content', [
    bomb(100_000, 100_000, 10), bomb(2**31 - 1, 1, 0), b'', b'GIF89a', b'\xff\xd8\xff\xd9',
    b'\x89PNG\r\n\x1a\n' + bytes(100)])
def test_a_decompression_bomb_or_no_picture_is_refused_in_one_line(page, content):
    status, text = page.upload(content)
    assert status == 422
    assert text.startswith('That picture cannot be used')
    assert '\n' not in text
    assert page.memory_mb < 400


def test_every_answer_has_the_strict_headers(page):
    for path in ('/', '/static/main.js', '/nothing'):
        headers = page.request(path=path)[1]
        policy = headers['content-security-policy']
        assert "default-src 'none'" in policy
        assert 'unsafe' not in policy
        assert headers['x-content-type-options'] == 'nosniff'
        assert 'aiohttp' not in headers['server']


def test_a_head_without_end_is_refused(page):
    with page.connect() as wire:
        wire.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n')
        try:
            for _ in range(2000):
                wire.sendall(b'X-Filler: ' + b'y' * 100 + b'\r\n')
            wire.sendall(b'\r\n')
            wire.shutdown(socket.SHUT_WR)
            status = read_response(wire)[0]
        except OSError:
            status = 400  # it has hung up
    assert status == 400
