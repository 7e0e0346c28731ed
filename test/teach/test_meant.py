"""Which question and which answer a shot is of, where texts differ in what means nothing."""

import pytest
from teach.conftest import QUESTION, SECOND, draw

from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.messages import Message
from latent_vqa_ros.teach.question import Question, TeachError
from latent_vqa_ros.teach.teacher import Taken

LID = Question('is the lid open?')


def jpeg(number):
    return b'\xff\xd8' + number.to_bytes(4, 'big') * 50


@pytest.mark.parametrize(('first', 'second'), [
    ('yes', 'Yes'), ('YES', 'yes!'), ('geöffnet', 'geo\u0308ffnet'), ('in use', ' in  use ')])
def test_an_answer_is_spelled_as_it_was_first(tmp_path, first, second):
    here = Folder(tmp_path)
    here.add(LID, first, jpeg(1), 5)
    known, shot = here.add(LID, second, jpeg(2), 6)
    assert (known.answers, shot.answer) == ((first,), first)
    assert here.find(LID.text).answers == (first,)


def test_blanks_around_its_name_make_no_other_moment(tmp_path):
    here = Folder(tmp_path)
    for number, moment in enumerate(('a', ' a', 'a ', 'b')):
        known, _ = here.add(LID, 'yes', jpeg(number), number, moment)
    assert known.counts()[1] == {'yes': 2}


def test_who_names_no_camera_adds_to_the_only_question_of_this_text(tmp_path):
    here = Folder(tmp_path)
    here.add(Question(LID.text, 'front'), 'yes', jpeg(1), 5)
    known, _ = here.add(LID, 'no', jpeg(2), 6)
    assert (known.question.camera, known.answers) == ('front', ('yes', 'no'))
    assert here.add(Question(known.slug), 'no', jpeg(5), 7)[0].path == known.path
    here.add(Question(LID.text, 'back'), 'yes', jpeg(3), 7)
    with pytest.raises(TeachError, match='several cameras; name one: front, back'):
        here.add(LID, 'no', jpeg(4), 8)
    assert len(here.known()) == 2


def test_a_question_of_any_camera_stays_so(tmp_path):
    here = Folder(tmp_path)
    here.add(LID, 'yes', jpeg(1), 5)
    here.add(Question(LID.text, 'front'), 'yes', jpeg(2), 6)
    assert here.add(LID, 'no', jpeg(3), 7)[0].question.camera == ''


def test_a_folder_without_a_name_is_not_the_one_that_one_stands_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TeachError, match='no name'):
        Folder('')


def test_what_is_linked_is_forgotten_again_and_again_and_what_is_behind_stays(tmp_path):
    here = Folder(tmp_path / 'taught')
    for number in range(2):
        here.add(LID, 'yes', jpeg(number), 5)
        real = tmp_path / f'real{number}'
        (here.path / LID.slug).rename(real)
        (here.path / LID.slug).symlink_to(real)
        here.forget(here.find(LID.text))
        assert here.known() == []
        assert (real / 'question.yaml').exists()


def test_a_correction_reaches_no_question_that_has_the_folder_of_a_forgotten_one(teacher):
    added = teacher.do(Message('add', question=QUESTION, answer='yes', camera='side'),
                       Taken(draw('yes', 1), SECOND, 'side'))
    assert added['slug'] == 'is-the-lid-open'
    front = Taken(draw('no', 2), 9 * SECOND, 'front', QUESTION, 'is-the-lid-open')
    said = teacher.do(Message('correct', about='a', answer='no'), front)
    assert (said['status'], said['camera'], said['shots']) == ('ok', 'front', {'no': 1})
