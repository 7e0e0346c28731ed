"""Show, fit, switch on, roll back, forget: as messages, each with its one document."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from teach.conftest import QUESTION, SECOND, draw, show

from latent_vqa_ros.core.pipeline import GREY
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.judge import wilson
from latent_vqa_ros.teach.learn import Learner
from latent_vqa_ros.teach.messages import KEYS, MessageError, blank, parse, to_json
from latent_vqa_ros.teach.question import TeachError
from latent_vqa_ros.teach.teacher import Taken, Teacher


def do(teacher, taken=None, **fields):
    return teacher.do(parse(json.dumps(fields)), taken)


def test_ten_shots_in_three_moments_are_trusted_and_switched_on(teacher):
    document = show(teacher)
    assert document['shots'] == {'yes': 10, 'no': 10}
    assert document['moments'] == {'yes': 3, 'no': 3}
    assert (document['stale'], document['next']['say']) == (True, 'fit')
    document = do(teacher, do='fit', question=QUESTION, id=7)
    assert (document['status'], document['active'], document['forced']) == ('ok', 1, False)
    judgement = document['judgement']
    assert (judgement['trusted'], judgement['right'], judgement['n']) == (True, 1, 20)
    assert [shots for shots, _ in judgement['curve']] == [2, 5, 10]
    assert judgement['lower_bound'] == pytest.approx(wilson(1, 6), abs=1e-4)  # six moments
    assert document['next']['say'] == (
        "to be surer, show 'yes' in 3 more moments, other answers between them")
    assert (document['id'], document['stale'], document['warnings']) == (7, False, [])


def test_nothing_is_next_after_six_moments(teacher):
    show(teacher, moments=6)
    document = do(teacher, do='fit', question=QUESTION)
    assert document['judgement']['trusted']
    assert document['next'] == {'answer': None, 'say': '', 'about': None}


def test_no_more_moments_are_asked_for_than_shots_are_taken(teacher):
    show(teacher, shots=58)
    assert do(teacher, do='fit', question=QUESTION)['next'] == {
        'answer': None, 'say': '', 'about': None}


def test_one_moment_is_not_trusted_and_the_next_step_is_said(teacher):
    show(teacher, moments=1)
    document = do(teacher, do='fit', question=QUESTION)
    assert (document['status'], document['active']) == ('not_trusted', None)
    assert document['reason'] == "moments: 1 of 3 for 'yes'"
    assert document['next']['answer'] == 'yes'
    assert 'in 2 more moments' in document['next']['say']
    assert any('one moment only' in line for line in document['warnings'])
    assert do(teacher, do='switch_on', question=QUESTION)['status'] == 'refused'


def test_force_switches_on_and_is_said(teacher):
    show(teacher, moments=1)
    document = do(teacher, do='fit', question=QUESTION, force=True)
    assert (document['status'], document['active'], document['forced']) == ('ok', 1, True)


def test_the_way_back_is_the_version_before(teacher):
    show(teacher)
    do(teacher, do='fit', question=QUESTION)
    do(teacher, do='fit', question=QUESTION)
    assert do(teacher, do='rollback', question=QUESTION)['active'] == 1
    assert do(teacher, do='switch_off', question=QUESTION)['active'] is None
    assert do(teacher, do='switch_on', question=QUESTION, version=2)['active'] == 2
    assert do(teacher, do='rollback', question=QUESTION)['active'] == 1


def test_there_is_no_way_back_to_a_version_that_cannot_answer(teacher):
    show(teacher)
    do(teacher, do='fit', question=QUESTION)
    do(teacher, do='fit', question=QUESTION)
    folder = teacher.folder.find(QUESTION).path
    next(folder.glob('versions/1/*.npy')).unlink()
    document = do(teacher, do='rollback', question=QUESTION)
    assert (document['status'], document['active']) == ('refused', 2)


def test_a_wrong_label_is_named_and_can_be_taken_away(teacher):
    show(teacher, moments=5)
    wrong = do(teacher, Taken(draw('no', 77), 900 * SECOND), do='add', question=QUESTION,
               answer='yes')['shot']['shot']
    document = do(teacher, do='fit', question=QUESTION)
    assert document['doubtful'][0]['shot'] == wrong
    assert document['doubtful'][0]['looks_like'] == 'no'
    assert do(teacher, do='forget', question=QUESTION, shot=wrong)['shots']['yes'] == 10
    assert do(teacher, do='fit', question=QUESTION)['doubtful'] == []


def test_two_answers_to_one_picture_and_a_moved_region_are_named(teacher):
    taken = Taken(draw('yes', 1), 0)
    do(teacher, taken, do='add', question=QUESTION, answer='yes')
    document = do(teacher, taken, do='add', question=QUESTION, answer='no',
                  region=[0.1, 0.1, 0.5, 0.5])
    assert any('two answers' in line for line in document['warnings'])
    assert any('region moved' in line for line in document['warnings'])


def test_a_shot_that_cannot_be_decoded_is_named_and_left_out(teacher):
    show(teacher)
    known = teacher.folder.find(QUESTION)
    (known.path / 'shots' / known.shots[0].name).write_bytes(b'no picture')
    document = do(teacher, do='fit', question=QUESTION)
    assert document['status'] == 'not_trusted'
    assert document['reason'] == "shots: 9 of 10 for 'yes'"
    assert any(known.shots[0].name in line for line in document['warnings'])


def test_a_correction_of_a_question_that_is_on_is_fitted_at_once(teacher):
    show(teacher)
    do(teacher, do='fit', question=QUESTION)
    document = do(teacher, Taken(draw('no', 5000), 999 * SECOND, question=QUESTION),
                  do='correct', about='a', answer='no')
    assert (document['status'], document['active']) == ('ok', 2)
    assert document['shots']['no'] == 11


def test_show_gives_a_picture_and_try_an_answer(teacher):
    show(teacher)
    do(teacher, do='fit', question=QUESTION)
    shots = do(teacher, do='show', question=QUESTION)['taken']
    assert len(shots) == 20
    assert {shot['picture'] for shot in shots} == {None}
    assert all(shot['margin'] > 0 for shot in shots)
    one, = do(teacher, do='show', question=QUESTION, shot=shots[3]['shot'])['taken']
    assert len(one['picture']) > 100
    tried = do(teacher, Taken(draw('yes', 4321), 0), do='try', question=QUESTION)['tried']
    assert (tried['status'], tried['answer']) == ('ok', 'yes')
    choosy = Taken(draw('yes', 4321), 0, min_confidence=tried['confidence'] + 1e-5)
    assert do(teacher, choosy, do='try', question=QUESTION)['tried']['status'] == 'unsure'
    tried = do(teacher, Taken(draw('stripes', 1), 0), do='try', question=QUESTION)['tried']
    assert tried['status'] == 'unfamiliar_image'


def test_a_trial_of_a_question_about_colours_is_unsure_about_a_grey_frame(teacher):
    question = 'is the red lid open?'
    show(teacher, question=question)
    do(teacher, do='fit', question=question, force=True)
    grey = np.dstack([draw('yes', 4321)[..., 1]] * 3)
    tried = do(teacher, Taken(grey, 0), do='try', question=question)['tried']
    assert (tried['status'], tried['reason'], len(tried['top'])) == ('unsure', GREY, 2)


def test_the_list_names_every_question_and_what_is_broken(teacher):
    show(teacher, shots=1, moments=1)
    show(teacher, shots=1, moments=1, question='another?', seed=1)
    (teacher.folder.path / 'another' / 'active').write_text('[')
    found = do(teacher, do='list')['questions']
    assert [one['slug'] for one in found] == ['another', 'is-the-lid-open']
    assert 'active' in found[0]['broken']
    assert found[1]['broken'] == ''


def test_each_document_has_each_key(teacher):
    keys = set(blank('', None))
    show(teacher, shots=2, moments=1)
    for what in KEYS:
        fields = {'do': what, 'question': QUESTION, 'answer': 'yes', 'about': 1}
        fields = {key: fields[key] for key in ('do', *KEYS[what][0])}
        assert set(do(teacher, **fields)) == keys
    assert do(teacher, do='show', question=QUESTION)['status'] == 'refused'  # forgotten above


@pytest.mark.parametrize(('text', 'said'), [
    ('', 'not JSON'), ('[]', 'not a JSON object'), ('{"do": "delete"}', 'is none of'),
    ('{"do": "add", "question": "a"}', 'needs answer'), ('{"do": []}', 'is none of'),
    ('{"do": "fit", "question": "a", "path": "/"}', "takes no 'path'"),
    ('{"do": "fit", "question": "a", "force": 1}', 'true or false'),
    ('{"do": "fit", "question": 7}', 'expected a text'), ('{"do": "list", "id": []}', 'the id'),
    ('{"do": "list", "id": NaN}', 'not JSON'),
    ('{"do": "list", "do": "fit"}', "'do' is there twice"), ('[' * 99999, 'characters'),
    ('[' * 9999, 'not JSON'), ('{"do": "switch_on", "question": "a", "version": true}', 'whole')])
def test_a_message_that_is_wrong_is_one_line(text, said):
    with pytest.raises(MessageError, match=said) as found:
        parse(text)
    assert '\n' not in str(found.value)


@pytest.mark.parametrize(('text', 'do', 'id_'), [
    ('{"do": "delete", "id": 7}', 'delete', 7), ('{"id": "a"}', '', 'a'),
    ('{"do": 3, "id": [1]}', '', None), ('{"do": "list", "id": [1]}', 'list', None),
    ('{"do": "fit", "id": 0.5}', 'fit', 0.5)])
def test_a_message_that_is_wrong_is_known_by_its_id(text, do, id_):
    with pytest.raises(MessageError) as found:
        parse(text)
    assert (found.value.do, found.value.id) == (do, id_)


_TEXTS = st.sampled_from([QUESTION, 'is-the-lid-open', 'another?', '../..', '', 'ö' * 300, '\x00',
                          'yes', 'no', '000001.jpg', '../question.yaml', '\ud800'])
_VALUES = st.one_of(_TEXTS, st.none(), st.booleans(), st.integers(-2, 3), st.just([0, 0, 1, 1]),
                    st.just([0.9, 0, 1, 1]), st.lists(_TEXTS, max_size=2), st.floats())
_MESSAGES = st.fixed_dictionaries(
    {'do': st.sampled_from([*KEYS, 'add', 'add', 'add', 'what'])}, optional=dict.fromkeys(
        ('question', 'answer', 'camera', 'region', 'shot', 'force', 'version', 'about', 'id',
         'wordings', 'other'), _VALUES | _TEXTS))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_MESSAGES, min_size=100, max_size=100), st.integers(0, 3))
def test_ten_thousand_messages_leave_a_folder_that_loads(encoder, tmp_path_factory, messages,
                                                         seed):
    path = tmp_path_factory.mktemp('random')
    teacher = Teacher(Folder(path), encoder)
    rng = np.random.default_rng(seed)
    for at, fields in enumerate(messages):
        taken = Taken(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8), at * SECOND,
                      question=QUESTION) if at % 7 else None
        try:
            message = parse(json.dumps(fields))
        except MessageError:
            continue
        document = teacher.do(message, taken)
        assert json.loads(to_json(document))['status'] in ('ok', 'not_trusted', 'refused')
        assert '\n' not in document['reason']
    assert all(found.broken == '' for found in Folder(path).known())
    assert {entry.name for entry in path.iterdir()} <= {
        '.lock', '.changed', *(found.slug for found in Folder(path).known())}


def test_a_forgotten_question_can_be_taught_anew(teacher):
    show(teacher, shots=2, moments=1)
    document = do(teacher, do='forget', question=QUESTION)
    assert (document['status'], document['slug']) == ('ok', 'is-the-lid-open')
    assert show(teacher, shots=1, moments=1)['shots'] == {'yes': 1, 'no': 1}


def test_the_version_of_a_fit_is_its_own_whoever_else_fits(folder, encoder):
    class Shared(Folder):
        def add_version(self, known, make):
            found = super().add_version(known, make)
            return (super().add_version(known, make)[0], found[1])

    teacher = Teacher(Shared(folder.path), encoder)
    show(teacher)
    document = do(teacher, do='fit', question=QUESTION)
    assert (document['active'], document['versions'][-1]['version']) == (1, 2)


def test_a_frame_of_any_camera_goes_to_the_question_for_any_camera(teacher):
    do(teacher, Taken(draw('yes', 1), 0), do='add', question=QUESTION, answer='yes')
    taken = Taken(draw('yes', 2), SECOND, 'front')
    document = do(teacher, taken, do='add', question=QUESTION, answer='yes')
    assert (document['camera'], document['shots']) == ('', {'yes': 2})
    document = do(teacher, taken, do='add', question=QUESTION, answer='yes', camera='front')
    assert (document['camera'], document['slug']) == ('front', 'is-the-lid-open-2')


def test_a_correction_that_cannot_be_fitted_says_that_its_shot_is_stored(teacher, monkeypatch):
    show(teacher)
    do(teacher, do='fit', question=QUESTION)

    def fit(self, known):
        raise TeachError('another process writes in it')

    monkeypatch.setattr(Learner, 'fit', fit)
    document = do(teacher, Taken(draw('no', 5000), 999 * SECOND, question=QUESTION),
                  do='correct', about='a', answer='no')
    assert (document['status'], document['active']) == ('not_trusted', 1)
    assert 'the shot is stored' in document['reason']
    assert document['shots']['no'] == 11


def test_a_doubtful_shot_that_was_forgotten_is_named_no_more(teacher):
    show(teacher, moments=5)
    wrong = do(teacher, Taken(draw('no', 77), 900 * SECOND), do='add', question=QUESTION,
               answer='yes')['shot']['shot']
    do(teacher, do='fit', question=QUESTION)
    do(teacher, do='forget', question=QUESTION, shot=wrong)
    document = do(teacher, Taken(draw('yes', 78), 901 * SECOND), do='add', question=QUESTION,
                  answer='yes')
    assert document['shot']['shot'] != wrong
    assert wrong not in [one['shot'] for one in document['doubtful']]


def test_a_region_whose_shot_is_forgotten_is_told(teacher):
    show(teacher)
    picture = Taken(draw('yes', 77), 10**12)
    do(teacher, picture, do='add', question=QUESTION, answer='yes', region=[0, 0, 0.1, 0.1])
    document = do(teacher, do='forget', question=QUESTION, shot='000021.jpg')
    assert document['region'] == [0, 0, 0.1, 0.1]
    assert any('the region moved' in line for line in document['warnings'])


def test_grey_pictures_of_a_question_about_a_colour_are_told_at_once(teacher):
    grey = np.repeat(draw('yes', 1)[..., :1], 3, axis=2)
    for question, told in (('is the red lamp lit?', True), ('is the lamp lit?', False)):
        document = do(teacher, Taken(grey, 5), do='add', question=question, answer='yes')
        assert any('grey' in line for line in document['warnings']) == told


@pytest.mark.parametrize('damage', [
    {'doubtful': None}, {'shots': [1]}, {'shots': [['000001.jpg', 'x']]}, {'unread': 5},
    {'judgement': {'right': 1, 'lower_bound': 1, 'trusted': True}}, {'doubtful': [{}]}])
def test_a_version_that_says_nonsense_of_itself_is_one_line(teacher, damage):
    show(teacher)
    document = do(teacher, do='fit', question=QUESTION)
    path = teacher.folder.path / document['slug'] / 'versions' / '1' / 'version.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    assert do(teacher, do='list')['questions'][0]['stale']
    for what in ('show', 'switch_off'):
        document = do(teacher, do=what, question=QUESTION)
        assert document['status'] == 'ok'
        assert any('versions/1' in line for line in document['warnings'])
    added = do(teacher, Taken(draw('yes', 88), 10**12), do='add', question=QUESTION, answer='yes')
    assert (added['status'], added['shots']['yes']) == ('ok', 11)


def test_shots_that_cannot_be_read_are_not_counted_as_shown(teacher):
    slug = show(teacher)['slug']
    for name in ('000001.jpg', '000002.jpg'):
        (teacher.folder.path / slug / 'shots' / name).write_bytes(b'')
    document = do(teacher, do='fit', question=QUESTION)
    assert document['reason'] == "shots: 8 of 10 for 'yes'"
    assert document['next'] == {'answer': 'yes', 'say': "show 'yes' 2 more times", 'about': None}


def test_a_shot_that_goes_after_it_was_read_does_not_undo_a_fit(teacher):
    slug = show(teacher)['slug']
    assert do(teacher, do='fit', question=QUESTION)['active'] == 1
    (teacher.folder.path / slug / 'shots' / '000001.jpg').unlink()
    document = do(teacher, do='fit', question=QUESTION, force=True)
    assert (document['status'], document['active']) == ('ok', 2)
    assert '000001.jpg is gone' in document['warnings']
