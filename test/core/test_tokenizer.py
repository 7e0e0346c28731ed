import re
import unicodedata

import easy_vqa
import numpy as np
import pytest
from helpers.simulation_scenes import random_scene, untold_scene
from hypothesis import example, given
from hypothesis import strategies as st

from latent_vqa_ros.core.bundle import load
from latent_vqa_ros.core.models import find_model
from latent_vqa_ros.core.tokenizer import (
    CLS,
    PAD,
    QuestionError,
    Tokenizer,
    UnknownWordsError,
    words,
)
from latent_vqa_ros.simulation.language.captions import captions
from latent_vqa_ros.simulation.language.questions import ask
from latent_vqa_ros.simulation.language.wording import HELD_OUT, TRAIN

TOKENIZER = Tokenizer.from_texts(['what color is the circle?', "isn't it red", 'a gray shape'], 8)


def test_case_punctuation_and_spaces_make_no_difference():
    plain = TOKENIZER.encode('what color is the circle')
    assert np.array_equal(plain, TOKENIZER.encode('  What COLOR,  is the circle ?!\n'))
    assert plain[0] == CLS
    assert PAD not in plain


def test_typographic_apostrophe_is_an_apostrophe():
    assert words('isn\u2019t it') == ["isn't", 'it']


@pytest.mark.parametrize(('question', 'named', 'near'), [
    ('what colour is the circle', 'colour', 'color'), ('a grey shape', 'grey', 'gray')])
def test_unknown_words_are_named_with_the_nearest_known_ones(question, named, near):
    with pytest.raises(UnknownWordsError, match=f"'{named}'.*'{near}'"):
        TOKENIZER.encode(question)


@pytest.mark.parametrize(('count', 'end'), [(5, "'xx'"), (6, 'and 1 more'), (9, 'and 4 more')])
def test_of_many_unknown_words_it_is_said_how_many_are_not_named(count, end):
    with pytest.raises(UnknownWordsError) as caught:
        TOKENIZER.encode('vv ww ww zz yy xx uu tt qq pp'[:3 * (count + 1)])
    parts = str(caught.value).split('; ')
    assert (parts[-1].removeprefix('unknown word '), len(parts)) == (end, 5 + (count > 5))


def test_far_words_get_no_suggestion():
    with pytest.raises(UnknownWordsError) as caught:
        TOKENIZER.encode('is the zyxw red')
    assert str(caught.value) == "unknown word 'zyxw'"


def test_one_word_too_many_is_refused_with_both_numbers():
    assert len(TOKENIZER.encode('a ' * 7)) == 8
    with pytest.raises(QuestionError, match='8 words.*at most 7'):
        TOKENIZER.encode('a ' * 8)


SHIPPED = [load(find_model(name)).manifest for name in ('tabletop', 'easy_vqa')]
LOST = [  # what a text says, and what must not be passed over
    ('are there >2 cubes', '>'), ('are there > 2 cubes', '>'), ('-2', '-2'), ('−2', '−2'),
    ('are there -2 cubes', '-2'), ('are there +2 cubes', '+2'), ('are there 2.5 cubes', '2.5'),
    ('are there .5 cubes', '.5'), ('are there 1,000 cubes', '1,000'), ('is it 10:30', '10:30'),
    ('are there 1/2 cubes', '1/2'), ('are there ½ cubes', '½'), ('are there 2² cubes', '2²'),
    ('are there ② cubes', '②'), ('are there Ⅱ cubes', 'ⅱ'), ('are there 2-3 cubes', '-'),
    ('is the 🟢 ball red', '🟢'), ('is the ball 🟢?', '🟢'), ('is the ❤️ red', '❤'),
    ('is there a 👩‍🚀', '🚀'), ('is it red & blue', '&'), ('is it red/blue', '/'),
    ('is it (red)', '('), ('is it red_cube', '_'), ('is it blue-green', '-'), ('is it 5 %', '%'),
    ('is the cube ≠ red', '≠'), ('is it #2', '#'), ('is it red\ufffd', '\ufffd')]


def test_a_sign_that_carries_meaning_is_an_unknown_word():
    for text, lost in LOST:
        assert lost in words(text), text
        for manifest in SHIPPED:
            with pytest.raises(UnknownWordsError) as caught:
                manifest.tokenizer.encode(text)
            assert re.search(f'unknown (word|sign) {re.escape(repr(lost))}', str(caught.value))


@given(st.text(st.characters(max_codepoint=126), max_size=80))
def test_no_character_is_lost_but_blanks_and_harmless_marks(text):
    """The marks that end a sentence are told where another follows; the rest is always told."""
    def kept(characters):
        return [char for char in characters if char.isprintable() and char not in ' ,:"\'`.?!;']
    assert kept(''.join(words(text))) == kept(text.lower())


@given(st.characters(categories=('N', 'P', 'S')))
@example('\u222c')
def test_whatever_is_no_letter_is_told_or_known_to_be_harmless(char):
    """A sign between blanks is a word, the end of a sentence, or one of a few that are listed."""
    found = words(f'cube {char} ball')
    harmless = set(',:"\'`´¿¡—、“”„‘’‚«»‹›')
    if unicodedata.normalize('NFKC', char) in harmless or char in harmless:
        assert found == ['cube', 'ball']
    else:
        assert len(found) >= 3, char  # some are several signs in one
        assert (found[0], found[-1]) == ('cube', 'ball')


@given(st.lists(st.sampled_from(['cube', 'ball', 'is', 'red', '2']), min_size=1, max_size=5),
       st.data())
def test_blanks_commas_quotes_and_the_last_mark_are_harmless(plain, data):
    before = st.sampled_from(['', '"', "'", '“', ': ', ' ', '\t', '\x00', '\u200b', '\ufeff'])
    after = st.sampled_from(['', ',', '"', "' ", '”', ':', ' ', '，'])
    last = data.draw(st.sampled_from(['', '?', '!', '.', '?!', '…', ' ？\n', '."']))
    text = ''.join(f'{data.draw(before)}{word}{data.draw(after)} ' for word in plain)
    assert words(text + last) == plain


@pytest.mark.parametrize('end', ['?', '!', '.', '. ', '?\n', '…', ' ?! ', '\n', '; ', '？', '。'])
def test_two_questions_in_one_text_are_not_answered_as_one(end):
    for manifest in SHIPPED:
        first, second = manifest.questions[0].rstrip('?'), manifest.questions[1]
        with pytest.raises(QuestionError, match='more than one sentence') as caught:
            manifest.tokenizer.encode(f'{first}{end}{second}')
        assert not isinstance(caught.value, UnknownWordsError)


def test_signs_that_a_model_was_trained_with_are_known_to_it():
    tokenizer = Tokenizer.from_texts(['is it a t-shirt? say yes.', 'are there >2.5 %'], 12)
    assert {'-', '?', '>', '2.5', '%'} < set(tokenizer.vocabulary)
    assert len(tokenizer.encode('Is it a t-shirt? Say yes')) == 10


def before(text):
    """Return the words as the shipped models were trained with them."""
    plain = unicodedata.normalize('NFKC', text).replace('\u2019', "'").lower()
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", plain)


def test_every_wording_that_the_shipped_models_know_has_the_words_it_had():
    texts = [text for manifest in SHIPPED for text in manifest.questions]
    texts += [word for manifest in SHIPPED for word in (*manifest.vocabulary, *manifest.answers)]
    texts += [*easy_vqa.get_train_questions()[0], *easy_vqa.get_test_questions()[0]]
    for seed in range(400):
        for make in (random_scene, untold_scene):
            rng = np.random.default_rng(seed)
            texts += [question.text for question in ask(
                make(seed), rng, 20, HELD_OUT if seed % 2 == 0 else TRAIN)]
            texts += captions(make(seed))
    assert len(set(texts)) > 5000
    assert [text for text in set(texts) if words(text) != before(text)] == []
    for manifest in SHIPPED:
        for text in manifest.questions:
            manifest.tokenizer.encode(text)


@pytest.mark.parametrize('text', ['', '   ', '?!…', '"', ' ,\n', '\u200b'])
def test_text_without_words_is_an_empty_question(text):
    with pytest.raises(QuestionError, match='empty'):
        TOKENIZER.encode(text)


@given(st.text(max_size=300))
def test_any_text_is_encoded_or_refused_in_one_short_line(text):
    refusal = ''
    try:
        ids = TOKENIZER.encode(text)
    except QuestionError as error:
        refusal, ids = str(error), np.array([CLS])
    assert '\n' not in refusal
    assert len(refusal) < 1000
    assert ids[0] == CLS
    assert ids.max() < TOKENIZER.size


@given(st.lists(st.lists(st.sampled_from(TOKENIZER.vocabulary), min_size=1, max_size=7),
                min_size=1, max_size=5))
def test_batches_are_the_single_texts_padded(texts):
    joined = [' '.join(text) for text in texts]
    for row, text in zip(TOKENIZER.encode_batch(joined), joined, strict=True):
        ids = TOKENIZER.encode(text)
        assert np.array_equal(row[:len(ids)], ids)
        assert (row[len(ids):] == PAD).all()


@pytest.mark.parametrize('sign', ["'", '\u2019', '\u00b4', '`'])
def test_an_apostrophe_is_one_whatever_the_keyboard_gives(sign):
    assert words(f'What{sign}s there') == ["what's", 'there']
    assert words(f'{sign}red{sign} cube') == ['red', 'cube']


def test_a_word_that_no_question_had_is_unknown_and_never_recommended():
    tokenizer = Tokenizer(('are', 'cubes', 'no', 'now', 'there'), 9, frozenset({'no'}))
    with pytest.raises(UnknownWordsError) as caught:
        tokenizer.encode('are there no cubes')
    assert str(caught.value) == "unknown word 'no' (no question in training has it)"
    with pytest.raises(UnknownWordsError) as caught:
        tokenizer.encode('are there noo cubes')
    assert str(caught.value) == "unknown word 'noo' (did you mean 'now'?)"
