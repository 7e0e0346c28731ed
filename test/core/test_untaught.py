import numpy as np
import pytest
from helpers.simulation_scenes import random_scene

from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.core.asking import Asking
from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.simulation.language.questions import ask
from latent_vqa_ros.simulation.language.spoken_wording import SPOKEN
from latent_vqa_ros.simulation.language.wording import TRAIN

ASKED = {name: sorted({question.text for seed in range(250) for wordings in of
                       for question in ask(random_scene(seed), np.random.default_rng(seed), 12,
                                           wordings)})
         for name, of in (('plain', (TRAIN,)), ('spoken', (TRAIN, SPOKEN)))}
ASKING = {name: Asking(texts) for name, texts in ASKED.items()}
ASKED['shipped'] = ASKED['spoken']
ASKING['shipped'] = Asking(open_pipeline('tabletop').bundle.manifest.questions)
_WORDS_OF_SPEAKING = {  # or of what others were asked, too
    'this', 'where', 'and', 'image', 'middle', 'gripper', 'tray'}
SPEAKING = (
    'what do you see?', 'What is it?', 'what is this', "what's there, please?",
    'what is on the table?', 'is there a cube on the table?', 'how many balls are on the desk?',
    'is the table empty?', 'tell me whether the desk is clear', 'is the red cube on the table?',
    'is anything red?', 'is there anything blue?', 'are the cubes red?', 'are all cubes red now?',
    'what colour are the balls?', 'are the cubes the same colour?', 'are there two cubes?',
    'are there more than two cubes?', 'is there more than one ball?', 'are there at least 2 mugs?',
    'where is the mug?', 'what is on the left?', 'is the cube on the right?',
    'how many things are in the middle?', 'what colour is the cube on the left?',
    'is there a cube or a ball?', 'is the ball red or blue?', 'is there a cube and a ball?',
    'what colour is the cube in the picture?', 'what is in the image?',
    'are the cubes in the photo red right now?', 'what is on top of the table?',
    'are all cubes red, right?', 'is the table still empty?', 'tell me what you see',
    'what do you see there?', 'is the gripper empty?', 'what is in the tray now?')
NEITHER = (
    'is there a cube near the ball?', 'what is in the bowl?', 'is anything in the mug?',
    'is the mug larger than the bowl?', 'is the cube as large as the ball?',
    'how many more cubes are there?', 'what is the cube on?', 'what colour is the table?',
    'is the table red?', 'are the cubes in the tray?', 'where are the cubes?',
    'are the balls on the left?', 'are there two cubes in the tray?', 'is every cube in the tray?',
    'what colour is the tray?', 'where is the tray?', 'is the gripper on the left?',
    'what is left of the tray?', 'is the mug empty?', 'how many cubes are left?',
    'is the cube not red?', 'are the cubes the same shape?',
    'how many cubes are near the edge?', 'what is at the ball?', 'what shape are the cubes?',
    'is it', 'what is', 'what do you', 'is there')


def why_not(name, text):
    return ASKING[name].why_not(text, words(text))


@pytest.mark.parametrize('text', SPEAKING)
def test_who_was_asked_as_people_speak_is_asked_so_and_nobody_else(text):
    assert why_not('spoken', text) == why_not('shipped', text) == ''
    if not _WORDS_OF_SPEAKING.intersection(words(text)):
        assert why_not('plain', text) != ''


@pytest.mark.parametrize('name', ASKING)
@pytest.mark.parametrize('text', NEITHER)
def test_what_nobody_was_asked_is_refused_beside_questions_that_look_like_it(name, text):
    if name != 'plain' or 'not' not in words(text):  # of which others know nothing
        assert why_not(name, text) != ''


@pytest.mark.parametrize('name', ASKING)
def test_no_question_of_training_is_refused(name):
    assert len(ASKED[name]) > 2000
    assert {text: why for text in ASKED[name] if (why := why_not(name, text))} == {}
