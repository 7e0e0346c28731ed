"""A frame is compared with shots as one of them: cut out of the JPEG that it would be kept as."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from teach.conftest import QUESTION, SECOND

from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.image_formats import finish_rgb
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.teach import features
from latent_vqa_ros.teach.features import as_kept, crop, jpeg
from latent_vqa_ros.teach.messages import Message
from latent_vqa_ros.teach.taught import Taught
from latent_vqa_ros.teach.teacher import Taken

SMALL = (0.4, 0.35, 0.2, 0.2)


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 150), width=st.integers(1, 150), seed=st.integers(0, 99),
       at=st.tuples(*[st.floats(0, 0.9)] * 2), size=st.tuples(*[st.floats(0.02, 1)] * 2))
def test_a_region_is_the_same_as_in_the_shot(height, width, seed, at, size):
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    region = (*at, min(size[0], 1 - at[0]), min(size[1], 1 - at[1]))
    shot = compressed_to_rgb(jpeg(rgb))
    assert np.array_equal(as_kept(rgb, region), crop(shot, region))
    assert np.array_equal(as_kept(rgb, None), shot)


def test_colours_are_converted_before():
    bgr = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    rgb = finish_rgb(bgr, cv2.COLOR_BGR2RGB)
    assert np.array_equal(as_kept(bgr, SMALL, cv2.COLOR_BGR2RGB), as_kept(rgb, SMALL))
    grey = bgr[..., 0]
    shot = compressed_to_rgb(jpeg(finish_rgb(grey, cv2.COLOR_GRAY2RGB)))
    assert np.array_equal(as_kept(grey, None, cv2.COLOR_GRAY2RGB), shot)


@pytest.mark.parametrize(('large', 'kept'), [(60 * 80, True), (60 * 80 - 1, False)])
def test_a_large_region_is_taken_as_it_is(encoder, monkeypatch, large, kept):
    bgr = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    rgb = finish_rgb(bgr, cv2.COLOR_BGR2RGB)
    monkeypatch.setattr(features, 'LARGE', large)
    wanted = encoder.encode(as_kept(rgb, None) if kept else rgb)
    assert np.array_equal(encoder.encode_as_kept(bgr, None, cv2.COLOR_BGR2RGB), wanted)


def noisy(answer, seed):
    """Return what a camera with fine detail and some noise sees: a mark on a box, or none."""
    rng = np.random.default_rng(seed)
    image = np.random.default_rng(7).integers(60, 200, (60, 80, 3)).astype(np.float32)
    image = cv2.resize(image, (640, 480), interpolation=cv2.INTER_CUBIC)
    x, y = (int(v) for v in rng.integers(-4, 5, 2))
    if answer == 'yes':
        cv2.rectangle(image, (300 + x, 200 + y), (340 + x, 240 + y), (200, 60, 40), -1)
    image = image * rng.uniform(0.9, 1.1) + rng.normal(0, 2, image.shape)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


@pytest.fixture
def pipeline(teacher, encoder):
    at = 0
    for moment in range(3):
        for number, answer in enumerate(('yes', 'no')):
            for shot in range(moment, 10, 3):
                at += SECOND
                assert teacher.do(
                    Message('add', question=QUESTION, answer=answer, region=list(SMALL)),
                    Taken(noisy(answer, 100 * number + shot), at))['status'] == 'ok'
            at += 5 * SECOND
    assert teacher.do(Message('fit', question=QUESTION))['judgement']['answered'] == 1
    found = open_pipeline('tabletop')
    found.taught = Taught(teacher.folder, encoder)
    return found


def test_frames_that_never_were_a_jpeg_are_as_familiar_as_the_shots(pipeline):
    found = [pipeline.respond(Request(QUESTION), Frame(lambda rgb=rgb: (rgb, None)))
             for rgb in (noisy(answer, 100 * number + shot) for shot in range(14)
                         for number, answer in enumerate(('yes', 'no')))]
    assert [detail.status for detail in found].count(Status.OK) >= 26
    assert all(detail.status is Status.OK for detail in found[:20])  # these are the shots
