"""Broken questions: a table from the fault's name to the message and the statuses that fit it.

What has an id in its JSON would be counted by that id; none of these carries one, so that they
are counted by their number. ``text`` makes a message that no publisher of rclpy would send.
"""

from __future__ import annotations

import json
import struct

from std_msgs.msg import String

BAD = {'bad_question'}
UNKNOWN = {'unknown_words', 'bad_question'}
HEARD = UNKNOWN | {'ok', 'unsure'}  # characters that show nothing are passed over
GOOD = 'what color is the shape?'


def text(content: bytes) -> bytes:
    """Return a serialized std_msgs/String of any bytes (CDR, little endian)."""
    return b'\x00\x01\x00\x00' + struct.pack('<I', len(content) + 1) + content + b'\x00'


def document(**fields: object) -> str:
    return json.dumps({'question': GOOD, **fields})


QUESTIONS: dict[str, tuple[str | bytes, set[str]]] = {
    'an empty question': ('', BAD),
    'a question of blanks': (' \t\n\r ', BAD),
    'a question that is not UTF-8': (text(b'what \xff\xfe\x80 color'), HEARD),
    'a question of every byte': (text(bytes(range(1, 256))), UNKNOWN),
    'a question with surrogates': (text(b'what \xed\xa0\x80 color \xed\xbf\xbf'), HEARD),
    'JSON with escaped surrogates': ('{"question": "what \\ud800 color \\udfff"}', HEARD),
    'a question of control characters': (''.join(map(chr, range(1, 32))), HEARD),
    'a question with a NUL inside': (text(b'what\x00color'), HEARD),
    'a question with terminal escapes': ('\x1b[2J\x1b[31mwhat', HEARD),
    'a question of emoji': ('\U0001f916' * 50, UNKNOWN),
    'a number below zero': ('is it -2', UNKNOWN),
    'a number with a point': ('is it 2.5', UNKNOWN),
    'a half': ('is it \u00bd', UNKNOWN),
    'a sign before a number': ('is it >2', UNKNOWN),
    'an emoji among known words': ('is the \U0001f7e2 shape red', UNKNOWN),
    'two questions in one text': ('is it a circle? what color is the shape?', BAD | UNKNOWN),
    'two questions on two lines': (f'{GOOD[:-1]}\n{GOOD}', BAD),
    'two sentences in JSON': (document(question=f'{GOOD} {GOOD}'), BAD),
    'two questions and a comma': ('what color is the shape, what shape is the shape', BAD),
    'a text that asks nothing': ('the', BAD),
    'words that begin a question': ('what is the', BAD),
    'one word that could begin a question': ('what', BAD),
    'JSON with a key twice': ('{"question": "what", "question": "is it red"}', BAD),
    'a question written right to left': ('\u202ewhat color\u202c', HEARD),
    'a question of a megabyte': ('what ' * 200_000, BAD),
    'a question of a megabyte, not UTF-8': (text(b'\xff' * 1_000_000), BAD),
    'a JSON question of a megabyte': (document(question='x' * 1_000_000), BAD),
    'a JSON id of a megabyte': (document(id='x' * 1_000_000), BAD),
    'broken JSON': ('{"id": 1, "question": ', BAD),
    'JSON with a trailing comma': ('{"question": "what",}', BAD),
    'JSON with a byte order mark': ('\ufeff{"question": "what"', UNKNOWN),
    'JSON of a list': ('[{"question": "what color"}]', UNKNOWN),
    'JSON without a question': ('{}', BAD),
    'a JSON question that is a number': (document(question=5), BAD),
    'a JSON question that is null': (document(question=None), BAD),
    'a JSON question that is a list': (document(question=[GOOD]), BAD),
    'a JSON camera that is a number': (document(camera=5), BAD),
    'a JSON camera that is an object': (document(camera={'name': 'front'}), BAD),
    'a JSON id that is a list': (document(id=[1]), BAD),
    'a JSON id that is an object': (document(id={'a': 1}), BAD),
    'a JSON id that is NaN': ('{"id": NaN, "question": "what"}', BAD),
    'a JSON id that is infinite': ('{"id": 1e999, "question": "what"}', BAD),
    'JSON with deep nesting': ('{"question": ' + '[' * 200 + ']' * 200 + '}', BAD),
    'JSON with deep nesting of objects': ('{"id":' * 80 + '1' + '}' * 80, BAD),
    'an unknown camera': ('@nowhere what color is the shape?', BAD),
    'an unknown camera in JSON': (document(camera='nowhere'), BAD),
    'a camera and no question': ('@front', BAD),
    'an at sign and nothing else': ('@', BAD),
    'all cameras and no question': ('@all', BAD),
    'words the model does not know': ('quo vadis domine', UNKNOWN),
    'the same word 50 times': ('what ' * 50, HEARD),
}


def message(content: str | bytes) -> String | bytes:
    """Return what a publisher takes: a message, or its bytes."""
    return content if isinstance(content, bytes) else String(data=content)
