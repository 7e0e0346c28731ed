"""A frame becomes a JPEG of the width that a browser shows, with what is known of the frame."""

import json

import cv2
import numpy as np
import pytest

from latent_vqa_ros.core.image_formats import ImageError
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.web.pictures import encode


def unpack(message):
    length = int.from_bytes(message[:4], 'big')
    return json.loads(message[4:4 + length]), message[4 + length:]


def frame(height=480, width=640, code=cv2.COLOR_BGR2RGB, colour=(255, 0, 0)):
    pixels = np.full((height, width, 3), colour, np.uint8)
    return Frame(lambda: (pixels, code), camera='front')


@pytest.mark.parametrize(('wanted', 'shown'), [(320, (240, 320)), (1920, (480, 640))])
def test_a_picture_is_scaled_down_and_never_up(wanted, shown):
    head, jpeg = unpack(encode(frame(), wanted, lambda height, width: None))
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1).shape[:2] == shown
    assert (head['width'], head['height'], head['camera']) == (640, 480, 'front')


@pytest.mark.parametrize(('code', 'blue'), [(cv2.COLOR_BGR2RGB, (255, 0, 0)), (None, (0, 0, 255))])
def test_blue_stays_blue(code, blue):
    _, jpeg = unpack(encode(frame(code=code, colour=blue), 640, lambda height, width: None))
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1)[9, 9].tolist() == pytest.approx(
        [255, 0, 0], abs=4)


def test_the_head_says_which_part_the_model_sees():
    head, _ = unpack(encode(frame(), 640, lambda height, width: (80, 0, height, height)))
    assert head['seen'] == [80, 0, 480, 480]


@pytest.mark.parametrize('kind', [ImageError, cv2.error])
def test_a_frame_that_cannot_be_decoded_says_why(kind):
    def broken():
        raise kind('truncated JPEG')
    head, jpeg = unpack(encode(Frame(broken, camera='front'), 640, lambda height, width: None))
    assert head['error'] == 'truncated JPEG'
    assert jpeg == b''
