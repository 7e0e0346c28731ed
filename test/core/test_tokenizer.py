import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.core.tokenizer import (
    CLS,
    PAD,
    QuestionError,
    Tokenizer,
    UnknownWordsError,
    words,
)

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


def test_far_words_get_no_suggestion():
    with pytest.raises(UnknownWordsError) as caught:
        TOKENIZER.encode('is the zyxw red')
    assert str(caught.value) == "unknown word 'zyxw'"


def test_one_word_too_many_is_refused_with_both_numbers():
    assert len(TOKENIZER.encode('a ' * 7)) == 8
    with pytest.raises(QuestionError, match='8 words.*at most 7'):
        TOKENIZER.encode('a ' * 8)


@pytest.mark.parametrize('text', ['', '   ', '?!…', '___'])
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
