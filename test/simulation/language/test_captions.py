import re

from helpers.simulation_scenes import random_scene
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_vqa_ros.core.tokenizer import Tokenizer, words
from latent_vqa_ros.simulation.language.captions import captions
from latent_vqa_ros.simulation.language.questions import vocabulary
from latent_vqa_ros.simulation.truth import COLORS, SHAPES, SIZES

NAMED = re.compile(rf"({'|'.join(SIZES)}) ({'|'.join(COLORS)}) ({'|'.join(SHAPES)})")
seeds = st.integers(0, 2**32)


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_captions_name_all_that_is_seen_and_nothing_else(seed):
    scene = random_scene(seed)
    seen = {(t.size, t.color, t.shape) for t in scene.things if t.counts}
    assert {named for text in captions(scene) for named in NAMED.findall(text)} == seen


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_captions_are_of_known_words_and_fit_24_tokens(seed):
    tokenizer = Tokenizer(vocabulary(), 24)
    for text in captions(random_scene(seed)):
        assert len(tokenizer.encode(text)) <= 24
        assert words(text) == text.split()


def test_lists_go_from_left_to_right_in_the_picture():
    scene = next(s for s in map(random_scene, range(100))
                 if len(s.things) >= 3 and all(t.counts for t in s.things))
    listed = next(text for text in captions(scene) if text.startswith('from left to right'))
    order = sorted(scene.things, key=lambda t: t.center[0])[:4]
    assert NAMED.findall(listed) == [(t.size, t.color, t.shape) for t in order]


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_what_hangs_in_the_gripper_is_not_counted_as_on_the_table(seed):
    scene = random_scene(seed)
    told = any(text.endswith(('thing on the table', 'things on the table'))
               for text in captions(scene))
    assert told == all(thing.counts and not thing.held for thing in scene.things)
