"""A taught folder loads whatever interrupted its writing, and no acknowledged shot is lost."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.closed import close

from latent_vqa_ros.teach import files, folder
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.question import Question, TeachError

LID = Question('is the lid open?')


def jpeg(number):
    return b'\xff\xd8' + number.to_bytes(4, 'big') * 50


def test_what_was_added_is_there_after_reading_again(tmp_path):
    Folder(tmp_path).add(LID, 'yes', jpeg(1), 5)
    Folder(tmp_path).add(Question('IS THE LID OPEN', wordings=('lid open?',)), 'no', jpeg(2), 9)
    found, = Folder(tmp_path).known()
    assert found.answers == ('yes', 'no')
    assert [shot.stamp_ns for shot in found.shots] == [5, 9]
    assert found.question.text == LID.text
    assert Folder(tmp_path).find('lid open').slug == found.slug == 'is-the-lid-open'
    assert (found.path / 'shots' / found.shots[1].name).read_bytes() == jpeg(2)


def test_a_picture_is_a_shot_once_but_may_contradict_itself(tmp_path):
    here = Folder(tmp_path)
    here.add(LID, 'yes', jpeg(1), 5)
    with pytest.raises(TeachError, match='already'):
        here.add(LID, 'yes', jpeg(1), 6)
    assert len(here.add(LID, 'no', jpeg(1), 6)[0].shots) == 2


def test_one_text_for_two_cameras_is_two_questions(tmp_path):
    for camera in ('front', 'back'):
        Folder(tmp_path).add(Question(LID.text, camera), 'yes', jpeg(1), 5)
    found = Folder(tmp_path).known()
    assert [one.question.camera for one in found] == ['front', 'back']
    assert len({one.slug for one in found}) == 2


@pytest.mark.parametrize(('limit', 'value', 'said'), [
    ('MAX_ANSWERS', 1, 'answers'), ('MAX_ANSWER_SHOTS', 1, 'at most 1'),
    ('MAX_SHOTS', 1, 'forget some'), ('MAX_BYTES', 300, 'forget some'),
    ('MAX_SHOT_BYTES', 100, 'bytes')])
def test_each_limit_is_said_and_changes_nothing(monkeypatch, tmp_path, limit, value, said):
    here = Folder(tmp_path)
    here.add(LID, 'yes', jpeg(1), 5)
    before = here.known()
    monkeypatch.setattr(folder, limit, value)
    with pytest.raises(TeachError, match=said):
        here.add(LID, 'no' if limit == 'MAX_ANSWERS' else 'yes', jpeg(2), 6)
    assert here.known() == before


def everything(path):
    return {one: one.read_bytes() for one in path.rglob('*.*') if one.is_file()
            and one.name not in ('.lock', '.changed')}


BOXED = Question(LID.text, region=(0.1, 0.1, 0.5, 0.5), wordings=('lid?',))


def test_a_shot_that_is_refused_leaves_region_and_wordings(tmp_path):
    here = Folder(tmp_path)
    here.add(LID, 'yes', jpeg(1), 5)
    before = everything(tmp_path)
    with pytest.raises(TeachError, match='already'):
        here.add(BOXED, 'yes', jpeg(1), 6)
    assert everything(tmp_path) == before


@pytest.mark.parametrize('question', [BOXED, Question('another?')])
@pytest.mark.parametrize('after', range(3))
def test_a_disk_that_fills_up_at_any_file_of_a_shot_changes_nothing(tmp_path, monkeypatch, after,
                                                                    question):
    here = Folder(tmp_path)
    here.add(LID, 'yes', jpeg(1), 5)
    before, write, done = everything(tmp_path), files._write, []

    def full(path, data):
        done.append(path)
        if len(done) > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(files, '_write', full)
        with pytest.raises(TeachError, match='No space left'):
            here.add(question, 'no', jpeg(2), 6)
    assert everything(tmp_path) == before
    assert len(here.known()) == 1


def test_the_name_of_a_shot_is_never_used_again(tmp_path):
    here = Folder(tmp_path)
    here.add(LID, 'yes', jpeg(1), 5)
    known, shot = here.add(LID, 'yes', jpeg(2), 6)
    here.drop(known, shot.name)
    assert here.add(LID, 'no', jpeg(3), 7)[1].name == '000003.jpg'


@pytest.mark.parametrize('last', ['-5', '999999', '1e400', '.nan', '[]', '9' * 40])
def test_a_number_of_shots_that_cannot_be_breaks_no_line(tmp_path, last):
    here = Folder(tmp_path)
    here.add(LID, 'yes', jpeg(1), 5)
    path = tmp_path / 'is-the-lid-open' / 'question.yaml'
    path.write_text(path.read_text().replace('last_shot: 1', f'last_shot: {last}'))
    with contextlib.suppress(TeachError):
        here.add(LID, 'no', jpeg(2), 6)
    assert [shot.name for shot in here.known()[0].shots][1:] in ([], ['000002.jpg'])


def test_a_text_of_several_cameras_is_found_by_folder_alone(tmp_path):
    here = Folder(tmp_path)
    for camera in ('front', 'back'):
        here.add(Question(LID.text, camera), 'yes', jpeg(1), 5)
    with pytest.raises(TeachError, match='is-the-lid-open, is-the-lid-open-2'):
        here.find(LID.text)
    assert here.find('is-the-lid-open-2').question.camera == 'back'
    assert here.find(LID.text, 'front').slug == 'is-the-lid-open'


def test_of_many_questions_it_is_said_how_many_are_not_named(tmp_path):
    for number in range(7):
        Folder(tmp_path).add(Question(f'is it {number}?'), 'yes', jpeg(1), 5)
    with pytest.raises(TeachError, match='is-it-3, is-it-4 and 2 more'):
        Folder(tmp_path).find('what?')


def test_a_folder_that_may_not_be_entered_is_named_and_the_others_go_on(tmp_path, monkeypatch):
    here = Folder(tmp_path)
    here.add(LID, 'yes', jpeg(1), 5)
    (tmp_path / 'closed').mkdir()
    close(monkeypatch, 'closed', 'exists', 'open')
    broken, found = here.known()
    assert 'closed' in broken.broken
    assert (found.slug, found.broken) == ('is-the-lid-open', '')
    assert here.add(LID, 'no', jpeg(2), 6)[0].slug == 'is-the-lid-open'


def test_the_number_of_questions_is_limited(monkeypatch, tmp_path):
    monkeypatch.setattr(folder, 'MAX_QUESTIONS', 1)
    Folder(tmp_path).add(LID, 'yes', jpeg(1), 5)
    with pytest.raises(TeachError, match='at most 1'):
        Folder(tmp_path).add(Question('another?'), 'yes', jpeg(2), 5)


def test_a_shot_goes_to_the_question_that_its_slug_names(tmp_path):
    here = Folder(tmp_path)
    here.add(LID, 'yes', jpeg(1), 5)
    here.add(Question(LID.text, 'back'), 'yes', jpeg(1), 5)
    for number, camera in enumerate(('', 'front')):  # any camera will do
        found, _ = here.add(Question('is-the-lid-open', camera), 'no', jpeg(2 + number), 6)
        assert (found.slug, found.question) == ('is-the-lid-open', LID)
    assert len(here.add(Question('is-the-lid-open-2', 'back'), 'no', jpeg(4), 6)[0].shots) == 2
    with pytest.raises(TeachError, match="taught for the camera 'back'"):
        here.add(Question('is-the-lid-open-2', 'front'), 'no', jpeg(5), 6)
    assert len(here.known()) == 2


@pytest.mark.parametrize('text', ['is it open?', 'zebra there?'])
def test_a_wording_that_asks_another_question_is_refused(tmp_path, text):
    taught = Folder(tmp_path)
    texts = ['is it open?', 'zebra there?']
    for number, each in enumerate(texts):
        taught.add(Question(each), 'yes', jpeg(number), 0)
    before, other = everything(tmp_path), texts[text == texts[0]]
    with pytest.raises(TeachError, match=f'asks {Question(other).slug} already'):
        taught.add(Question(text, wordings=('and now?', other)), 'no', jpeg(7), 0)
    assert everything(tmp_path) == before
    known, _ = taught.add(Question('and now?', wordings=(text,)), 'no', jpeg(7), 0)
    assert (known.slug, known.question.wordings) == (Question(text).slug, ('and now?',))


@pytest.mark.parametrize('stray', [
    'is-the-lid-open/shots/000002.jpg', 'is-the-lid-open/.part-questions.jsonl',
    'is-the-lid-open/shots/.part-000002.jpg', '.part-other/question.yaml',
    'is-the-lid-open/versions/.part-1/version.json', 'half/shots/000001.jpg', 'notes.txt'])
def test_what_an_interruption_leaves_does_no_harm(tmp_path, stray):
    here = Folder(tmp_path)
    here.add(LID, 'yes', jpeg(1), 5)
    path = tmp_path / stray
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'half')
    found, = here.known()
    assert (len(found.shots), found.versions, found.broken) == (1, (), '')
    found, _ = here.add(LID, 'no', jpeg(2), 6)
    assert [shot.name for shot in found.shots] == ['000001.jpg', '000002.jpg']


@pytest.mark.parametrize(('name', 'content'), [
    ('question.yaml', b'{'), ('question.yaml', b'- 1'), ('question.yaml', b'question: 7'),
    ('question.yaml', b'\xff\xfe'), ('questions.jsonl', b'{"image"'), ('questions.jsonl', b'\xff'),
    ('active', b'{"version": 1e999, "forced": false, "before": []}'), ('active', b'[]'),
    ('active', b'{"version": 9, "forced": false, "before": []}')])
def test_a_damaged_file_breaks_its_question_alone_and_is_named(tmp_path, name, content):
    here = Folder(tmp_path)
    here.add(LID, 'yes', jpeg(1), 5)
    here.add(Question('another?'), 'yes', jpeg(2), 5)
    (tmp_path / 'is-the-lid-open' / name).write_bytes(content)
    other, broken = here.known()
    assert other.broken == ''
    assert name in broken.broken
    assert '\n' not in broken.broken
    with pytest.raises(TeachError, match=name):
        here.drop(broken, '000001.jpg')


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path, monkeypatch):
    here = Folder(tmp_path)
    here.add(LID, 'yes', jpeg(1), 5)
    before = here.known()

    def fsync(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(files.os, 'fsync', fsync)
        with pytest.raises(TeachError, match='No space left'):
            here.add(LID, 'no', jpeg(2), 6)
    assert here.known() == before
    assert not list(tmp_path.rglob('.part-*'))
    assert len(here.add(LID, 'no', jpeg(2), 6)[0].shots) == 2


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / 'taught').write_text('')
    with pytest.raises(TeachError, match='taught'):
        Folder(tmp_path / 'taught').add(LID, 'yes', jpeg(1), 5)


def test_a_second_writer_waits_and_then_says_so(tmp_path):
    with files.lock(tmp_path), pytest.raises(TeachError, match='another process'), \
            files.lock(tmp_path, 0.1):
        pytest.fail('two hold the lock')


def test_who_waits_for_another_writer_can_be_told_to_stop(tmp_path):
    def stop():
        raise TeachError('enough')

    with files.lock(tmp_path), pytest.raises(TeachError, match='enough'):
        Folder(tmp_path, stop).add(LID, 'yes', jpeg(1), 5)


_ADD = """
import sys
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.question import Question
for number in range(int(sys.argv[2]), int(sys.argv[2]) + 12):
    Folder(sys.argv[1]).add(Question('is the lid open?'), 'yes', number.to_bytes(9, 'big'), number)
"""


def test_two_processes_on_one_folder_lose_nothing(tmp_path):
    both = [subprocess.Popen([sys.executable, '-c', _ADD, tmp_path, str(first)])
            for first in (0, 100)]
    assert [process.wait() for process in both] == [0, 0]
    found, = Folder(tmp_path).known()
    assert found.broken == ''
    assert len({shot.name for shot in found.shots}) == 24


_WORK = """
import sys
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.question import Question, TeachError
here, number = Folder(sys.argv[1]), int(sys.argv[2])
while True:
    number += 1
    question = Question(f'question {number % 3}?')
    data = number.to_bytes(4, 'big') * 20000
    try:
        known, shot = here.add(question, f'answer {number % 2}', data, number * 10**9)
    except TeachError:
        known = here.find(question.text)
        print('forgot', known.slug, '-', flush=True)
        here.forget(known)
        continue
    print('added', known.slug, shot.digest, flush=True)
    if number % 5 == 0:
        here.switch(*here.add_version(known, lambda n: {'version.json': b'{}' * 1000}))
    if number % 17 == 0:
        print('forgot', known.slug, known.shots[0].digest, flush=True)
        here.drop(known, known.shots[0].name)
"""


def test_kill_at_fifty_moments_loses_no_acknowledged_shot(tmp_path):
    rng = np.random.default_rng(0)
    sure, number = {}, 0
    for _ in range(50):
        worker = subprocess.Popen([sys.executable, '-c', _WORK, tmp_path, str(number)],
                                  stdout=subprocess.PIPE, text=True)
        lines = [worker.stdout.readline()]  # it is at work
        time.sleep(float(rng.uniform(0, 0.05)))
        os.kill(worker.pid, signal.SIGKILL)
        lines += worker.stdout.read().splitlines(keepends=True)
        worker.wait()
        for what, slug, digest in (line.split() for line in lines if line.endswith('\n')):
            if what == 'added':
                number += 1
                sure.setdefault(slug, set()).add(digest)
            elif digest == '-':
                sure.pop(slug, None)
            else:
                sure[slug].discard(digest)
        number += 1
        for found in Folder(tmp_path).known():
            assert found.broken == ''
            assert sure.pop(found.slug, set()) <= (kept := {s.digest for s in found.shots})
            sure[found.slug] = kept
    assert sum(map(len, sure.values())) > 50


def test_a_home_that_does_not_exist_is_one_line():
    with pytest.raises(TeachError, match='no such home'):
        Folder('~nobody-has-this-name/taught')


def test_a_name_that_cannot_be_a_question_breaks_its_folder_alone(tmp_path):
    taught = Folder(tmp_path)
    taught.add(BOXED, 'yes', jpeg(1), 0)
    for name in (b'caf\xe9', b'  '):
        path = tmp_path / os.fsdecode(name)
        path.mkdir()
        (path / 'question.yaml').write_text('no: question')
    assert [bool(known.broken) for known in taught.known()].count(False) == 1
    taught.add(BOXED, 'no', jpeg(2), 0)
