"""Facts about messages ↔ RGB; needs sensor_msgs. A real cv_bridge is the oracle if there is one.

The oracle runs in a subprocess: Debian's package python3-cv-bridge, or a sourced ROS 2, for
/usr/bin/python3. Largest difference allowed from it: 0 for every encoding.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import Image, PointCloud2, PointField

from latent_vqa_ros.core.image_formats import KNOWN_ENCODINGS, ImageError, check_image, raw_to_rgb
from latent_vqa_ros.ros import conversions

ROOT = Path(__file__).parents[2]
PYTHON = '/usr/bin/python3'
# Encodings that cv_bridge must have converted, else the comparison has stopped comparing.
COMPARED = conversions.CV_BRIDGE_ENCODINGS - {'yuv422_yuy2'}  # ROS 2's knows it, Debian's not


def bridge_environment():
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    return {**os.environ, 'PYTHONPATH': path}


def has_oracle():
    command = [PYTHON, '-c', 'import cv_bridge, sensor_msgs.msg']
    if not Path(PYTHON).exists():
        return False
    done = subprocess.run(command, env=bridge_environment(), capture_output=True, timeout=60)
    return done.returncode == 0


def message(encoding, height, width, padding=0, big=0):
    starts = (('rgba', 4), ('bgra', 4), ('rgb', 3), ('bgr', 3), ('yu', 2), ('uy', 2))
    named = {'3': 3, '4': 4}.get(encoding[-1], 1)  # 8UC3, 16UC4
    per_pixel = next((n for start, n in starts if encoding.startswith(start)), named)
    row_bytes = width * per_pixel * (2 if '16' in encoding else 1)
    rows = height * {'nv24': 6, 'nv12': 3, 'nv21': 3}.get(encoding, 2) // 2
    size = (row_bytes + padding) * rows
    data = np.random.default_rng(height).integers(0, 256, size, np.uint8).tobytes()
    return Image(
        height=height, width=width, encoding=encoding, is_bigendian=big,
        step=row_bytes + padding, data=array.array('B', data),
    )  # fmt: skip


def as_json(msg):
    fields = {name: getattr(msg, name) for name in ('height', 'width', 'encoding', 'step')}
    return {
        **fields, 'is_bigendian': int(msg.is_bigendian), 'row_bytes': check_image(msg),
        'data': bytes(msg.data).hex(),
    }  # fmt: skip


@pytest.mark.skipif(
    not has_oracle(),
    reason='no cv_bridge for /usr/bin/python3: apt-get install python3-cv-bridge',
)
def test_conversion_agrees_with_cv_bridge_for_every_encoding_both_know():
    messages = [
        message(encoding, height, width, padding, big)
        for encoding in KNOWN_ENCODINGS
        for height, width in ((4, 6), (34, 66))
        for padding in (0, 1, 8)
        for big in ((0, 1) if '16' in encoding else (0,))
    ]
    child = subprocess.run(
        [PYTHON, str(ROOT / 'test/data/conversions_oracle.py')],
        input=json.dumps([as_json(msg) for msg in messages]),
        env=bridge_environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    compared = set()
    for msg, theirs in zip(messages, json.loads(child.stdout), strict=True):
        case = msg.encoding, msg.height, msg.step, msg.is_bigendian
        ours = raw_to_rgb(msg).tobytes().hex()
        assert theirs['raw'] == ours, case
        assert theirs['node'] == ours, case
        if theirs['bridge'] is not None:
            compared.add(msg.encoding)
            assert theirs['bridge'] == ours, case
    assert compared >= COMPARED


GOOD = """
import numpy as np
CALLS = []
class CvBridge:
    def imgmsg_to_cv2(self, msg, encoding):
        assert encoding == 'rgb8'
        CALLS.append(msg.encoding)
        if msg.encoding != 'bgr8':
            raise RuntimeError('Unrecognized image encoding')
        return np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.width, 3)[:, :, ::-1]
"""
BROKEN = {
    'import raises': "raise SystemError('_ARRAY_API not found')",
    'import exits': 'raise SystemExit(3)',
    'ends the process': 'import os; os.abort()',
    'conversion raises': 'class CvBridge:\n    pass',
    'other pixels': GOOD.replace('::-1', '::1'),
    'other shape': GOOD.replace(', 3)[:, :, ::-1]', '*3)'),
}


@pytest.fixture
def install_bridge(tmp_path, monkeypatch):
    """Return a function that makes source the cv_bridge that this and child processes import."""

    def install(source):
        (tmp_path / 'cv_bridge.py').write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv('PYTHONPATH', str(tmp_path))
        monkeypatch.delitem(conversions.sys.modules, 'cv_bridge', raising=False)
        conversions.working_cv_bridge.cache_clear()

    yield install
    conversions.sys.modules.pop('cv_bridge', None)
    conversions.working_cv_bridge.cache_clear()


def test_a_working_cv_bridge_is_used_and_what_it_refuses_falls_to_ours(install_bridge):
    install_bridge(GOOD)
    for encoding in ('bgr8', 'rgb16', 'nv12'):
        msg = message(encoding, 4, 6)
        rgb = conversions.image_to_rgb(msg)
        assert np.array_equal(rgb, raw_to_rgb(msg))
        assert rgb.flags.c_contiguous
    calls = conversions.sys.modules['cv_bridge'].CALLS
    assert calls == ['bgr8', 'bgr8', 'rgb16']  # the self check, the two it may be asked for


def test_padded_rows_are_never_given_to_cv_bridge(install_bridge):
    install_bridge(GOOD)
    msg = message('bgr8', 4, 6, padding=5)
    assert np.array_equal(conversions.image_to_rgb(msg), raw_to_rgb(msg))
    conversions.image_to_rgb(message('bgr8', 4, 6))
    assert conversions.sys.modules['cv_bridge'].CALLS == ['bgr8', 'bgr8']


@pytest.mark.parametrize('name', BROKEN)
def test_a_broken_cv_bridge_counts_as_absent(install_bridge, name):
    if name.startswith('ends') and np.__version__.startswith('1.'):
        pytest.skip('only under NumPy 2 is cv_bridge tried in a child process first')
    install_bridge(BROKEN[name])
    assert conversions.working_cv_bridge() is None
    msg = message('bgr8', 4, 6)
    assert np.array_equal(conversions.image_to_rgb(msg), raw_to_rgb(msg))


@pytest.mark.parametrize('source', [GOOD, BROKEN['import raises']])
def test_a_bad_image_is_refused_alike_with_and_without_cv_bridge(install_bridge, source):
    install_bridge(source)
    no_step = Image(encoding='bgr8', height=4, width=6)
    for msg in (message('32FC1', 4, 6), message('bgr8', 0, 6), no_step):
        with pytest.raises(ImageError):
            conversions.image_to_rgb(msg)


def cloud(padding=0, big=False):
    fields = [PointField(name='x', offset=0, datatype=7, count=1),
              PointField(name='rgb', offset=8, datatype=7, count=1)]  # fmt: skip
    row_step = 4 * 12 + padding
    data = np.random.default_rng(2).integers(0, 256, row_step * 3, np.uint8).tobytes()
    return PointCloud2(
        height=3, width=4, fields=fields, is_bigendian=big, point_step=12, row_step=row_step,
        data=array.array('B', data),
    )  # fmt: skip


def expected_cloud(msg):
    order = 'big' if msg.is_bigendian else 'little'
    starts = [[y * msg.row_step + x * 12 + 8 for x in range(4)] for y in range(3)]
    values = [[int.from_bytes(bytes(msg.data[s : s + 4]), order) for s in row] for row in starts]
    return [[[v >> 16 & 255, v >> 8 & 255, v & 255] for v in row] for row in values]


# What sensor_msgs_py.point_cloud2.read_points does with a tight little-endian cloud, and that it
# must not be asked for others, nor shown fields that it would list element by element.
FAKE_POINT_CLOUD2 = """
import numpy as np
from sensor_msgs.msg import PointCloud2
CALLS = []
def read_points(cloud, field_names):
    assert isinstance(cloud, PointCloud2)
    if any(f.count != 1 or f.offset + 4 > cloud.point_step for f in cloud.fields):
        raise MemoryError('the real one does not come back from this')
    if cloud.is_bigendian or cloud.row_step != cloud.width * cloud.point_step:
        raise TypeError('the real one gives wrong colours here')
    CALLS.append(field_names)
    dtype = np.dtype({'names': [f.name for f in cloud.fields],
                      'formats': ['<f4'] * len(cloud.fields),
                      'offsets': [f.offset for f in cloud.fields],
                      'itemsize': cloud.point_step})
    return np.ndarray(cloud.width * cloud.height, dtype, cloud.data)[field_names]
"""


@pytest.fixture(params=['as installed', 'stand-in'])
def sensor_msgs_py(request, tmp_path, monkeypatch):
    """Run as this machine is, and with a stand-in for sensor_msgs_py (it is not on PyPI)."""
    if request.param == 'stand-in':
        (tmp_path / 'sensor_msgs_py').mkdir()
        (tmp_path / 'sensor_msgs_py/__init__.py').touch()
        (tmp_path / 'sensor_msgs_py/point_cloud2.py').write_text(FAKE_POINT_CLOUD2)
        for name in ('sensor_msgs_py', 'sensor_msgs_py.point_cloud2'):
            monkeypatch.delitem(conversions.sys.modules, name, raising=False)
        monkeypatch.syspath_prepend(tmp_path)
    yield request.param
    if request.param == 'stand-in':
        for name in ('sensor_msgs_py', 'sensor_msgs_py.point_cloud2'):
            conversions.sys.modules.pop(name, None)


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('big', [False, True])
def test_cloud_colours_are_right_and_the_message_stays_as_it_was(sensor_msgs_py, padding, big):
    msg = cloud(padding, big)
    before = bytes(msg.data)
    assert conversions.cloud_to_rgb(msg).tolist() == expected_cloud(msg)
    assert bytes(msg.data) == before
    if sensor_msgs_py == 'stand-in' and not padding and not big:
        assert conversions.sys.modules['sensor_msgs_py.point_cloud2'].CALLS == [['rgb']]


@pytest.mark.parametrize('other', [
    {'offset': 0, 'count': 0xFFFFFFFF}, {'offset': 4_000_000_000, 'count': 1}])
def test_fields_beside_the_colour_do_not_matter(sensor_msgs_py, other):
    msg = cloud(0, False)
    field = PointField(name='odd', datatype=PointField.FLOAT32, **other)
    msg.fields = [*msg.fields, field]
    assert conversions.cloud_to_rgb(msg).tolist() == expected_cloud(msg)
    if sensor_msgs_py == 'stand-in':
        assert conversions.sys.modules['sensor_msgs_py.point_cloud2'].CALLS == [['rgb']]


def test_an_unorganized_cloud_is_refused(sensor_msgs_py):
    with pytest.raises(ImageError, match='not organized'):
        conversions.cloud_to_rgb(PointCloud2(height=1, width=3))


def test_messages_of_rosbags_convert_as_those_of_rclpy():
    store = get_typestore(Stores.ROS2_HUMBLE)
    types, msg = store.types, message('bgr8', 4, 6, padding=3)
    header = types['std_msgs/msg/Header'](types['builtin_interfaces/msg/Time'](1, 2), 'front')
    theirs = types['sensor_msgs/msg/Image'](
        header, 4, 6, 'bgr8', 0, msg.step, np.frombuffer(msg.data, np.uint8)
    )
    raw = store.serialize_cdr(theirs, 'sensor_msgs/msg/Image')
    read = store.deserialize_cdr(raw, 'sensor_msgs/msg/Image')
    assert np.array_equal(conversions.image_to_rgb(read), raw_to_rgb(msg))


@settings(max_examples=100)
@given(st.binary(max_size=400), st.integers(0, 9), st.integers(0, 9), st.integers(0, 40),
       st.sampled_from([*KNOWN_ENCODINGS, 'mjpeg']))  # fmt: skip
def test_any_message_gives_rgb_or_an_image_error(data, height, width, step, encoding):
    msg = SimpleNamespace(
        height=height, width=width, encoding=encoding, is_bigendian=0, step=step, data=data
    )
    with contextlib.suppress(ImageError):
        assert conversions.image_to_rgb(msg).shape == (height, width, 3)
