"""What a browser sends is a command of a known form, or one line that says what is wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.web.messages import MessageError, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12)
DO = ['watch', 'drawn', 'ask', 'teach', 'set', 'enable', 'play', 'seek']
KEYS = ['camera', 'width', 'id', 'question', 'message', 'name', 'value']


@given(st.text() | JSON.map(json.dumps)
       | st.dictionaries(st.sampled_from(KEYS), JSON).flatmap(
           lambda keys: st.sampled_from(DO).map(lambda do: json.dumps({'do': do, **keys}))))
def test_whatever_comes_is_a_command_or_one_line(text):
    command, error = None, ''
    try:
        command = parse(text)
    except MessageError as refused:
        error = str(refused)
    assert command or (error and '\n' not in error)
    if command:
        assert command['do'] in DO
        json.dumps(command, allow_nan=False).encode()  # all of it can go on to a topic


@pytest.mark.parametrize(('message', 'command'), [
    ({'do': 'watch', 'camera': 'front', 'width': 960, 'more': 1},
     {'do': 'watch', 'camera': 'front', 'width': 960}),
    ({'do': 'watch', 'camera': None, 'width': 10**9},
     {'do': 'watch', 'camera': None, 'width': 1920}),
    ({'do': 'ask', 'id': 'page-1', 'question': '<b>?', 'camera': ''},
     {'do': 'ask', 'id': 'page-1', 'question': '<b>?', 'camera': ''}),
    ({'do': 'set', 'name': 'standing_questions', 'value': ['a', 'b']},
     {'do': 'set', 'name': 'standing_questions', 'value': ['a', 'b']}),
])
def test_a_command_keeps_what_its_form_has(message, command):
    assert parse(json.dumps(message)) == command


@pytest.mark.parametrize('message', [
    '', '[]', '{"do": "reboot"}', '{"do": "ask", "id": "../x", "question": "?", "camera": null}',
    '{"do": "ask", "id": "a", "question": 7, "camera": null}', '{"do": "seek", "value": NaN}',
    '{"do": "set", "name": "a b", "value": 1}', '{"do": "set", "name": "a", "value": {}}',
    '{"do": "enable", "value": 1}', '{"do": "teach", "message": "fit"}', '[' * 100_000,
])
def test_what_no_form_has_is_refused(message):
    with pytest.raises(MessageError):
        parse(message)
