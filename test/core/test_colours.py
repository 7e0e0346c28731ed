"""Whatever way a grey picture arrives, no colour is told from it, and everything else is."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from helpers import fake_bundle
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.core.colours import WORDS, about_colours, is_grey
from latent_vqa_ros.core.compressed import compressed_to_rgb, header_says_grey
from latent_vqa_ros.core.image_formats import ImageError, finish_rgb, raw_is_grey, raw_to_view
from latent_vqa_ros.core.pipeline import GREY, Frame
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.datasets import easy_vqa
from latent_vqa_ros.simulation.language.wording import ADJECTIVES
from latent_vqa_ros.simulation.truth import COLORS

SIZE = 96
LUMA = cv2.GaussianBlur(
    np.random.default_rng(0).integers(20, 236, (SIZE, SIZE), np.uint8), (0, 0), 4)
PIPELINES = {name: open_pipeline(name) for name in ('tabletop', 'easy_vqa')}


def message(encoding, data):
    return SimpleNamespace(height=SIZE, width=SIZE, encoding=encoding, is_bigendian=0,
                           step=data.strides[0], data=data.tobytes())


def raw(encoding, data):
    image = message(encoding, data)
    return lambda: raw_to_view(image)


def bytes_of(suffix, picture, *options):
    return cv2.imencode(suffix, picture, options)[1].tobytes()


def packed(suffix, picture, *options):
    content = bytes_of(suffix, picture, *options)
    return lambda: (compressed_to_rgb(content), None)


def stacked(*planes):
    return np.dstack(planes)


DEEP, NEUTRAL, OPAQUE = LUMA.astype('<u2') * 257, np.full_like(LUMA, 128), np.full_like(LUMA, 255)
GREYS = {
    **{name: raw(name, LUMA) for name in ('mono8', '8UC1')},
    **{name: raw(name, DEEP) for name in ('mono16', '16UC1')},
    **{name: raw(name, stacked(LUMA, LUMA, LUMA)) for name in ('rgb8', 'bgr8', '8UC3')},
    **{name: raw(name, stacked(LUMA, LUMA, LUMA, OPAQUE)) for name in ('rgba8', 'bgra8')},
    'bgr16': raw('bgr16', stacked(DEEP, DEEP, DEEP)),
    'yuv422': raw('yuv422', stacked(NEUTRAL, LUMA)), 'yuyv': raw('yuyv', stacked(LUMA, NEUTRAL)),
    'nv12': raw('nv12', np.vstack([LUMA, NEUTRAL[:SIZE // 2]])),
    'grey JPEG': packed('.jpg', LUMA), 'grey PNG': packed('.png', LUMA),
    'deep PNG': packed('.png', LUMA.astype(np.uint16) * 257),
    'JPEG of three equal channels': packed('.jpg', stacked(LUMA, LUMA, LUMA)),
    'progressive JPEG': packed('.jpg', LUMA, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'PNG of three equal channels': packed('.png', stacked(LUMA, LUMA, LUMA)),
    'a covered lens': raw('rgb8', np.zeros((SIZE, SIZE, 3), np.uint8)),
}  # fmt: skip


@pytest.mark.parametrize('model', PIPELINES)
@pytest.mark.parametrize('name', GREYS)
def test_no_question_about_colours_is_answered_about_a_grey_picture(model, name):
    pipeline, frame = PIPELINES[model], Frame(GREYS[name])
    asked = {about_colours(words(question)): 0 for question in pipeline.bundle.manifest.questions}
    assert asked.keys() == {True, False}
    for question in pipeline.bundle.manifest.questions[::3]:
        detail = pipeline.respond(Request(question), frame)
        if about_colours(words(question)):
            assert (detail.status, detail.reason) == (Status.UNSURE, GREY), question
            assert len(detail.top) == 3
        else:
            assert detail.reason != GREY or detail.answer in WORDS, question


@pytest.mark.parametrize(('encoding', 'data', 'told'), [
    ('mono8', LUMA, True), ('16UC1', DEEP, True), ('bgr8', stacked(LUMA, LUMA, LUMA), True),
    ('rgba8', stacked(LUMA, LUMA, LUMA, NEUTRAL), True), ('bgr8', stacked(LUMA, LUMA, 0 * LUMA),
                                                           False),
    ('bgra8', stacked(LUMA, 0 * LUMA, LUMA, LUMA), False), ('bayer_rggb8', LUMA, None),
    ('yuyv', stacked(LUMA, NEUTRAL), None)])
def test_a_raw_picture_is_told_from_a_grey_one_where_that_is_cheap(encoding, data, told):
    assert raw_is_grey(message(encoding, data)) is told
    if told is not None:
        assert is_grey(finish_rgb(*raw(encoding, data)())) is told


@pytest.mark.parametrize(('content', 'format_', 'told'), [
    (bytes_of('.jpg', LUMA), 'mono8; jpeg compressed ', True), (bytes_of('.png', LUMA), '', True),
    (bytes_of('.png', DEEP), '', True), (bytes_of('.jpg', stacked(LUMA, LUMA, LUMA)), '', None),
    (bytes_of('.png', stacked(LUMA, LUMA, 0 * LUMA)), '', None),
    (bytes_of('.png', LUMA), 'bayer_rggb8; png compressed ', None)])
def test_a_header_tells_only_what_is_grey_whatever_its_pixels(content, format_, told):
    assert header_says_grey(content, format_) is told
    if told:
        assert is_grey(compressed_to_rgb(content, format_))


@pytest.mark.parametrize('content', [
    b'', b'no image', bytes_of('.jpg', LUMA)[:300], bytes_of('.png', LUMA)[:20],
    bytes_of('.png', LUMA)[:len(bytes_of('.png', LUMA)) // 2], bytes_of('.png', LUMA)[:-1]])
def test_a_picture_without_a_header_or_an_end_is_not_told_from_a_grey_one(content):
    with pytest.raises(ImageError) as told:
        header_says_grey(content)
    with pytest.raises(ImageError) as decoded:
        compressed_to_rgb(content)
    assert str(told.value) == str(decoded.value)


def test_a_depth_image_is_refused_as_one_before_anything_is_asked():
    with pytest.raises(ImageError, match='compressedDepth is a depth image'):
        header_says_grey(bytes_of('.png', DEEP), '16UC1; compressedDepth png')


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.data())
def test_one_level_of_one_channel_of_one_pixel_is_a_colour(height, width, seed, data):
    luma = np.random.default_rng(seed).integers(0, 255, (height, width), np.uint8)
    image = np.dstack([luma] * 3)
    assert is_grey(image)
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    image[y, x, data.draw(st.integers(0, 2))] += 1
    assert not is_grey(image)


def test_each_colour_that_the_shipped_models_know_is_a_word_for_a_colour():
    spoken = {word for color in COLORS for word in ADJECTIVES.get(color, (color,))}
    assert len(spoken | set(easy_vqa.COLORS)) >= 13
    assert (spoken | set(easy_vqa.COLORS) | {'color', 'colour'}) - WORDS == set()
    for pipeline in PIPELINES.values():
        manifest = pipeline.bundle.manifest
        named = {word for word in (*manifest.vocabulary, *manifest.answers) if word in WORDS}
        assert named <= spoken | set(easy_vqa.COLORS) | {
            'color', 'colour', 'colors', 'colours'}


@pytest.mark.parametrize(('text', 'about'), [
    ('what color is it', True), ('Is there a RED cube?', True), ('is it reddish', True),
    ('how many cubes are there', False), ('is it large', False), ('is the door open', False)])
def test_what_a_question_is_about_is_told_by_its_words(text, about):
    assert about_colours(words(text)) is about


def test_a_colour_is_not_answered_where_the_question_names_none(tmp_path, monkeypatch):
    pipeline = open_pipeline(fake_bundle.write(tmp_path / 'm'))
    monkeypatch.setattr(pipeline.backend, 'answer', lambda *_: (np.array([0.0, 9.0, 0.0]), None))
    question = Request('what is this')
    grey, coloured = np.full((8, 8, 3), 40, np.uint8), np.full((8, 8, 3), (40, 41, 40), np.uint8)
    told = [pipeline.respond(question, Frame(lambda image=image: (image, None)))
            for image in (grey, coloured)]
    assert [(detail.status, detail.answer) for detail in told] == [
        (Status.UNSURE, 'red'), (Status.OK, 'red')]
    assert told[0].reason == GREY


def test_what_cannot_be_told_for_grey_is_said_before_what_is_unfamiliar(tmp_path):
    pipeline = open_pipeline(fake_bundle.write(tmp_path / 'm', max_distance=1.0))
    frame = Frame(lambda: (np.full((8, 8, 3), 40, np.uint8), None))
    assert pipeline.respond(Request('what color is this'), frame).reason == GREY
    assert pipeline.respond(Request('what shape is this'), frame).status is Status.UNFAMILIAR_IMAGE
    assert pipeline.encode(frame).grey
