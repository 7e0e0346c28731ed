"""simulate dataset: whole or not at all, the same for any number of workers, ready to train on."""

import json
import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from latent_vqa_ros.cli import simulate
from latent_vqa_ros.datasets import folder, tabletop
from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation import dataset
from latent_vqa_ros.simulation.truth import Scene
from latent_vqa_ros.simulation.world import scenes

SCENES = 7


def make(latent_vqa, out, *options):
    return latent_vqa('simulate', 'dataset', out, '--scenes', str(SCENES), '--workers', '1',
                      *options)


def contents(out):
    return {str(path.relative_to(out)): path.read_bytes()
            for path in sorted(Path(out).rglob('*')) if path.is_file()}


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp('simulate') / 'scenes'
    job = dataset.Job(SCENES, 'train', 0, 96, 10, False, True)
    dataset.make(out, job, 1, lambda count: None)
    return out


def test_a_dataset_can_be_read_for_training(made):
    records = folder.load(made).split('train')
    assert len(records) == SCENES
    assert all(record.questions and record.captions for record in records)


def test_truth_names_its_picture_and_its_mask(made):
    found = [Scene.from_json(line) for line in (made / 'truth.jsonl').read_text().splitlines()]
    assert len(found) == SCENES
    for scene in found:
        picture = cv2.imread(str(made / scene.image))
        assert picture.shape == (scene.height, scene.width, 3)
        name = Path(scene.image).relative_to('images').with_suffix('.png')
        mask = cv2.imread(str(made / 'masks' / name), cv2.IMREAD_UNCHANGED)
        for index, thing in enumerate(scene.things):
            assert (mask == index + 1).any() == (thing.visible > 0)


def test_json_is_one_document_with_counts(latent_vqa, tmp_path):
    code, out, _ = make(latent_vqa, tmp_path / 'a', '--split', 'shifted', '--json')
    document = json.loads(out)
    assert code == 0
    assert document['scenes'] == SCENES
    assert document['split'] == 'shifted'
    assert document['size'] == tabletop.SIZE  # unless told otherwise, what the model is trained on
    lines = (tmp_path / 'a' / 'questions.jsonl').read_text().splitlines()
    assert document['questions'] == len(lines)
    assert {json.loads(line)['split'] for line in lines} == {'test'}


def test_workers_and_interruptions_do_not_change_a_byte(made, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, 'CHUNK', 3)
    job = dataset.Job(SCENES, 'train', 0, 96, 10, False, True)

    def stop(count):
        raise KeyboardInterrupt

    out = tmp_path / 'scenes'
    with pytest.raises(KeyboardInterrupt):
        dataset.make(out, job, 1, stop)
    assert not out.exists()
    assert (tmp_path / 'scenes.part').exists()
    drawn = []
    monkeypatch.setattr(dataset, '_draw', lambda part, job, index, draw=dataset._draw:
                        (drawn.append(index), draw(part, job, index))[1])
    dataset.make(out, job, 1, lambda count: None)
    assert drawn == [3, 4, 5, 6]
    assert contents(out) == contents(made)
    monkeypatch.undo()
    twin = tmp_path / 'twin'
    dataset.make(twin, job, 2, lambda count: None)
    assert contents(twin) == contents(made)


def test_the_wide_world_is_stored_in_the_shape_of_the_camera_s_frame(latent_vqa, tmp_path):
    code, out, _ = make(latent_vqa, tmp_path / 'a', '--world', 'wide', '--split', 'val', '--masks',
                        '--json')
    assert code == 0
    assert json.loads(out)['size'] == tabletop.WIDE_SIZE
    found = [Scene.from_json(line) for line in
             (tmp_path / 'a' / 'truth.jsonl').read_text().splitlines()]
    assert len(found) == SCENES
    assert len({(scene.width, scene.height) for scene in found}) > 2
    for scene in found:
        assert scene.world == 'wide'
        assert Path(scene.image).suffix == '.jpg'
        picture = cv2.imread(str(tmp_path / 'a' / scene.image))
        assert picture.shape == (scene.height, scene.width, 3)
        assert min(picture.shape[:2]) == tabletop.WIDE_SIZE
        name = Path(scene.image).relative_to('images').with_suffix('.png')
        mask = cv2.imread(str(tmp_path / 'a' / 'masks' / name), cv2.IMREAD_UNCHANGED)
        for index, thing in enumerate(scene.things):
            assert (mask == index + 1).any() == (thing.visible > 0)
    records = folder.load(tmp_path / 'a').split('val')
    assert all(record.questions for record in records)
    regions = [region.caption for record in records for region in record.regions]
    assert regions
    assert not any(size in caption for caption in regions for size in ('small', 'large'))
    about = json.loads((tmp_path / 'a' / 'dataset.json').read_text())
    assert about['sources'] == [{'name': 'robosuite 1.5.2', 'licence': 'MIT',
                                 'what': 'textures, meshes'}]


@pytest.mark.parametrize(('options', 'said'), [
    (('--world', 'wide', '--split', 'shifted'), "split 'shifted' is none of train, val, test"),
    (('--photos', '.'), 'photos and meshes are for the wide world'),
    (('--world', 'wide', '--photos', 'no/such/folder'), 'no/such/folder')])
def test_what_the_other_world_has_is_refused_in_one_line(latent_vqa, tmp_path, options, said):
    code, _, err = make(latent_vqa, tmp_path / 'a', *options)
    assert code == 1
    assert said in err
    assert err.count('\n') == 1


def test_an_existing_folder_is_left_alone(latent_vqa, tmp_path):
    (tmp_path / 'a').mkdir()
    code, _, err = make(latent_vqa, tmp_path / 'a')
    assert code == 1
    assert 'exists' in err
    assert err.count('\n') == 1


def test_the_rest_of_another_job_is_not_continued(latent_vqa, tmp_path):
    (tmp_path / 'a.part').mkdir()
    (tmp_path / 'a.part' / 'job.json').write_text('{}')
    code, _, err = make(latent_vqa, tmp_path / 'a')
    assert code == 1
    assert 'another job' in err


def test_the_rest_of_another_version_is_not_continued(monkeypatch, tmp_path):
    job = dataset.Job(4, 'val', 1, 48, 2, False, False)
    with monkeypatch.context() as patch:
        patch.setitem(dataset.VERSIONS, 'workcell', dataset.VERSIONS['workcell'] - 1)
        patch.setattr(dataset, 'draw_chunk', lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            dataset.make(tmp_path / 'a', job, 1, lambda count: None)
    with pytest.raises(dataset.DatasetError, match='another version'):
        dataset.make(tmp_path / 'a', job, 1, lambda count: None)


def test_nonsense_is_one_line(latent_vqa, tmp_path):
    code, _, err = make(latent_vqa, tmp_path / 'a', '--scenes', '1000001')
    assert code == 1
    assert '1000001 scenes' in err
    assert err.count('\n') == 1


@pytest.mark.parametrize(('option', 'value', 'said'), [
    ('--scenes', '0', 'a whole number from'), ('--seed', '-1', 'a whole number from'),
    ('--questions', '0', 'a whole number from'), ('--workers', '0', 'a whole number from'),
    ('--scenes', 'x', 'a whole number from'), ('--size', '8', '32 to 1024 pixels'),
    ('--size', '-3', 'PIXELS')])
def test_numbers_that_cannot_be_are_bad_usage(latent_vqa, tmp_path, option, value, said):
    code, _, err = make(latent_vqa, tmp_path / 'a', option, value)
    assert code == 2
    assert f'{option}: expected {said}' in err


def test_two_processes_do_not_draw_one_folder(latent_vqa, tmp_path):
    job = dataset.Job(3, 'train', 0, 32, 10, False, False)
    with dataset._part(tmp_path / 'a', job), \
            pytest.raises(DatasetError, match='drawn by another process'):
        dataset.make(tmp_path / 'a', job, 1, lambda count: None)
    dataset.make(tmp_path / 'a', job, 1, lambda count: None)
    assert len((tmp_path / 'a' / 'truth.jsonl').read_text().splitlines()) == 3


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_the_command(tmp_path, number):
    command = subprocess.Popen(
        [sys.executable, '-m', 'latent_vqa_ros.cli.main', 'simulate', 'dataset', tmp_path / 'a',
         '--scenes', '100000', '--size', '32', '--workers', '2'], stderr=subprocess.DEVNULL)
    chunks = tmp_path / 'a.part' / 'chunks'

    def wait_for(condition):
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def alive(pid):
        path = Path(f'/proc/{pid}/stat')
        return path.exists() and path.read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    wait_for(lambda: chunks.exists() and len(list(chunks.iterdir())) > 1)
    workers = Path(f'/proc/{command.pid}/task/{command.pid}/children').read_text().split()
    assert len(workers) >= 2
    command.send_signal(number)
    assert command.wait(60) in (-signal.SIGKILL, 128 + signal.SIGTERM)
    wait_for(lambda: not any(alive(pid) for pid in workers))


def test_a_killed_worker_is_one_line_that_says_how_to_go_on(tmp_path):
    job = dataset.Job(2000, 'train', 0, 32, 10, False, False)
    with pytest.raises(DatasetError, match='was killed.*the same command continues'):
        dataset.make(tmp_path / 'a', job, 2, lambda count: [
            child.kill() for child in multiprocessing.active_children()])


def test_a_missing_osmesa_is_one_line(latent_vqa, tmp_path, monkeypatch):
    monkeypatch.setenv('MUJOCO_GL', 'osmesa')
    monkeypatch.setattr('ctypes.util.find_library', lambda name: None)
    code, _, err = make(latent_vqa, tmp_path / 'a')
    assert code == 1
    assert 'apt-get install libosmesa6' in err
    assert err.count('\n') == 1


def test_the_command_knows_the_splits():
    assert simulate.SPLITS == scenes.SPLITS
