"""Pictures of rooms: the same from the same seed, and each another."""

import cv2
import numpy as np
import pytest

from latent_vqa_ros.simulation.world.rooms import plan
from latent_vqa_ros.simulation.world.rooms.studio import RoomStudio

SIZE = 64


@pytest.fixture(scope='module')
def studio():
    return RoomStudio(SIZE)


def picture(content):
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def test_a_room_is_that_of_its_seed_whatever_was_drawn_before(studio):
    first = studio.take(3)
    others = [studio.take(seed) for seed in (4, 5, 6)]
    assert studio.take(3) == first
    assert len({first, *others}) == 4


def test_rooms_have_the_shapes_of_cameras_frames_and_something_to_see(studio):
    found = [picture(studio.take(seed)) for seed in range(24)]
    assert {min(each.shape[:2]) for each in found} == {SIZE}
    assert len({each.shape for each in found}) >= 4
    assert np.mean([each.std() > 20 for each in found]) > 0.8


def test_the_camera_stands_in_the_room_at_the_height_of_a_robot_or_a_person():
    for seed in range(30):
        room = plan.draw(np.random.default_rng(seed))
        x, y, z = room.camera.position
        assert abs(x) < room.size[0] / 2
        assert abs(y) < room.size[1] / 2
        assert 0.79 < z < min(2.01, room.size[2])
        assert -12 <= room.camera.elevation <= 38
