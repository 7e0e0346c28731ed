import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.preprocess import prepare
from latent_vqa_ros.datasets import images
from latent_vqa_ros.datasets.images import Pictures, cache, load_images, read_rgb
from latent_vqa_ros.datasets.record import DatasetError, Record

ROOT = Path(__file__).parents[2]
SEEN = PreprocessConfig(height=16, width=24, resize='stretch')
BYTES = 16 * 24 * 3


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def records(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(5):
        cv2.imwrite(str(tmp_path / f'{i}.png'), rng.integers(0, 256, (30 + i, 40, 3), np.uint8))
    return [Record(tmp_path / f'{i}.png', 'train', ()) for i in range(5)]


@pytest.fixture
def no_picture_is_read(monkeypatch):
    def refuse(*_):
        raise AssertionError('a picture is decoded')
    return lambda: monkeypatch.setattr(cv2, 'imread', refuse)


def files():
    return sorted(path.name for path in (cache() / 'pictures').iterdir())


def test_rows_are_the_pictures_as_the_model_sees_them_in_the_order_asked(records):
    found = Pictures(records, SEEN).take([3, 0, 3])
    expected = [prepare(read_rgb(records[i]), SEEN) for i in (3, 0, 3)]
    assert found.dtype == np.uint8
    assert np.array_equal(found, expected)
    assert np.array_equal(load_images(records, SEEN)[[3, 0, 3]], expected)
    found[:] = 0  # a copy: what is on disk stays
    assert np.array_equal(Pictures(records, SEEN).take([3])[0], expected[0])


def test_pictures_are_decoded_once(records, no_picture_is_read):
    first = Pictures(records, SEEN).take(range(5))
    no_picture_is_read()
    assert np.array_equal(Pictures(records, SEEN).take(range(5)), first)


def test_pictures_that_nobody_asks_for_are_not_decoded(records, no_picture_is_read):
    no_picture_is_read()
    assert len(Pictures(records, SEEN)) == 5
    assert not cache().exists()


@pytest.mark.parametrize('change', ['content', 'size', 'resize'])
def test_another_picture_or_another_input_is_decoded_anew(records, change):
    before, seen = Pictures(records, SEEN).take([1])[0], SEEN
    if change == 'content':
        cv2.imwrite(str(records[1].image), np.zeros((31, 40, 3), np.uint8))
    else:
        seen = PreprocessConfig(height=16, width=32 if change == 'size' else 24,
                                resize='center_crop' if change == 'resize' else 'stretch')
    found = Pictures(records, seen).take([1])[0]
    assert np.array_equal(found, prepare(read_rgb(records[1]), seen))
    assert not np.array_equal(found, before)


def test_decoding_that_was_killed_goes_on_after_the_last_whole_picture(records, monkeypatch):
    whole = Pictures(records, SEEN).take(range(5))
    path = next((cache() / 'pictures').iterdir())
    path.with_suffix('.part').write_bytes(path.read_bytes()[:2 * BYTES + 7])
    path.unlink()
    read = []
    decode = images.read_rgb
    monkeypatch.setattr(images, 'read_rgb', lambda record: (
        read.append(record.image.stem), decode(record))[1])
    assert np.array_equal(Pictures(records, SEEN).take(range(5)), whole)
    assert sorted(read) == ['2', '3', '4']
    assert files() == [path.name]


def test_processes_that_ask_at_once_decode_once_and_see_the_same(records):
    program = (
        'import sys, hashlib\n'
        'from pathlib import Path\n'
        'from latent_vqa_ros.core.config import PreprocessConfig\n'
        'from latent_vqa_ros.datasets import images\n'
        'from latent_vqa_ros.datasets.record import Record\n'
        'records = [Record(Path(name), "train", ()) for name in sys.argv[1:]]\n'
        'seen = PreprocessConfig(height=16, width=24, resize="stretch")\n'
        'found = images.Pictures(records, seen).take(range(len(records)))\n'
        'print(hashlib.sha256(found.tobytes()).hexdigest())\n')
    command = [sys.executable, '-c', program, *(str(record.image) for record in records)]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
               for _ in range(3)]
    printed = {process.communicate(timeout=60)[0] for process in started}
    assert len(printed) == 1
    assert printed != {''}
    assert len(files()) == 1


def test_a_file_that_is_no_picture_and_a_cache_that_cannot_be_written_are_one_line(records):
    records[4].image.write_bytes(b'no picture')
    with pytest.raises(DatasetError, match=r'4\.png: not a picture'):
        Pictures(records, SEEN).take([0])
    cache().parent.mkdir(exist_ok=True)
    (cache() / 'pictures').rename(cache() / 'elsewhere')
    (cache() / 'pictures').write_bytes(b'')
    with pytest.raises(DatasetError, match=r'the decoded pictures take 0 MB there .*XDG_CACHE'):
        Pictures(records[:4], SEEN).take([0])


def test_memory_holds_a_batch_and_not_all_pictures(tmp_path):
    """256 MB of pictures: what is read of them row by row stays out of the process's memory."""
    program = (
        'import sys\n'
        'from pathlib import Path\n'
        'import numpy as np\n'
        'from latent_vqa_ros.core.config import PreprocessConfig\n'
        'from latent_vqa_ros.core.process import resident_mb\n'
        'from latent_vqa_ros.datasets import images\n'
        'from latent_vqa_ros.datasets.record import Record\n'
        'records = [Record(Path(sys.argv[1]), "train", ())] * 320\n'
        'pictures = images.Pictures(records, PreprocessConfig(height=512, width=512))\n'
        'pictures.take(range(8))\n'
        'before = resident_mb()\n'
        'for start in range(0, 320, 8):\n'
        '    pictures.take(range(start, start + 8))\n'
        'print(resident_mb() - before)\n')
    path = tmp_path / 'picture.png'
    cv2.imwrite(str(path), np.zeros((512, 512, 3), np.uint8))
    done = subprocess.run([sys.executable, '-c', program, str(path)], capture_output=True,
                          text=True, env={**os.environ, 'PYTHONPATH': str(ROOT)}, check=True)
    assert next((cache() / 'pictures').iterdir()).stat().st_size == 320 * 512 * 512 * 3
    assert float(done.stdout) < 50


def test_a_picture_that_arrived_in_part_is_named_as_the_node_does(tmp_path):
    path = tmp_path / 'a.jpg'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DatasetError, match=r'a\.jpg: truncated JPEG'):
        read_rgb(Record(path, 'train', ()))


def test_a_picture_of_another_kind_is_read_and_a_giant_is_refused(tmp_path):
    seen = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.bmp'), seen[..., ::-1])
    assert np.array_equal(read_rgb(Record(tmp_path / 'a.bmp', 'train', ())), seen)
    header = cv2.imencode('.png', np.zeros((1, 1, 3), np.uint8))[1].tobytes()
    (tmp_path / 'a.png').write_bytes(header[:16] + (10**5).to_bytes(4, 'big') * 2 + header[24:])
    with pytest.raises(DatasetError, match=r'a\.png: '):
        read_rgb(Record(tmp_path / 'a.png', 'train', ()))
