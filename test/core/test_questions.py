import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.core.questions import parse

CAMERAS = ('front', 'rear')
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(['id', 'question', 'camera', 'x']), inner, max_size=4),
    max_leaves=8)


def only(message, cameras=('',), **options):
    request, = parse(message, cameras, **options)
    return request


def test_plain_text_is_a_question_to_the_first_camera():
    request = only('  is it red? ', CAMERAS)
    assert (request.question, request.camera, request.id, request.error) == (
        'is it red?', 'front', None, '')


def test_at_sign_names_a_camera_or_all():
    assert only('@rear is it red?', CAMERAS).camera == 'rear'
    assert [r.camera for r in parse('@all is it red?', CAMERAS)] == ['front', 'rear']


def test_any_blank_ends_the_name_of_a_camera():
    for blank in ('\t', '\n', '  '):
        request = only(f'@rear{blank}is it red?', CAMERAS)
        assert (request.camera, request.question, request.error) == ('rear', 'is it red?', '')


def test_a_camera_that_is_called_all_is_that_camera():
    assert [r.camera for r in parse('@all is it red?', ('front', 'all'))] == ['all']


@pytest.mark.parametrize('text', ['{"question": "what \\ud800 color"}', 'what \ud800 color'])
def test_a_lone_surrogate_is_a_character_that_nobody_knows(text):
    assert only(text).question == 'what \ufffd color'


def test_an_empty_camera_in_json_is_the_first_one():
    request = only('{"question": "is it red?", "camera": ""}', CAMERAS)
    assert (request.camera, request.error) == ('front', '')


def test_a_question_to_nobody_is_not_repeated_in_full():
    request = only('@nobody ' + 'x' * 100_000, CAMERAS)
    assert 'unknown camera' in request.error
    assert len(request.question) <= 200


def test_json_carries_id_and_camera():
    request = only('{"id": "a7", "question": "is it red?", "camera": "rear"}', CAMERAS)
    assert (request.id, request.question, request.camera) == ('a7', 'is it red?', 'rear')
    request = only('{"id": 7, "question": "is it red?", "Camera": "rear"}', CAMERAS)
    assert (request.id, request.question) == (7, 'is it red?')
    assert "unknown key 'Camera' in the JSON; known: question, camera, id" in request.error
    every = parse('{"id": 3, "question": "is it red?", "camera": "all"}', CAMERAS)
    assert [(r.id, r.camera) for r in every] == [(3, 'front'), (3, 'rear')]


@pytest.mark.parametrize(('message', 'said'), [
    ('', 'empty'), ('   ', 'empty'), ('@front', 'empty'), ('@left is it red?', "'left'"),
    ('{"id": true, "question": "x"}', 'the id must be'),
    ('{"question": " @rear is it red?"}', 'stands under "camera"'),
    ('{"question": "x"', 'broken JSON'), ('{"id": 1}', '"question"'),
    ('{"question": 5}', '"question"'), ('{"question": "x", "camera": 5}', 'camera'),
    ('{"question": "x", "camera": "left"}', "'left'"), ('{"question": "x", "id": []}', 'id'),
    ('{"question": "x", "id": NaN}', 'broken JSON'), ('{"question": "x", "id": 1e999}', 'id'),
    ('{"question": " "}', 'empty'), ('{"question": "x", "cam": "rear"}', "unknown key 'cam'"),
    ('{"question": "is it red", "question": "is it blue"}', 'broken JSON'),
    ('{"question": "x", "camera": "front", "camera": "rear"}', 'broken JSON'),
    ('x' * 65, '65 characters'), ('x' * 100_000, '100000 characters'),
    ('{"question": "' + 'x' * 100_000 + '"}', 'far more than a question of 64'),
    ('{"question": "' + 'x' * 60_000 + '"}', '60000 characters'),
])
def test_what_is_wrong_is_said(message, said):
    assert said in only(message, CAMERAS, max_length=64).error


def test_what_is_too_long_is_told_to_each_camera_asked():
    requests = parse('@all ' + 'x' * 65, CAMERAS, max_length=64)
    assert [request.camera for request in requests] == list(CAMERAS)
    assert all('65 characters' in request.error for request in requests)


def test_the_length_of_a_question_is_not_that_of_its_json():
    escaped = json.dumps({'id': 3, 'question': 'é' * 64})
    assert only(escaped, CAMERAS, max_length=64).error == ''
    assert only(json.dumps({'question': '🙂' * 8000}), CAMERAS, max_length=8000).error == ''
    for count in (65, 5000):
        requests = parse(json.dumps({'id': 3, 'question': 'é' * count, 'camera': 'all'}), CAMERAS,
                         max_length=64)
        assert [(one.camera, one.id) for one in requests] == [(name, 3) for name in CAMERAS]
        assert all(f'{count} characters' in one.error for one in requests)


def test_a_camera_that_is_not_known_gets_one_answer_with_the_id():
    request = only('{"id": 9, "question": "x", "camera": "left"}', CAMERAS)
    assert request.id == 9
    assert 'front, rear' in request.error


@given(st.text(max_size=600) | json_values.map(json.dumps) | st.binary().map(
    lambda data: data.decode('utf-8', 'surrogateescape')), st.sampled_from([('',), CAMERAS]))
def test_any_message_gives_requests_that_can_be_answered_on_a_topic(message, cameras):
    requests = parse(message, cameras, max_length=64)
    assert requests
    for request in requests:
        text = json.dumps([request.id, request.question, request.camera, request.error],
                          allow_nan=False, ensure_ascii=False)
        assert len(text.encode('utf-8')) < 4000
        assert request.error or (request.question and request.camera in cameras)


@pytest.mark.parametrize('id_', ['x' * 257, 10 ** 300])
def test_an_id_that_nobody_needs_is_refused_and_not_repeated(id_):
    request = only(json.dumps({'id': id_, 'question': 'is it red?'}))
    assert 'at most 256' in request.error
    assert request.id is None
    assert len(request.question) <= 200


def test_an_id_may_have_256_characters():
    request = only(json.dumps({'id': 'x' * 256, 'question': 'is it red?'}))
    assert (request.id, request.error) == ('x' * 256, '')
