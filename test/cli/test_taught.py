"""The verbs that answer what was taught: ask, answer-bag, evaluate."""

import json
import shutil

import pytest
from helpers.verb_teach import call, teach
from teach.conftest import QUESTION, draw

from latent_vqa_ros.bags.write import BagWriter
from latent_vqa_ros.cli.main import main
from latent_vqa_ros.evaluation import taught

BAG = 'test/data/episode'


def test_blind_of_all_taught_questions_is_what_their_own_floors_give():
    rows = {'a': [('yes', True, True, 1.0)] * 3, 'b': [('no', True, True, 1.0)]}
    document = taught.report(rows, 'x', 'test')
    assert document['blind_accuracy'] == 1
    assert [group['blind'] for group in document['groups'].values()] == [1, 1]


def test_evaluate_leaves_out_what_a_question_was_taught_with(shown, pictures, tmp_path, capsys,
                                                             caplog):
    teach(capsys, shown, 'fit', QUESTION)
    own = str(shown / 'is-the-lid-open')
    assert main(['evaluate', '--data', own, '--taught', str(shown)]) == 1
    assert 'is a shot that its question was taught with' in caplog.text
    shot = shown / 'is-the-lid-open' / 'shots' / '000001.jpg'
    given = {shot: 'yes', pictures / 'no_12.png': 'shut'}
    lines = [{'image': str(path), 'question': QUESTION, 'split': 'test',
              'answer': given.get(path, path.name.partition('_')[0].capitalize())}
             for path in (*sorted(pictures.glob('*_1[0123].png')), pictures / 'no_03.png', shot)
             if 'stripes' not in path.name]
    data = tmp_path / 'new'
    data.mkdir()
    for number, line in enumerate(lines):
        copy = data / f'{number}{line["image"][-4:]}'
        shutil.copy(line['image'], copy)
        line['image'] = copy.name
    lines.append({**lines[0], 'question': 'what shape is the tray?'})
    (data / 'questions.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    document = call(capsys, 'evaluate', '--data', data, '--taught', shown)
    assert (document['n'], document['accuracy']) == (8, 7 / 8)
    assert '1 questions of test are left out: they were not taught' in caplog.text
    assert "of 1 of 8 questions the model cannot give the true answer, such as 'shut'" in (
        caplog.text)
    assert '2 pictures are left out' in caplog.text  # a shot, and the picture of another
    assert document['groups'][QUESTION]['blind'] == 0.5
    assert document['ece'] is None


def test_a_question_of_several_cameras_is_asked_as_one_of_them(shown, pictures, tmp_path, capsys):
    teach(capsys, shown, 'fit', QUESTION)
    for camera in ('left', 'right'):
        shutil.copytree(shown / 'is-the-lid-open', tmp_path / 'both' / camera)
        path = tmp_path / 'both' / camera / 'question.yaml'
        path.write_text(path.read_text().replace("camera: ''", f'camera: {camera}'))
    ask = ('ask', pictures / 'no_13.png', QUESTION, '--taught', tmp_path / 'both')
    detail, = call(capsys, *ask, code=1)
    assert detail['reason'].endswith('it is taught for several cameras: left, right')
    detail, = call(capsys, *ask, '--camera', 'left')
    assert (detail['camera'], detail['answer']) == ('left', 'no')
    assert main(['teach', 'list', '--folder', str(tmp_path / 'both')]) == 0
    assert f'{QUESTION} (left, camera left): on, version 1' in capsys.readouterr().out


def test_a_bag_teaches_and_is_answered_about(tmp_path, capsys):
    question = 'is anything held?'
    for answer, spans in (('no', (('0', '2'), ('16', '18'), ('20', '22'))),
                          ('yes', (('7', '8'), ('9.5', '11.5')))):
        for start, stop in spans:
            document = teach(capsys, tmp_path, 'add', '--question', question, '--answer', answer,
                             '--bag', BAG, '--from', start, '--to', stop, '--every', '0.4')
    assert min(document['shots'].values()) >= 5
    assert teach(capsys, tmp_path, 'fit', question, '--force')['active'] == 1
    out = tmp_path / 'answers.jsonl'
    call(capsys, 'answer-bag', BAG, '--question', question, '--taught', tmp_path, '--out', out,
         '--every', '10')
    details = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(details) > 3
    assert {detail['model']['name'] for detail in details} == {'taught/is-anything-held'}
    assert {detail['forced'] for detail in details} == {True}


def test_what_is_taught_for_a_camera_is_found_behind_a_namespace(
        pictures, tmp_path, capsys, caplog):
    for answer in ('yes', 'no'):
        teach(capsys, tmp_path / 'taught', 'add', '--question', QUESTION, '--answer', answer,
              '--camera', 'front', *sorted(pictures.glob(f'{answer}*')))
    teach(capsys, tmp_path / 'taught', 'fit', QUESTION, '--force')
    with BagWriter(tmp_path / 'bag') as bag:
        for topic in ('/robot1/front/image_raw', '/robot1/rear/image_raw'):
            bag.write_image(topic, 10**18, '', draw('yes', 113))
    out = tmp_path / 'answers.jsonl'
    call(capsys, 'answer-bag', tmp_path / 'bag', '--question', QUESTION, '--out', out,
         '--taught', tmp_path / 'taught')
    found = {row['camera']: row for row in map(json.loads, out.read_text().splitlines())}
    assert found['robot1/front']['model']['name'] == 'taught/is-the-lid-open'
    assert found['robot1/front']['answer'] == 'yes'
    assert found['robot1/rear']['model']['name'] == 'tabletop'
    warned, = (one.getMessage() for one in caplog.records if one.levelname == 'WARNING')
    assert 'about /robot1/rear/image_raw: ' in warned
    assert "is taught, but not for the camera 'robot1/rear'" in warned


def test_where_nothing_is_on_the_model_answers_alone_and_that_is_said(
        tmp_path, capsys, caplog, pictures):
    told = []
    for more in ((), ('--taught', str(tmp_path))):
        code = main(['ask', str(pictures / 'yes_01.png'), 'is there a red cube?', '--json', *more])
        detail, = json.loads(capsys.readouterr().out)
        told.append((code, detail['status'], detail['top'], detail['model']))
    assert told[0] == told[1]
    assert 'no question is switched on' in caplog.text


def test_a_taught_folder_that_is_not_there_is_an_error(tmp_path, capsys, caplog, pictures):
    where = tmp_path / 'nowhere'
    assert main(['ask', str(pictures / 'yes_01.png'), QUESTION, '--taught', str(where)]) == 1
    assert 'there is no such folder' in caplog.text
    assert not capsys.readouterr().out


def test_a_broken_question_is_named_and_fails_no_other(shown, pictures, capsys, caplog):
    teach(capsys, shown, 'fit', QUESTION)
    broken = shown / 'broken'
    broken.mkdir()
    (broken / 'question.yaml').write_text('[')
    detail, = call(capsys, 'ask', pictures / 'yes_13.png', QUESTION, '--taught', shown)
    assert (detail['status'], detail['answer']) == ('ok', 'yes')
    warned, = (one.getMessage() for one in caplog.records if one.levelname == 'WARNING')
    assert 'broken' in warned


def test_what_is_taught_and_not_found_is_said(shown, pictures, tmp_path, capsys):
    def reason(text, *more):
        detail, = call(capsys, 'ask', pictures / 'yes_13.png', text, '--taught', shown, *more,
                       code=1)
        return detail['status'], detail['reason']

    assert reason('is the bin open?')[1].startswith('unknown word')
    assert reason(QUESTION)[0] == 'unknown_words'
    assert reason(QUESTION)[1].startswith('it is taught, and not switched on; unknown word')
    teach(capsys, shown, 'fit', QUESTION)
    path = shown / 'is-the-lid-open' / 'question.yaml'
    path.write_text(path.read_text().replace("camera: ''", 'camera: front'))
    assert reason(QUESTION, '--camera', 'frnt')[1].startswith(
        'it is taught for camera front alone')
    teach(capsys, shown, 'off', QUESTION)
    assert reason(QUESTION, '--camera', 'frnt')[1].startswith('it is taught for camera front')
    assert reason(QUESTION, '--camera', 'front')[1].startswith('it is taught, and not switched on')


def test_a_camera_is_named_only_where_something_is_taught(pictures, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(['ask', str(pictures / 'no_13.png'), QUESTION, '--camera', 'left'])
    assert ended.value.code == 2
    assert '--camera goes with --taught' in capsys.readouterr().err
