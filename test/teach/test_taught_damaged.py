"""What is taught and damaged, unreadable or off: nobody else answers in its place."""

import shutil

import pytest
import yaml
from teach.conftest import QUESTION

from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.bags.answer import TaughtByCamera
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.taught import OFF
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.messages import Message
from latent_vqa_ros.teach.question import Question, TeachError
from latent_vqa_ros.teach.taught import Taught
from latent_vqa_ros.teach.teacher import Teacher


def broken_disk(*given):
    raise TeachError('too many open files')


def copied(taught, folder, **told):
    """Copy what is taught, the question told otherwise; return its folder."""
    shutil.copytree(taught.folder.path, folder)
    path = folder / 'is-the-lid-open'
    tell(path, **told)
    return path


def tell(path, **told):
    before = yaml.safe_load((path / 'question.yaml').read_text())
    (path / 'question.yaml').write_text(yaml.safe_dump({**before, **told}))


@pytest.mark.parametrize('damage', ['versions/1', 'active', 'questions.jsonl', 'question.yaml'])
def test_a_question_that_is_on_and_lost_a_file_fails(taught, tmp_path, damage):
    shutil.copytree(taught.folder.path, tmp_path / 'copy')
    lost = tmp_path / 'copy' / 'is-the-lid-open' / damage
    if lost.is_dir():
        shutil.rmtree(lost)
    else:
        lost.write_text('{')
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    assert copy.find(QUESTION, '').broken


def test_a_question_that_is_on_and_has_no_file_of_its_own_fails(taught, tmp_path):
    shutil.copytree(taught.folder.path, tmp_path / 'copy')
    (tmp_path / 'copy' / 'is-the-lid-open' / 'question.yaml').unlink()
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    assert 'question.yaml' in copy.find(QUESTION, '').broken
    assert not copy.find('is it closed?', '').broken


def test_a_question_that_nobody_can_read_is_left_to_nobody(taught, tmp_path):
    wording = 'does it stand open?'
    path = copied(taught, tmp_path / 'copy', wordings=[wording]) / 'question.yaml'
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    assert copy.find(wording, '').broken == ''
    path.write_bytes(b'')
    (tmp_path / 'copy' / '.changed').write_bytes(b'')
    for _ in range(2):
        assert 'expected a mapping' in copy.find(wording, '').broken
        (tmp_path / 'copy' / '.changed').write_bytes(b'again')
    (tmp_path / 'copy' / 'is-the-lid-open' / 'questions.jsonl').write_bytes(b'')
    again = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)  # a node that starts now
    assert 'expected a mapping' in again.find(QUESTION, '').broken
    with pytest.raises(TeachError, match='expected a mapping'):
        again.folder.add(Question(QUESTION), 'yes', b'x', 1)


def test_a_damaged_question_takes_no_text_and_no_camera_that_is_not_its_own(taught, tmp_path):
    path = copied(taught, tmp_path / 'copy', camera='front')
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    assert copy.find(QUESTION, 'front').broken == ''
    shutil.rmtree(path / 'versions')
    tell(path, camera='rear')
    (tmp_path / 'copy' / '.changed').write_bytes(b'')
    assert copy.find(QUESTION, 'rear').broken
    assert copy.find(QUESTION, 'front') is None
    assert copy.find('is the lid, open', 'rear') is None  # of the same slug
    known, _ = copy.folder.add(Question('is the lid, open'), 'yes', b'x', 1)
    assert known.slug == 'is-the-lid-open-2'


def test_what_an_unreadable_question_may_be_is_left_to_nobody_while_the_folder_is_closed(
        taught, tmp_path, monkeypatch):
    path = tmp_path / 'copy' / 'is-the-lid-open-2'  # of the same text for another camera
    shutil.copytree(taught.folder.path / 'is-the-lid-open', path)
    for name in ('question.yaml', 'questions.jsonl'):
        (path / name).write_bytes(b'')
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    for _ in range(2):  # what was guessed once is still a guess
        assert copy.find(QUESTION, 'rear').broken
        (tmp_path / 'copy' / '.changed').write_bytes(b'')
    monkeypatch.setattr(copy.folder, 'paths', broken_disk)
    (tmp_path / 'copy' / '.changed').write_bytes(b'again')
    assert copy.find(QUESTION, 'rear').broken
    assert copy.find('is the lid shut?', 'rear') is None


def test_why_a_taught_question_was_not_found(taught, tmp_path):
    copied(taught, tmp_path / 'copy', camera='front')
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    assert copy.find(QUESTION, 'rear') is None
    assert copy.why_not(QUESTION, 'rear') == 'it is taught for camera front alone'
    assert copy.why_not('is the bin open?', 'rear') == ''
    Teacher(copy.folder, taught.eye.encoder).do(Message('switch_off', question=QUESTION))
    assert copy.find(QUESTION, '') is None
    assert copy.why_not(QUESTION, 'rear') == 'it is taught for camera front alone'
    assert {copy.why_not(QUESTION, camera) for camera in ('', 'front')} == {OFF}
    assert TaughtByCamera(copy).why_not(QUESTION, 'robot1/front') == OFF
    pipeline = open_pipeline('tabletop')
    pipeline.taught = taught  # on, for any camera
    detail = pipeline.respond(Request(QUESTION, error="unknown key 'x'"), None)
    assert detail.reason == "unknown key 'x'"


def test_a_line_that_is_no_shot_is_told_by_its_number(taught, tmp_path):
    shutil.copytree(taught.folder.path, tmp_path / 'copy')
    path = tmp_path / 'copy' / 'is-the-lid-open' / 'questions.jsonl'
    lines = path.read_text().splitlines()
    path.write_text('\n'.join([*lines[:4], '{bad', *lines[4:]]))
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    assert 'questions.jsonl, line 5: not a line of a shot' in copy.find(QUESTION, '').broken


def test_a_folder_that_cannot_be_read_any_more_leaves_its_questions_to_nobody(
        taught, tmp_path, monkeypatch):
    shutil.copytree(taught.folder.path, tmp_path / 'copy')
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    assert not copy.find(QUESTION, '').broken

    def closed():
        raise TeachError('Permission denied')

    with monkeypatch.context() as now:
        now.setattr(copy.folder, 'paths', closed)
        (tmp_path / 'copy' / '.changed').write_bytes(b'')
        assert copy.find(QUESTION, '').broken == 'Permission denied'
        assert copy.names == frozenset()
    assert not copy.find(QUESTION, '').broken


@pytest.mark.parametrize('damage', ['questions.jsonl', 'question.yaml'])
def test_a_damaged_question_that_is_off_stays_off(taught, tmp_path, damage):
    path = copied(taught, tmp_path / 'copy')
    copy = Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)
    Teacher(copy.folder, taught.eye.encoder).do(Message('switch_off', question=QUESTION))
    (path / damage).write_text('{')
    (tmp_path / 'copy' / '.changed').write_bytes(b'')
    for each in (copy, Taught(Folder(tmp_path / 'copy'), taught.eye.encoder)):
        assert each.find(QUESTION, '') is None
        assert each.why_not(QUESTION, '') == OFF
        assert damage in each.problems[0]
