"""Whether a text asks, asks once, and asks what a model knows: for models asked in English.

The rules are lists of English words, all of them here. A rule binds no model whose own examples
break it: one in another language, or one that answers to single words, is asked in its own way.
A model reads "are there more than 2 cubes" as "are there more cubes" and is sure of its answer:
what it was never asked is refused (`untaught` has further ways). Knows nothing of vocabularies,
and of answers yes, no and numbers alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.core.untaught import WAYS


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VERBS = _listed("""
    is are was were isn't aren't do does did don't doesn't has have had can could may might must
    shall should will would""")
_QUESTION_WORDS = _listed("""
    what what's which who who's whose where where's when why how how's whether""")
ASKING = _VERBS | _QUESTION_WORDS | _listed("""
    if there's tell say name count number give show describe list find""")
_COURTESY = _listed("""
    please hello hi hey ok okay thanks thank now then so also just i i'd like to know wonder
    want me you us robot""")
_FUNCTION = ASKING | (_COURTESY - {'robot'}) | _listed("""
    a an the of it there any some many much to and or but not that see
""")  # that name nothing to look for
_SUBJECTS = _listed("""
    a an the it there any anything something this that these those all some one two more fewer you
    they he she we i your his her its their exactly
""")  # of a verb that stands before them, in a question
_OPENING = _listed("what what's which who where how count number")  # yes and no answer no such one
_COMPARED = _listed('equal larger smaller more fewer less than as or')
_NUMBERING = _QUESTION_WORDS | {'count', 'number', 'or'}  # that a number may answer
_BEGINNINGS = frozenset(('what', "what's", 'how', 'count'))  # of a question, without a sign, too
_OPEN = _VERBS | _COURTESY | _listed("""
    a an the to of in on at by for from with than or and not if tell say give show about exactly
    behind near inside beside above below under nearer closer
""")  # after which such a word goes on with the same question: "it lies on what"
_ATTRIBUTES = _listed('color colour shape size number')
_JOINS = frozenset(('and', 'or', 'but'))
_SIGN = re.compile(r'[^\w\s]\s*\w')  # with a word behind it
_RELATIVE = frozenset(('that', 'which', 'who', 'you', 'i', 'we', 'they'))  # "…that are red, …"
_ASKERS = frozenset(('tell', 'say', 'give', 'show'))
_TOLD = frozenset(('tell', 'know', 'wonder', 'you'))  # "would you say…"
_NUMBERS = _listed("""
    zero one two three four five six seven eight nine ten eleven twelve dozen""")
_CLAUSE = _RELATIVE | {'if', 'whether', 'than', 'as'}  # whose verb asks nothing
_INVERTED = _listed('is are was were does did')  # "have the", "do the" go on with "do they"
_OF_A_CLAUSE = _listed('true right correct likely possible look looks seem')  # "is it true…"
_TAG = re.compile(r',\s*right\W*$', re.IGNORECASE)
_AFTERWARDS = frozenset(('please', 'now', 'right', 'there'))
_WHAT_THERE_IS = frozenset((
    'what is there', "what's there", 'what is it', 'what it is', 'what is that', "what's that",
    'what that is', 'what do you see', 'what you see',
    'what can you see', 'what you can see'))
_SIZES = frozenset(('large', 'big', 'small', 'little'))  # that "or" may join
NOTHING = 'the text asks nothing; a question is, for example, {!r}'
TWICE = 'two questions in one text; ask them one at a time'
NEVER = 'the model was never asked {}; a question to it is, for example, {{!r}}'
HAND = "no gripper is seen, which the model calls a hand; of a person's hand it tells nothing"
ANOTHER = 'the model answered {!r}, as if it was asked another question'


class _Rule(NamedTuple):
    """That a text may not be of a kind: its reason is told with an example of a question."""

    breaks: Callable[[str, Sequence[str]], bool]
    reason: str
    taught: frozenset[str] = frozenset()  # words of an example, without which it binds nobody


class Asking:
    """What a model's example questions let expect of a question to it."""

    def __init__(self, examples: Sequence[str]) -> None:
        self._examples = {example: frozenset(words(example)) for example in examples}
        broken = frozenset[int]().union(*map(kinds, examples))
        self._rules = [rule for number, rule in enumerate(_RULES)
                       if examples and not broken & {_FIRST, number}
                       and any(map(rule.taught.issubset, self._examples.values()))]

    def why_not(self, text: str, said: Sequence[str]) -> str:
        """Return why ``text``, of the words ``said``, is not one question; empty where it is."""
        for rule in self._rules:
            if rule.breaks(text, said):
                return rule.reason.format(self._like(said))
        return ''

    def _like(self, said: Sequence[str]) -> str:
        """Return the example that shares most words with a text, of these the shortest."""
        return max(self._examples, default='', key=lambda example: (
            len(self._examples[example].intersection(said)), not example.isupper(),
            -len(example)))


def answers_another(said: Sequence[str], answer: str) -> bool:
    """Return whether "what" and "how many" are answered yes or no, or "is it" with a number.

    Or "is it on the left or on the right" with yes or no.
    """
    if answer in ('yes', 'no') and {'left', 'or', 'right'}.issubset(said):
        return True
    rest = _without_courtesy(list(said))
    first, second = (*rest, '', '')[:2]
    if answer in ('yes', 'no'):
        wanted = first in _OPENING or (first == 'the' and second in _ATTRIBUTES
                                       and _VERBS.isdisjoint(rest))
        return wanted and _COMPARED.isdisjoint(rest)
    return answer.isdecimal() and first in _VERBS and _NUMBERING.isdisjoint(rest)


def answers_no_gripper(said: Sequence[str], answer: str) -> bool:
    """Return whether "the hand" was taken for a gripper that is not there: "none"."""
    return answer == 'none' and 'hand' in said


def kinds(question: str) -> frozenset[int]:
    """Return which rules a question breaks: as an example it lets others break them, too."""
    said = words(question)
    text = ' '.join(words(question, signs=True))  # a question mark excuses nothing here
    return frozenset(number for number, rule in enumerate(_RULES) if rule.breaks(text, said))


def _does_not_ask(_text: str, said: Sequence[str]) -> bool:
    return len(said) < 2 or ASKING.isdisjoint(said)


def _names_nothing(text: str, said: Sequence[str]) -> bool:
    return _FUNCTION.issuperset(said) and not _asks_what_there_is(text, said)


def _asks_what_there_is(_text: str, said: Sequence[str]) -> bool:
    rest = _without_courtesy(list(said))
    while ' '.join(rest) not in _WHAT_THERE_IS and rest and rest[-1] in _AFTERWARDS:
        rest = rest[:-1]
    return ' '.join(rest) in _WHAT_THERE_IS


def _chooses(_text: str, said: Sequence[str]) -> bool:
    """Return whether "or" joins other things than sizes, "yes or no" and "whether or not"."""
    return any(word == 'or' and after != 'not' and not any(
        map({before, after}.issubset, (_SIZES, {'yes', 'no'}, {'more', 'less'})))
        for before, word, after in zip(('', *said), said, (*said[1:], ''), strict=False))


def _compares_with_a_number(_text: str, said: Sequence[str]) -> bool:
    return any(word == 'than' and (after in _NUMBERS or after.isdigit())
               for word, after in zip(said, said[1:], strict=False))


def _names_a_side(text: str, said: Sequence[str]) -> bool:
    """Return whether "left" or "right" is of nothing: "is it on the left", not "right now"."""
    tag = bool(_TAG.search(text))  # "…, right?"
    return any(word == 'left' and after != 'of'
               or word == 'right' and after != 'of' and (before == 'the' or not after and not tag)
               for before, word, after in zip(('', *said), said, (*said[1:], ''), strict=False))


def _states(text: str, said: Sequence[str]) -> bool:
    """Return whether a text says something instead of asking: "the cube is red."."""
    if ('?' in text or '\uff1f' in text or not _QUESTION_WORDS.isdisjoint(said)
            or _VERBS.isdisjoint(said) and "there's" not in said):
        return False
    first = next((word for word in said if word not in _COURTESY or word in _TOLD), '')
    inverted = any(verb in _VERBS and subject in ('there', 'it', 'they', 'any', 'anything')
                   for verb, subject in zip(said, said[1:], strict=False))
    return (first in _SUBJECTS or first == "there's") and not inverted


def _asks_twice(text: str, said: Sequence[str]) -> bool:
    """Return whether a question begins after a sign or "and" that ends one about something.

    "Tell me, is it red" is one, and so are "which cube, if any, is red" and "it is red, is it".
    """
    if _inverts_twice(_without_courtesy(list(said))):
        return True
    if not _SIGN.search(text) and _JOINS.isdisjoint(said) and _BEGINNINGS.isdisjoint(said[1:]):
        return False  # most questions, cheaply
    asked = named = False
    for part in _parts(words(text, signs=True)):
        rest = _without_courtesy(part)
        about = not _FUNCTION.issuperset(rest)
        told = about and not _TOLD.isdisjoint(part[:len(part) - len(rest)])  # "tell me the size…"
        if asked and (told or _begins_question(rest) or named and _names_attribute(rest)):
            return True
        if about and _has_asking(part):
            asked = True
            named = not _ATTRIBUTES.isdisjoint(rest[:4]) and (
                told and rest[0] not in ('if', 'whether') or rest[0] in _QUESTION_WORDS)
    return False


def _inverts_twice(rest: list[str]) -> bool:
    """Return whether a verb before its subject comes again: "is it red is there a ball"."""
    end = next((i for i, word in enumerate(rest) if word in _CLAUSE), len(rest))
    if rest[1:2] == ['it'] and not _OF_A_CLAUSE.isdisjoint(rest[2:4]):
        return False  # "is it true the cube is a box"
    starts = [i for i, (verb, subject) in enumerate(zip(rest, rest[1:end], strict=False))
              if verb in _INVERTED and subject in _SUBJECTS and rest[i - 1:i] != ['there']
              and (not i or i + 2 < len(rest))]  # "is there a ball, is there"
    return starts[:1] == [0] and len(starts) > 1


def _parts(said: Sequence[str]) -> Iterator[list[str]]:
    """Yield the words between signs and joins, and those from where a question may begin."""
    part: list[str] = []
    for i, word in enumerate(said):
        if _is_cut(word):
            yield part
            part = []
        elif word in _BEGINNINGS and part and not _goes_on(part, said[i:i + 3]):
            yield part
            part = [word]
        else:
            part.append(word)
    yield part


def _is_cut(word: str) -> bool:
    return word in _JOINS or not word[-1].isalnum()


def _goes_on(part: list[str], then: Sequence[str]) -> bool:
    """Return whether words that may begin a question continue what was said."""
    if len(then) < 3 or any(map(_is_cut, then)):
        return True  # "it is near what", "the ball has what color"
    counts = then[0] == 'count'
    if counts and then[1] not in ('the', 'all', 'every', 'each', 'how'):
        return True  # "is the cube count two"
    verb = part[-1] in _VERBS and (counts or part[-2:-1] == ['there'])
    return part[-1] in _OPEN and not verb


def _without_courtesy(part: list[str]) -> list[str]:
    """Return the words after "please", "can you tell me" and their like."""
    start = 0
    while start < len(part):
        if part[start] in _COURTESY or part[start] in _ASKERS:
            start += 1
        elif (part[start] in _VERBS and part[start + 1:start + 2] == ['you']
              and not (_ASKERS | _COURTESY).isdisjoint(part[start + 2:start + 4])):
            start += 2
        else:
            break
    return part[start:]


def _begins_question(rest: list[str]) -> bool:
    """Return whether the words begin a question that is neither a tag nor a relative clause."""
    if not rest:
        return False
    first, then = rest[0], rest[1:2]
    if first in ('which', 'who') and then and then[0] in _VERBS:
        return len(rest) > 2 and rest[2] in _SUBJECTS
    if first in _QUESTION_WORDS or first == 'count' or rest[:2] == ['number', 'of']:
        return True
    return first in _VERBS and len(rest) > 2 and rest[1] in _SUBJECTS


def _names_attribute(rest: list[str]) -> bool:
    """Return whether the words ask for a further attribute: "what color and shape is it"."""
    named = rest[1:] if rest[:1] == ['the'] else rest
    return (not _ATTRIBUTES.isdisjoint(named[:1])
            and not (_VERBS | {'of'}).isdisjoint(named[1:2]))


def _has_asking(part: list[str]) -> bool:
    return any(word in ASKING and word != 'if' and not (i and part[i - 1] in _RELATIVE)
               for i, word in enumerate(part))


_FIRST = 0  # whose break by an example lets go of all rules
_RULES = (
    _Rule(_does_not_ask, NOTHING), _Rule(_names_nothing, NOTHING), _Rule(_states, NOTHING),
    _Rule(_asks_what_there_is, NOTHING),
    _Rule(_asks_twice, TWICE),
    _Rule(_compares_with_a_number, NEVER.format('to compare with a number ("than 2")')),
    _Rule(_names_a_side, NEVER.format('with "left" or "right" but in "left of", "right of"')),
    _Rule(_chooses, NEVER.format('to choose between two ("or")')),
    *(_Rule(way.asks, NEVER.format(way.reason), way.taught) for way in WAYS))
