"""The verb teach, from files and from a bag, and the verbs that answer what was taught."""

import json
import shutil

import cv2
import pytest
from teach.conftest import QUESTION, draw

from latent_vqa_ros.bags import answer as bag_answers
from latent_vqa_ros.bags.write import BagWriter
from latent_vqa_ros.cli.main import main
from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.evaluation import taught
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.question import Question

BAG = 'test/data/episode'


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pictures')
    for number, answer in enumerate(('yes', 'no', 'stripes')):
        for shot in range(14):
            path = str(folder / f'{answer}_{shot:02d}.png')
            assert cv2.imwrite(path, draw(answer, 100 * number + shot)[:, :, ::-1])
    return folder


def call(capsys, *arguments, code=0):
    """Run a verb with --json; return its document."""
    assert main([*map(str, arguments), '--json']) == code
    return json.loads(capsys.readouterr().out)


def teach(capsys, folder, what, *arguments, code=0):
    return call(capsys, 'teach', what, *arguments, '--folder', folder, code=code)


@pytest.fixture
def shown(pictures, tmp_path, capsys):
    """Return a folder with ten shots of each answer from five moments."""
    folder = tmp_path / 'taught'
    for answer in ('yes', 'no'):
        for moment in range(5):
            files = [pictures / f'{answer}_{2 * moment + i:02d}.png' for i in (0, 1)]
            document = teach(capsys, folder, 'add', '--question', QUESTION, '--answer', answer,
                             '--moment', f'{answer} {moment}', *files)
    assert document['shots'] == {'yes': 10, 'no': 10}
    assert document['moments'] == {'yes': 5, 'no': 5}
    return folder


def test_a_question_is_taught_and_asked(shown, pictures, capsys):
    document = teach(capsys, shown, 'fit', QUESTION)
    assert document['judgement']['right'] == 1
    assert cv2.imread(document['sheet']).shape[1] > 500
    for answer in ('yes', 'no'):
        detail, = call(capsys, 'ask', pictures / f'{answer}_13.png', QUESTION, '--taught', shown)
        assert (detail['status'], detail['answer']) == ('ok', answer)
    detail, = call(capsys, 'ask', pictures / 'stripes_01.png', QUESTION, '--taught', shown, code=1)
    assert detail['status'] == 'unfamiliar_image'


def test_fit_prints_what_a_person_needs(shown, capsys):
    assert main(['teach', 'fit', QUESTION, '--folder', str(shown)]) == 0
    said = capsys.readouterr().out
    for part in ('10 shots in 5 moments', 'right 100.0 % of 20', 'at least 88.', 'answered',
                 'by answer: yes 100.0 %', '2: ', '10: 100.0 %', 'sheet.jpg', 'on: version 1'):
        assert part in said, part


def test_pictures_of_one_command_are_one_moment_unless_taken_apart(pictures, tmp_path, capsys):
    files = sorted(pictures.glob('yes*'))
    for apart, moments in ((), 1), (('--apart',), 14):
        document = teach(capsys, tmp_path / str(moments), 'add', '--question', QUESTION,
                         '--answer', 'yes', *files, *apart)
        assert document['moments'] == {'yes': moments}


def test_a_command_that_met_a_bad_file_can_be_repeated(pictures, tmp_path, capsys):
    files = [tmp_path / name for name in ('a.png', 'b.png', 'c.png')]
    for path, source in zip(files, sorted(pictures.glob('yes*')), strict=False):
        path.write_bytes(source.read_bytes())
    good = files[1].read_bytes()
    files[1].write_bytes(b'half')
    what = ['teach', 'add', '--question', QUESTION, '--answer', 'yes', '--folder', tmp_path / 'q',
            *files]
    assert main([*map(str, what)]) == 1
    assert not list((tmp_path / 'q').rglob('*.jpg'))
    files[1].write_bytes(good)
    assert call(capsys, *what)['shots'] == {'yes': 3}
    (tmp_path / 'd.png').write_bytes(sorted(pictures.glob('yes*'))[3].read_bytes())
    document = call(capsys, *what, tmp_path / 'd.png')
    assert (document['shots'], document['status']) == ({'yes': 4}, 'ok')
    assert '3 of the pictures were shots already' in document['reason']


def test_commands_one_after_the_other_are_moments_apart(pictures, tmp_path, capsys):
    for moment in range(3):
        for answer in ('yes', 'no'):
            document = teach(capsys, tmp_path, 'add', '--question', QUESTION, '--answer', answer,
                             *sorted(pictures.glob(f'{answer}*'))[4 * moment:4 * moment + 4])
    assert document['moments'] == {'yes': 3, 'no': 3}


def test_commands_of_one_answer_with_nothing_between_them_are_one_moment(
        pictures, tmp_path, capsys):
    def shown(answer, first, *more):
        for path in sorted(pictures.glob(f'{answer}*'))[first:first + 3]:
            document = teach(capsys, tmp_path, 'add', '--question', QUESTION, '--answer', answer,
                             path, *more)
        return document['moments']

    shown('yes', 0)
    assert shown('no', 0) == {'yes': 1, 'no': 1}
    assert shown('yes', 3) == {'yes': 2, 'no': 1}
    assert shown('yes', 6, '--moment', 'evening') == {'yes': 3, 'no': 1}


def test_what_is_not_trusted_exits_with_1_and_says_what_to_show(pictures, tmp_path, capsys):
    for answer in ('yes', 'no'):
        teach(capsys, tmp_path, 'add', '--question', QUESTION, '--answer', answer,
              *sorted(pictures.glob(f'{answer}*')))
    document = teach(capsys, tmp_path, 'fit', QUESTION, code=1)
    assert document['status'] == 'not_trusted'
    assert 'in 2 more moments' in document['next']['say']
    assert teach(capsys, tmp_path, 'fit', QUESTION, '--force')['forced']


def test_list_show_forget_and_rollback(shown, capsys):
    teach(capsys, shown, 'fit', QUESTION)
    teach(capsys, shown, 'fit', QUESTION)
    assert teach(capsys, shown, 'rollback', QUESTION)['active'] == 1
    assert teach(capsys, shown, 'off', QUESTION)['active'] is None
    assert teach(capsys, shown, 'on', QUESTION, '--version', 2)['active'] == 2
    assert len(teach(capsys, shown, 'show', QUESTION)['taken']) == 20
    found, = teach(capsys, shown, 'list')['questions']
    assert (found['slug'], found['active']) == ('is-the-lid-open', 2)
    document = teach(capsys, shown, 'forget', 'is-the-lid-open', '--shot', '000001.jpg')
    assert document['shots'] == {'yes': 9, 'no': 10}
    teach(capsys, shown, 'forget', QUESTION)
    assert teach(capsys, shown, 'list')['questions'] == []


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
    lines = [{'image': str(path), 'question': QUESTION, 'split': 'test',
              'answer': 'yes' if path == shot else path.name.partition('_')[0].capitalize()}
             for path in (*sorted(pictures.glob('*_1[0123].png')), pictures / 'no_03.png', shot)
             if 'stripes' not in path.name]
    data = tmp_path / 'new'
    data.mkdir()
    for number, line in enumerate(lines):
        copy = data / f'{number}{line["image"][-4:]}'
        shutil.copy(line['image'], copy)
        line['image'] = copy.name
    (data / 'questions.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    document = call(capsys, 'evaluate', '--data', data, '--taught', shown)
    assert (document['n'], document['accuracy']) == (8, 1)
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


def test_a_fit_that_is_refused_shows_no_figures_of_before(shown, capsys):
    teach(capsys, shown, 'fit', QUESTION)
    for number in range(1, 21):
        teach(capsys, shown, 'forget', QUESTION, '--shot', f'{number:06d}.jpg')
    assert main(['teach', 'fit', QUESTION, '--folder', str(shown)]) == 1
    out = capsys.readouterr().out
    assert 'has 0 answers' in out
    assert 'left out' not in out


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


@pytest.mark.parametrize(('arguments', 'said'), [
    (['fit', 'what?'], 'no taught question'),
    (['add', '--question', 'a', '--answer', 'b', 'no.png'], 'No such file'),
    (['add', '--question', 'a', '--answer', 'b', 'setup.py'], 'setup.py: not a JPEG or PNG'),
    (['add', '--question', 'a', '--answer', 'b', '--bag', BAG, '--from', '900'], 'no frame')])
def test_what_cannot_be_done_is_one_line(tmp_path, capfd, caplog, arguments, said):
    assert main(['teach', *arguments, '--folder', str(tmp_path)]) == 1
    out, err = capfd.readouterr()
    assert said in out + err + caplog.text
    assert 'Traceback' not in out + err


@pytest.mark.parametrize(('arguments', 'said'), [
    ([], '--bag, one of both'), (['a.png', '--bag', BAG], '--bag, one of both'),
    (['--bag', BAG, '--apart'], '--apart does not go with --bag'),
    (['a.png', '--apart', '--moment', 'x'], '--apart does not go with --moment'),
    (['a.png', '--from', '2'], '--from is about a bag'),
    (['a.png', '--every', '2'], '--every is about a bag')])
def test_options_that_contradict_each_other_are_bad_usage(tmp_path, capfd, arguments, said):
    with pytest.raises(SystemExit) as ended:
        main(['teach', 'add', '--question', 'a', '--answer', 'b', '--folder', str(tmp_path),
              *arguments])
    assert ended.value.code == 2
    assert said in capfd.readouterr().err


def test_a_fit_is_told_though_its_sheet_cannot_be_written(shown, capsys):
    document = teach(capsys, shown, 'fit', QUESTION, '--sheet', shown / 'none' / 'x.jpg')
    assert document['active'] == 1
    assert 'no sheet of the shots' in document['warnings'][-1]


def test_a_topic_is_taken_unnamed_only_where_there_is_one(tmp_path, capfd, caplog):
    caplog.set_level('INFO')
    what = ['teach', 'add', '--question', QUESTION, '--answer', 'yes', '--folder', str(tmp_path)]
    assert main([*what, '--bag', BAG, '--to', '1']) == 0
    assert 'frames of /camera/image_raw/compressed' in caplog.text
    with BagWriter(tmp_path / 'bag') as bag:
        for topic in ('/front/image_raw', '/infra1/image_raw'):
            bag.write_image(topic, 10**18, '', draw('yes', 1))
    assert main([*what, '--bag', str(tmp_path / 'bag')]) == 1
    assert 'name one with --topic: /front/image_raw, /infra1/image_raw' in caplog.text
    assert main([*what, '--bag', str(tmp_path / 'bag'), '--topic', 'front/image_raw']) == 0


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


def test_frames_of_a_bag_that_cannot_be_read_are_left_out_and_counted(
        tmp_path, capsys, monkeypatch):
    make_frame, seen = bag_answers.make_frame, []

    def second_is_half(bag, record):
        seen.append(record)
        return Frame(lambda: compressed_to_rgb(b'half')) if len(seen) == 2 else make_frame(
            bag, record)

    monkeypatch.setattr(bag_answers, 'make_frame', second_is_half)
    document = teach(capsys, tmp_path, 'add', '--question', QUESTION, '--answer', 'yes',
                     '--bag', BAG, '--to', '3')
    assert document['status'] == 'ok'
    assert '1 frames cannot be read' in document['reason']
    assert document['shots']['yes'] >= 4


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


def test_a_moment_is_found_by_slug_and_past_shots_that_nobody_named(pictures, tmp_path, capsys):
    def shown(first, *more):
        path = sorted(pictures.glob('yes*'))[first]
        return teach(capsys, tmp_path, 'add', '--answer', 'yes', path, *more)['moments']['yes']

    shown(0, '--question', QUESTION)
    slug = Folder(tmp_path).find(QUESTION).slug
    assert shown(1, '--question', slug, '--camera', 'front') == 1
    Folder(tmp_path).add(Question(QUESTION), 'yes', sorted(pictures.glob('yes*'))[2].read_bytes(),
                         10**9)
    assert shown(3, '--question', QUESTION) == 2


@pytest.mark.parametrize(('more', 'said'), [
    (('--region', '0', '0', '0.5', '0.5'), '--region'), (('--apart',), '--apart'),
    (('--moment', 'evening'), '--moment'), (('--wording', 'open?'), '--wording')])
def test_what_is_given_in_vain_with_pictures_that_are_shots_already_is_said(
        pictures, tmp_path, capsys, more, said):
    what = ['add', '--question', QUESTION, '--answer', 'yes', *sorted(pictures.glob('yes*'))[:3]]
    teach(capsys, tmp_path, *what)
    teach(capsys, tmp_path, *what)
    document = teach(capsys, tmp_path, *what, *more, code=1)
    assert document['status'] == 'refused'
    assert document['reason'].startswith(f'{said}: the pictures are shots of {QUESTION!r} ')
    teach(capsys, tmp_path / 'other', *what, *more)
    teach(capsys, tmp_path / 'other', *what, *more)


def test_pictures_that_are_shots_already_of_a_question_named_by_a_wording_are_told(
        pictures, tmp_path, capsys):
    what = ['--answer', 'yes', *sorted(pictures.glob('yes*'))[:2]]
    teach(capsys, tmp_path, 'add', '--question', QUESTION, *what)
    for named in (['lid open?', '--wording', QUESTION], [QUESTION, '--wording', 'lid open?']):
        document = teach(capsys, tmp_path, 'add', '--question', *named, *what, code=1)
        assert document['status'] == 'refused'
        assert f': the pictures are shots of {QUESTION!r} already' in document['reason']
    assert Folder(tmp_path).find(QUESTION).question.wordings == ()
