"""The same question in words that a model was asked: "any balls?" is "are there any balls".

For questions that cannot be asked as they stand. A text is changed only where the other one asks
the same of each picture: "the blue one" after "the green cube" is a cube, but "both cubes" is not
"all the cubes", and "the leftmost cube" not "the cube on the left". English, as `asking`; knows no
model but the nouns that it is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from latent_vqa_ros.core.asking import ASKING
from latent_vqa_ros.core.colours import WORDS as COLOURS
from latent_vqa_ros.core.tokenizer import words

_ALL = 'are all the things '
_SAID = tuple((re.compile(pattern), plain) for pattern, plain in (
    (r'\b(what|where|there)s\b', r"\1's"),
    (r' (?:altogether|overall|currently|at the moment|to you|for me)\b', ''),
    (r'\b(?:do|can) (?:i|we) (?:have|see)\b|\bhave (?:i|we|you) got\b', 'do you see'),
    (r'\bits (gripper|hand)\b', r'the \1'),
    (r'^(?:on )?(?:which|what) side (?:of the (?:picture|image|photo|scene|view) )?'
     r'is (the(?: \w+){1,3})(?<! on)(?: on)?$', r'where is \1'),
    (r'^is everything ', _ALL),
    (r'^are (?:they|all of (?:them|these|those)) (?:all )?', _ALL),
    (r'^are (?:these|those) all ', _ALL),
    (r'^are (?:these|those) (?=\w+$)', _ALL),
    (r'^((?:what|which) colou?r) (?:is everything|are (?:they|these|those))$',
     r'\1 are the things'),
    (r'^does (the .+) look (\w+)$', r'is \1 \2'),
    (r'^do (the .+) look (\w+)$', r'are \1 \2')))
_NAMED = COLOURS | {'small', 'little', 'large', 'big'}  # "the red one"
_AMOUNTS = frozenset(('any', 'a', 'an', 'two', 'three', 'four', 'five', '2', '3', '4', '5'))
_COMPARED = (['at', 'least'], ['at', 'most'], ['more', 'than'], ['fewer', 'than'],
             ['less', 'than'])


def restated(text: str, nouns: Collection[str]) -> str:
    """Return the same question in other words, '' where none are known.

    ``nouns`` are those that a model is asked about, each in singular and plural; other words may
    stand among them.
    """
    said = words(text)
    plural = {one: many for one in nouns for many in (f'{one}s', f'{one}es') if many in nouns}
    asked = ' '.join(said)
    for pattern, plain in _SAID:
        asked = pattern.sub(plain, asked)
    found = _with_nouns(asked.split(' '), plural)
    if _AMOUNTS.issuperset(said[:1]) or said[:2] in _COMPARED:
        found = _with_verb(text, found, plural)
    return '' if found == said else ' '.join(found)


def _with_nouns(said: Sequence[str], plural: dict[str, str]) -> list[str]:
    """Return "the green cube … the blue cube" for "the green cube … the blue one".

    Nothing changes where several nouns come before, and of "the blue ones" and "the blue one or
    the green one"; where no noun does, "one" is a thing.
    """
    if said.count('one') > 1:
        return list(said)
    singular = {many: one for one, many in plural.items()}
    found: list[str] = []
    for word in said:
        before = {singular.get(noun, noun) for noun in found
                  if noun in plural or noun in singular}
        if (len(before) < 2 and found and found[-1] in _NAMED and (
                word == 'one' or word == 'ones' and 'the' not in found[-3:])):
            noun = min(before, default='thing')
            word = noun if word == 'one' else plural.get(noun, word)
        found.append(word)
    return found


def _with_verb(text: str, said: list[str], plural: dict[str, str]) -> list[str]:
    """Return "are there two cubes" for "two cubes?"; "any cubes" needs no question mark."""
    noun = next((word for word in said if word in plural or word in plural.values()), '')
    if (not noun or not ASKING.isdisjoint(said)
            or said[0] != 'any' and ('?' not in text or 'or' in said)):  # "a cube or a ball?"
        return said
    return [*(('is', 'there') if noun in plural else ('are', 'there')), *said]
