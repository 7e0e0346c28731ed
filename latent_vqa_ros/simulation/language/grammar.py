"""A meaning in words: one of its wordings, with synonyms, spellings, courtesy and capitals.

`say` also tells which words are a noun phrase, so that a model can be taught where to look.
Knows nothing of what is true.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.simulation.language import spoken_wording, wording
from latent_vqa_ros.simulation.language.meaning import ANSWERS, RELATIONS, Description, Meaning
from latent_vqa_ros.simulation.truth import COLORS, SHAPES, SIZES

MAX_WORDS = 23  # with the CLS token 24 tokens
TARGET = 'target'
_SLOT = re.compile(r"\{([a-z']+)(\d?)\}")
_LOOKED_FOR = {'what': ('what',), "what's": ("what's",), 'any': ('anything', 'something'),
               'thing': wording.NOUNS['']}
_CHOICES = {'grip': wording.GRIPPERS, 'in': wording.INSIDE, 'edge': wording.EDGES}
_SPOKEN_CHOICES = {'desk': spoken_wording.DESKS, 'on': spoken_wording.ONS,
                   'tray': spoken_wording.TRAYS, 'picture': spoken_wording.PICTURES,
                   'one': spoken_wording.ONES, 'kind': spoken_wording.KINDS_OF}


Wordings = Mapping[str, Sequence[str]]  # of each kind of question


@dataclass(frozen=True)
class Span:
    """Words ``start`` to ``stop`` (exclusive) of a question; token index is word index + 1.

    ``of`` is '0' or '1', which description of the meaning they say, or `target`.
    """

    text: str
    start: int
    stop: int
    of: str


def say(meaning: Meaning, chooser: Random, wordings: Wordings = wording.TRAIN,
        unsaid: re.Pattern[str] | None = None) -> tuple[str, tuple[Span, ...]]:
    """Return a question and its noun phrases (articles left out), at most MAX_WORDS words.

    ``wordings`` has those of each kind. What ``unsaid`` finds in a question is not said, but put
    in other words: each kind needs some.
    """
    templates = [each for each in wordings[meaning.kind] if _can_say(each, meaning)]
    while True:
        template = chooser.choice(templates)
        prefix, suffix = _courtesy(template, chooser)
        text, spans = _fill(prefix, template, meaning, chooser)
        if len(words(text + suffix)) > MAX_WORDS:
            continue
        if unsaid is None or not unsaid.search(text):
            return _dress(text + suffix, chooser), tuple(spans)


def _can_say(template: str, meaning: Meaning) -> bool:
    """Return whether what is said of a thing can be said with "is": "is red", "is a cube"."""
    if '{is0}' not in template and '{adj0}' not in template:
        return True
    size, color, shape = meaning.about[0]
    return '{is0}' in template if shape else bool(size) != bool(color)


def _pattern(wordings: Wordings) -> re.Pattern[str]:
    """Return what finds one of these wordings in a text, whatever its slots say."""
    found = {template.replace('colour', 'colou?r') for group in wordings.values()
             for template in group}
    return re.compile('|'.join(r'\b' + _SLOT.sub('.+', each) + r'(?: |$)'
                               for each in sorted(found)))


LIKE_HELD_OUT = _pattern(wording.HELD_OUT)  # which training never sees


def _fill(prefix: str, template: str, meaning: Meaning,
          chooser: Random) -> tuple[str, list[Span]]:
    text, spans, end = prefix, [], 0
    for slot in _SLOT.finditer(template):
        text += _spell(template[end:slot.start()], chooser)
        lead, phrase = _say_slot(slot[1], slot[2], meaning, chooser)
        text += lead
        if slot[2] or slot[1] in _LOOKED_FOR:
            start = len(words(text))
            spans.append(Span(phrase, start, start + len(words(phrase)), slot[2] or TARGET))
        text += phrase
        end = slot.end()
    return text + _spell(template[end:], chooser), spans


def _say_slot(name: str, index: str, meaning: Meaning, chooser: Random) -> tuple[str, str]:
    """Return what stands before the noun phrase, and the phrase."""
    if index:
        said = meaning.about[int(index)]
        if name in ('is', 'adj') and not said.shape:
            return '', _synonym(said.size or said.color, chooser)
        phrase = noun_phrase(said, chooser, plural=name == 'many')
        return {'the': 'the ', 'many': '', 'n': ''}.get(name, article(phrase)), phrase
    if name == 'rel':
        return '', chooser.choice(wording.RELATION_WORDS[meaning.relation])
    if name == 'things':
        return '', noun_phrase(Description(), chooser, plural=True)
    if name in ('value', 'other'):  # "red or blue" claims two
        claims = meaning.value.split(' ')
        return '', _claim(claims[name == 'other'], chooser)
    if name == 'flank':
        return '', meaning.value
    if name == 'side':
        where = chooser.choice(spoken_wording.SIDES[meaning.value])
        return '', where.replace('{picture}', chooser.choice(spoken_wording.PICTURES))
    return '', chooser.choice(_LOOKED_FOR.get(name) or _CHOICES.get(name)
                              or _SPOKEN_CHOICES[name])


def noun_phrase(said: Description, chooser: Random, plural: bool = False) -> str:
    """Return a noun phrase without article, with a random choice of synonyms."""
    noun = chooser.choice(wording.NOUNS[said.shape])
    adjectives = [_synonym(word, chooser) for word in (said.size, said.color) if word]
    return ' '.join([*adjectives, _plural(noun) if plural else noun])


def article(phrase: str) -> str:
    """Return the indefinite article that the phrase takes, with a space."""
    return 'an ' if phrase[0] in 'aeiou' else 'a '


def _claim(value: str, chooser: Random) -> str:
    if value in wording.NUMBERS:
        return chooser.choice(wording.NUMBERS[value])
    if value in SHAPES:
        noun = chooser.choice(wording.NOUNS[value])
        return article(noun) + noun
    return _synonym(value, chooser)


def _synonym(word: str, chooser: Random) -> str:
    return chooser.choice(wording.ADJECTIVES.get(word, (word,)))


def _plural(noun: str) -> str:
    return wording.PLURALS.get(noun, noun + 's')


def _spell(text: str, chooser: Random) -> str:
    return text.replace('colour', chooser.choice(wording.SPELLINGS)) if 'colour' in text else text


def _courtesy(template: str, chooser: Random) -> tuple[str, str]:
    """Return what stands before and after a question; mostly nothing."""
    dice = chooser.random()
    if dice < 0.15:
        asks = template.startswith(('what', 'which', 'where', 'how', '{what'))
        prefixes = wording.PREFIXES if asks else wording.GREETINGS
        return chooser.choice(prefixes) + ' ', ''
    return '', ' ' + chooser.choice(wording.SUFFIXES) if dice < 0.25 else ''


def _dress(text: str, chooser: Random) -> str:
    """Return the text in lower case, as a sentence, or in capitals, with or without a mark."""
    dice = chooser.random()
    text = text.upper() if dice < 0.05 else text[0].upper() + text[1:] if dice < 0.4 else text
    return text + '?' if chooser.random() < 0.7 else text


def vocabulary(captions: Iterable[str] = ()) -> tuple[str, ...]:
    """Return all words of questions in TRAIN and their answers, and of ``captions``, sorted."""
    texts = [_SLOT.sub(' ', template) for group in wording.TRAIN.values() for template in group]
    texts += [word for choice in (*_LOOKED_FOR.values(), *_CHOICES.values(), wording.PREFIXES,
                                  wording.SUFFIXES, wording.SPELLINGS) for word in choice]
    texts += [text for name in RELATIONS for text in wording.RELATION_WORDS[name]]
    texts += [word for choice in wording.NUMBERS.values() for word in choice]
    for noun in ('', *SHAPES):
        texts += [form for word in wording.NOUNS[noun] for form in (word, _plural(word))]
    for adjective in (*COLORS, *SIZES):
        texts += wording.ADJECTIVES.get(adjective, (adjective,))
    texts += ['a', 'an', 'the', *ANSWERS, *captions]
    return tuple(sorted({word for text in texts for word in words(text)}))
