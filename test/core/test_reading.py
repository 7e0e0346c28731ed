"""What the runtime makes of words that mean something else to a model than to people."""

from pathlib import Path

from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.core.asking import HAND
from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.questions import Request

PICTURES = sorted((Path(__file__).parents[1] / 'data/strangers/images').iterdir())


def test_a_hand_that_is_no_gripper_is_not_said_to_hold_nothing():
    pipeline = open_pipeline('tabletop', num_threads=1)
    pipeline.max_distance = None  # each picture is answered about
    pipeline.min_confidence = 0.0
    none = held = 0
    for path in PICTURES:
        frame = Frame(lambda path=path: (compressed_to_rgb(path.read_bytes()), None))
        hand, gripper = (pipeline.respond(Request(f'what is in the {word}?'), frame)
                         for word in ('hand', 'gripper'))
        none += hand.answer == 'none'
        held += hand.status.value == 'ok'
        assert (hand.status.value, hand.reason) == (
            ('unsure', HAND) if hand.answer == 'none' else ('ok', '')), path
        assert (gripper.status.value, gripper.reason) == ('ok', '')
    assert none > 5
    assert held > 5
