"""simulate bag: a bag that evaluate reads, or one line that says why not."""

import json

import pytest

from latent_vqa_ros.bags import write
from latent_vqa_ros.bags.read import BagReader
from latent_vqa_ros.cli import simulate
from latent_vqa_ros.simulation import dataset, episode_bag


def make(latent_vqa, out, *options):
    return latent_vqa('simulate', 'bag', out, '--seconds', '3', '--rate', '4', '--size', '64',
                      '--seed', '6', *options)


def test_it_makes_a_bag_that_can_be_evaluated(latent_vqa, tmp_path):
    code, out, _ = make(latent_vqa, tmp_path / 'bag', '--storage', 'sqlite3', '--json')
    document = json.loads(out)
    assert code == 0
    assert (document['frames'], document['size'], document['storage']) == (12, 64, 'sqlite3')
    assert (tmp_path / 'bag' / 'bag.db3').exists()
    code, out, _ = latent_vqa('evaluate', '--model', 'easy_vqa', '--data', tmp_path / 'bag',
                              '--rate', '4', '--json')
    asked = json.loads(out)
    assert code == 0
    assert asked['frames'] == 12
    assert asked['ambiguous_frames'] == document['ambiguous_frames'] < 6
    assert 'is the gripper holding anything?' in asked['groups']


def test_compressed_pictures_can_be_evaluated_too(latent_vqa, tmp_path):
    code, out, _ = make(latent_vqa, tmp_path / 'bag', '--compressed', '--json')
    assert code == 0
    assert json.loads(out)['compressed']
    with BagReader(tmp_path / 'bag') as bag:
        assert '/camera/image_raw' not in bag.topics
        assert bag.topics['/camera/image_raw/compressed'] == 'sensor_msgs/msg/CompressedImage'
    code, out, _ = latent_vqa('evaluate', '--model', 'easy_vqa', '--data', tmp_path / 'bag',
                              '--rate', '4', '--json')
    assert code == 0
    assert json.loads(out)['frames'] == 12


def test_people_get_a_sentence(latent_vqa, tmp_path):
    code, out, _ = make(latent_vqa, tmp_path / 'bag', '--size', '64x64')
    assert code == 0
    assert '12 frames of 64x64 pixels' in out


def test_an_existing_bag_is_left_alone(latent_vqa, tmp_path):
    (tmp_path / 'bag').mkdir()
    code, _, err = make(latent_vqa, tmp_path / 'bag')
    assert code == 1
    assert 'exists already' in err
    assert list((tmp_path / 'bag').iterdir()) == []


@pytest.mark.parametrize(('options', 'code', 'says'), [
    (('--size', '8'), 2, '32 to 1024'), (('--size', '2000'), 2, '32 to 1024'),
    (('--rate', '0'), 2, '--rate'), (('--rate', '0.01'), 2, '0.1 to 100'),
    (('--seed', '-1'), 2, '--seed'), (('--seconds', 'nan'), 2, '--seconds'),
    (('--seconds', '0'), 2, '--seconds'),
    (('--size', '64x64x64'), 2, 'square'), (('--size', '64x48'), 2, 'square'),
    (('--size', 'x'), 2, 'square'),
    (('--size', ''), 2, 'square'), (('--storage', 'tape'), 2, 'tape')])
def test_nonsense_is_told(latent_vqa, tmp_path, options, code, says):
    found, _, err = make(latent_vqa, tmp_path / 'bag', *options)
    assert found == code
    assert says in err
    assert 'Traceback' not in err
    assert not (tmp_path / 'bag').exists()


def test_the_command_knows_what_can_be_chosen():
    assert simulate.STORAGES == write.STORAGES
    assert (simulate.SIZES, simulate.RATES) == (dataset.SIZES, episode_bag.RATES)
