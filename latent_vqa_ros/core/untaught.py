"""Ways to put words together that a model was never asked, though it knows each word.

It reads "on the table" as "near the edge of the table", and is sure of its answer. What stands
here was measured wrong on `tabletop`, in questions whose like it answers, is like that (places of
several things, attributes of a tray), or leaves open what it compares with ("what is in front").
What it reads right without having been taught is let through.
Each way binds the models alone that have an example of what it is mistaken for, and
none of the way itself. Knows no model; `asking` uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from latent_vqa_ros.core.colours import WORDS as COLOURS

_PICTURES = frozenset(('picture', 'image', 'photo', 'scene', 'view'))
_AREAS = frozenset(('middle', 'center', 'centre', 'left', 'right'))  # of a picture
_HOLDERS = frozenset(('tray', 'gripper', 'hand', 'robot', 'front', 'shape')) | _PICTURES | _AREAS
_TABLES = frozenset(('table', 'desk'))
_BARE = frozenset(('empty', 'clear', 'free', 'bare'))
_STILL = frozenset(('is', 'still', 'really', 'now', 'completely'))  # before it
_DEVICES = frozenset(('tray', 'gripper', 'robot', 'hand', 'camera'))
_AMOUNTS = frozenset(('than', 'only', 'just', 'exactly', 'least', 'most'))
_EACH = frozenset(('every', 'each'))
_PLACES = frozenset(('left', 'right', 'front', 'behind', 'on', 'in', 'inside', 'nearer', 'closer',
                     'further', 'farther', 'edge', 'where'))
_ATTRIBUTES = frozenset(('color', 'colour', 'shape', 'size', 'number', 'count'))
_OPEN = frozenset(('what', "what's", 'which')) | _ATTRIBUTES
_SIZES = frozenset(('large', 'big', 'small', 'little'))
_NUMBERS = frozenset(('two', 'three', 'four', 'five', '2', '3', '4', '5'))
_POLITE = frozenset(('please', 'now', 'right'))  # after a question
_AT = frozenset(('edge', 'left', 'right', 'top', 'least', 'most'))
_AWAY = {'nearer': ('than',), 'closer': ('than',), 'further': ('away', 'than'),
         'farther': ('away', 'than'), 'away': ('than',)}
_ANY = frozenset(('thing', 'object', 'item'))
_KIND = COLOURS | _SIZES | {'a', 'an'}  # what begins to say of which kind a thing is


class Way(NamedTuple):
    """A way of asking, what tells of it, and words that an example has of what it is read as."""

    asks: Callable[[str, Sequence[str]], bool]
    reason: str
    taught: frozenset[str]


def _is_near(_text: str, said: Sequence[str]) -> bool:
    """Return whether "near" and its like are of another thing than the edge."""
    return any(word in ('near', 'close') and 'edge' not in said[i + 1:i + 5]
               or word == 'at' and _AT.isdisjoint(said[i + 1:i + 4])
               for i, word in enumerate(said))


def _is_away(_text: str, said: Sequence[str]) -> bool:
    return any(word in _AWAY and after not in _AWAY[word]
               for word, after in zip(said, (*said[1:], ''), strict=True))


def _is_in_front(_text: str, said: Sequence[str]) -> bool:
    return any(word == 'front' and after != 'of'
               for word, after in zip(said, (*said[1:], ''), strict=True))


def _is_on_nothing(_text: str, said: Sequence[str]) -> bool:
    """Return whether "on" ends a question: "what is the cube on"."""
    return any(word == 'on' and _POLITE.issuperset(said[i + 1:]) for i, word in enumerate(said))


def _is_on_the_table(_text: str, said: Sequence[str]) -> bool:
    """Return whether it is asked what is on the table: "is the table empty", too."""
    said = [word for word in said if word not in _STILL]  # "whether the table is empty"
    return any(word in _TABLES and (
        said[max(0, i - 2):i - 1] == ['on'] or said[max(0, i - 4):i - 1] == ['on', 'top', 'of']
        or said[i + 1:i + 2] == ['have'] or not _BARE.isdisjoint(said[i + 1:i + 2]))
        for i, word in enumerate(said))


def _asks_of_the_table(text: str, said: Sequence[str]) -> bool:
    """Return whether the table is named, but neither its edge nor what is on it."""
    return any(word in _TABLES and 'edge' not in (*said[max(0, i - 3):i], *said[i + 1:i + 2])
               for i, word in enumerate(said)) and not _is_on_the_table(text, said)


def _counts_at_the_edge(_text: str, said: Sequence[str]) -> bool:
    return 'edge' in said and not {'many', 'count', 'number'}.isdisjoint(said)


def _is_in_a_thing(_text: str, said: Sequence[str]) -> bool:
    return any(word in ('in', 'inside') and after in ('a', 'an', 'the') and thing not in _HOLDERS
               for word, after, thing in zip(said, said[1:], said[2:], strict=False))


def _compares_things(_text: str, said: Sequence[str]) -> bool:
    """Return whether sizes or colours are compared, not numbers: "as large as", "equal"."""
    return any(word in ('larger', 'smaller') and {'number', 'count'}.isdisjoint(said[:i])
               or word == 'equal' and 'number' not in said
               or word in _SIZES and said[i - 1:i] == ['as'] for i, word in enumerate(said))


def _asks_a_difference(_text: str, said: Sequence[str]) -> bool:
    """Return whether "more" is not in "more … than": "how many more", "are there more cubes"."""
    return any(word in ('more', 'fewer', 'less') and (
        said[max(0, i - 2):i] == ['how', 'many'] or {'than', 'or'}.isdisjoint(said[i + 1:]))
        for i, word in enumerate(said))


def _asks_of_the_picture(_text: str, said: Sequence[str]) -> bool:
    """Return whether something else is asked of the picture than whether and how many."""
    return not _PICTURES.isdisjoint(said) and (
        not _OPEN.isdisjoint(said) or 'how' in said and 'many' not in said)


def _asks_if_anything_is(_text: str, said: Sequence[str]) -> bool:
    """Return whether "anything" is to be red or a cube: "is anything red", "is any thing red"."""
    said = [word for word in said if word != 'is']
    return any(after in _KIND and (word in ('anything', 'something')
                                   or word in _ANY and before == 'any')
               for before, word, after in zip(('', *said), said, said[1:], strict=False))


def _asks_of_several(_text: str, said: Sequence[str]) -> bool:
    """Return whether a kind of things is said to be something: "are the cubes red"."""
    return (any(pair == ('are', 'the') for pair in zip(said, said[1:], strict=False))
            or said[:1] == ['are'] and said[1:2] not in (['there'], ['any'], ['you']))


def _asks_where_several_are(text: str, said: Sequence[str]) -> bool:
    """Return whether several things are to be at a place: "are the cubes in the tray"."""
    return ((_asks_of_several(text, said) or not _EACH.isdisjoint(said))
            and _names_a_place(said))


def _names_a_place(said: Sequence[str]) -> bool:
    """Return whether it is said where; "in the picture" and "right?" do not."""
    return any(word in _PLACES and not (
        word == 'in' and not _PICTURES.isdisjoint(said[i + 1:i + 3])
        or word == 'right' and said[i - 1:i] != ['the'] and said[i + 1:i + 2] != ['of'])
        for i, word in enumerate(said))


def _says_a_number_at_a_place(_text: str, said: Sequence[str]) -> bool:
    """Return whether a number of things is to be at a place: "are there two cubes in the tray"."""
    return not _NUMBERS.isdisjoint(said) and 'number' not in said and _names_a_place(said)


def _asks_what_remains(_text: str, said: Sequence[str]) -> bool:
    return any(word == 'left' and after != 'of' and before != 'the' for before, word, after in zip(
        ('', *said), said, (*said[1:], ''), strict=False))


def _asks_of_a_device(_text: str, said: Sequence[str]) -> bool:
    """Return whether it is asked of a tray or gripper how it is or where, not what it holds.

    "A hand" is somebody's, not the gripper.
    """
    return any(word in _DEVICES and (
        word == 'hand' and said[max(0, i - 1):i] == ['a']
        or said[max(0, i - 2):i] == ['of', 'the']
        or said[max(0, i - 2):i] == ['is', 'the'] and (
            not (_ATTRIBUTES | {'where'}).isdisjoint(said[:i])
            or said[i + 1:i + 2] and said[i + 1] in COLOURS | _SIZES | (_PLACES - {'in'})))
        for i, word in enumerate(said))


def _says_a_thing_is_empty(_text: str, said: Sequence[str]) -> bool:
    said = [word for word in said if word not in _STILL]
    return any(word in _BARE and before not in _DEVICES | _TABLES | _PICTURES
               for before, word in zip(said, said[1:], strict=False))


def _denies(_text: str, said: Sequence[str]) -> bool:
    return any(word == 'not' and before != 'or'
               for before, word in zip(('', *said), said, strict=False))


def _says_one_or_both(_text: str, said: Sequence[str]) -> bool:
    """Return whether "one", "both" or "the two" stands for things: "are both cubes red"."""
    return 'both' in said and 'and' not in said or any(
        word == 'one' and before not in _AMOUNTS and after != 'of' or word in _NUMBERS
        and before == 'the' for before, word, after in zip(
            ('', *said), said, (*said[1:], ''), strict=False))


def _is_on_top(_text: str, said: Sequence[str]) -> bool:
    return any(word == 'top' and after != 'of'
               for word, after in zip(said, (*said[1:], ''), strict=True))


def _counts_what_is_held(_text: str, said: Sequence[str]) -> bool:
    return not {'many', 'count', 'number'}.isdisjoint(said) and any(
        before == 'the' and word in _DEVICES - {'tray', 'camera'}
        for before, word in zip(said, said[1:], strict=False))


def _compares_other_than_colours(_text: str, said: Sequence[str]) -> bool:
    return any(word == 'same' and after not in ('color', 'colour')
               for word, after in zip(said, (*said[1:], ''), strict=True))


def _asks_the_shape_of_several(_text: str, said: Sequence[str]) -> bool:
    return 'shape' in said and said[said.index('shape') + 1:][:1] == ['are']


def _says_a_number(_text: str, said: Sequence[str]) -> bool:
    """Return whether a number stands without "exactly": "are there two cubes"."""
    return 'number' not in said and any(
        word in _NUMBERS and before != 'exactly'
        for before, word in zip(('', *said), said, strict=False))


def _way(asks: Callable[[str, Sequence[str]], bool], taught: str, reason: str) -> Way:
    return Way(asks, reason, frozenset(taught.split()))


WAYS = (
    _way(_is_near, 'near edge', 'with "near", "close" and "at" but of the edge'),
    _way(_is_away, 'away than', 'with "nearer", "closer", "further", "away" but in "closer than", '
                                '"further away than"'),
    _way(_is_in_front, 'in front of', 'with "front" but in "in front of"'),
    _way(_is_on_nothing, 'on', 'where "on" ends the question'),
    _way(_is_on_the_table, 'edge of the table', 'about the table but for its edge'),
    _way(_asks_of_the_table, 'table', 'about the table itself, but for what is at its edge'),
    _way(_asks_of_a_device, 'the tray', 'about a tray, a gripper or a hand but what is in it'),
    _way(_says_a_thing_is_empty, 'the tray', 'whether another thing is empty than a tray'),
    _way(_asks_what_remains, 'left of', 'what remains ("left")'),
    _way(_is_on_top, 'on top of', 'with "top" but in "on top of"'),
    _way(_counts_what_is_held, 'the gripper', 'how many things are held'),
    _way(_says_one_or_both, 'are the', 'with "one", "both", "the two" for things'),
    _way(_denies, 'are the', 'with "not"'),
    _way(_compares_other_than_colours, 'are the', 'what is the same, but for colours'),
    _way(_counts_at_the_edge, 'at edge', 'to count at the edge'),
    _way(_is_in_a_thing, 'in the tray', 'with "in" but in the tray, the gripper or the picture'),
    _way(_compares_things, 'more than',
         'to compare things by size ("larger", "as large as") or colour ("equal")'),
    _way(_asks_a_difference, 'more than',
         'with "more", "fewer", "less" but in "are there more … than …"'),
    _way(_asks_of_the_picture, 'in the tray',
         'about the picture but "is there …" and "how many …"'),
    _way(_asks_if_anything_is, 'anything', 'of what kind "anything" is, but where it is'),
    _way(_asks_of_several, 'are there', 'about several things at once ("are the …")'),
    _way(_asks_where_several_are, 'are there', 'where several things are ("are the … in …")'),
    _way(_asks_the_shape_of_several, 'are the', 'which shape several things have'),
    _way(_says_a_number_at_a_place, 'exactly', 'for a number of things at a place'),
    _way(_says_a_number, 'exactly', 'for a number but with "exactly"'))
