"""Questions in other words: the same question, or none."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.reading import Reader
from latent_vqa_ros.core.restated import restated
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.core.tokenizer import QuestionError, UnknownWordsError, words

NOUNS = ('ball', 'balls', 'box', 'boxes', 'cube', 'cubes', 'red', 'small', 'thing', 'things')
MANIFEST = open_pipeline('tabletop').bundle.manifest
PICTURE = sorted((Path(__file__).parents[1] / 'data/strangers/images').iterdir())[0]
READER = Reader(MANIFEST)
WORDS = sorted({*MANIFEST.vocabulary, 'another', 'ones', 'they', 'them', 'these', 'those', 'i',
                'we', 'look', 'looks', 'its', 'everything', 'altogether', 'currently', 'black',
                '.', '\n', '>'})


@pytest.mark.parametrize(('text', 'same'), [
    ('Any balls?', 'are there any balls'),
    ('any balls', 'are there any balls'),
    ('any small red ball here?', 'is there any small red ball here'),
    ('two boxes?', 'are there two boxes'),
    ('a red cube?', 'is there a red cube'),
    ('more than one cube?', 'is there more than one cube'),
    ('at least 2 balls?', 'are there at least 2 balls'),
    ('any red ones?', 'are there any red things'),
    ('Is the small cube left of the red one?', 'is the small cube left of the red cube'),
    ('is the box behind the green one', 'is the box behind the green box'),
    ('is the green one a cube?', 'is the green thing a cube'),
    ('are there as many red balls as small ones', 'are there as many red balls as small balls'),
    ('are they all balls?', 'are all the things balls'),
    ('are these cubes?', 'are all the things cubes'),
    ('Are all of them red?', 'are all the things red'),
    ('is everything red', 'are all the things red'),
    ('What colour are they?', 'what colour are the things'),
    ('what color is everything', 'what color are the things'),
    ('Do we have a red ball?', 'do you see a red ball'),
    ('can I see a ball', 'do you see a ball'),
    ('does the small cube look red to you?', 'is the small cube red'),
    ('do the cubes look red', 'are the cubes red'),
    ('how many cubes are there altogether', 'how many cubes are there'),
    ('what is in its gripper', 'what is in the gripper'),
    ('on which side of the picture is the red cube?', 'where is the red cube'),
    ('which side is the cube on', 'where is the cube'),
    ('whats in the tray', "what's in the tray"),
])
def test_a_question_in_words_of_before(text, same):
    assert restated(text, NOUNS) == same


@pytest.mark.parametrize('text', [
    'is there a cube', 'red cube', 'red cube?', 'cubes?', 'two cubes', 'a red cube', 'any?',
    'two?', 'any chance?', 'any cube is red?', 'are there other cubes', 'is there another cube',
    'are both cubes red', 'are these cubes red', 'the leftmost cube', 'which one is red',
    'is the ball left of the cube or the red one', 'is it the small one or the large one',
    'are the balls behind the red ones', 'which side of the cube is the ball on',
    'what does the cube look like', 'is one red', 'is everything',
    'a cube or a ball?', 'one cube?', 'one?', 'is it\nred?', 'is it red. is there a cube?',
    'what shape are these', ''])
def test_what_may_ask_something_else_is_left_alone(text):
    assert restated(text, NOUNS) == ''


def test_without_nouns_nothing_is_named():
    assert restated('is the green cube left of the blue one', ()) == (
        'is the green cube left of the blue thing')
    assert restated('any balls?', ()) == ''


@given(st.lists(st.sampled_from(WORDS), max_size=9), st.sampled_from(['', '?']))
def test_what_can_be_asked_is_read_as_it_stands_and_other_texts_as_one_that_can(said, end):
    text = ' '.join(said) + end
    try:
        asked, _, tokens_t = READER.read(text)
    except QuestionError:
        return
    assert READER.read(asked).text is asked
    assert READER.read(asked).tokens_t.tolist() == tokens_t.tolist()
    assert asked is text or asked == restated(text, READER.nouns)


@given(st.lists(st.sampled_from(WORDS), max_size=9), st.sampled_from(['', '?']))
def test_no_noun_and_no_colour_is_made_up(said, end):
    asked = words(restated(' '.join(said) + end, READER.nouns))
    made = READER.nouns.intersection(asked).difference(said)
    assert made <= {'thing', 'things'} or 'one' in said or 'ones' in said
    assert all(word in said or f'{word}s' in said or f'{word}es' in said or word[:-1] in said
               or word[:-2] in said for word in made - {'thing', 'things'})


@pytest.mark.parametrize('text', [
    'any cubes? any balls?', 'any cubes\nand balls?', 'any > 2 cubes?'])
def test_what_was_lost_on_the_way_is_not_lost_in_other_words(text):
    with pytest.raises(QuestionError):
        READER.read(text)


def test_the_reason_of_what_cannot_be_asked_in_other_words_either_is_of_the_words_said():
    with pytest.raises(UnknownWordsError, match="unknown words? 'black'"):
        READER.read('is the black one a cube?')
    with pytest.raises(QuestionError, match='"one", "both"'):
        READER.read('which one is behind the ball')


@pytest.mark.parametrize(('text', 'same'), [
    ('any cubes?', 'are there any cubes'),
    ('Is the red cube left of the blue one?', 'is the red cube left of the blue cube')])
def test_the_detail_says_how_a_question_was_read(text, same):
    pipeline = open_pipeline('tabletop', num_threads=1)
    pipeline.min_confidence = 0.0
    frame = Frame(lambda: (compressed_to_rgb(PICTURE.read_bytes()), None))
    found, plain = (pipeline.respond(Request(each), frame) for each in (text, same))
    assert (found.question, found.reason) == (text, f'read as {same!r}')
    assert plain.reason == ''
    assert (found.status, found.answer, found.top) == (plain.status, plain.answer, plain.top)
    assert found.status == Status.OK
    assert [e.box for e in found.evidence] == [e.box for e in plain.evidence]
