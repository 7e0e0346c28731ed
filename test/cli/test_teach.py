"""The verb teach, from files and from a bag."""


import cv2
import pytest
from helpers.verb_teach import call, teach
from teach.conftest import QUESTION, draw

from latent_vqa_ros.bags import answer as bag_answers
from latent_vqa_ros.bags.write import BagWriter
from latent_vqa_ros.cli.main import main
from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.teach import folder
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.question import Question

BAG = 'test/data/episode'


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
    for part in ('10 shots in 5 moments', 'right 100.0 % of 20', 'at least 78.', 'answered',
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


def test_a_fit_that_is_refused_shows_no_figures_of_before(shown, capsys):
    teach(capsys, shown, 'fit', QUESTION)
    for number in range(1, 21):
        teach(capsys, shown, 'forget', QUESTION, '--shot', f'{number:06d}.jpg')
    assert main(['teach', 'fit', QUESTION, '--folder', str(shown)]) == 1
    out = capsys.readouterr().out
    assert 'has 0 answers' in out
    assert 'left out' not in out


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


def test_a_sheet_may_be_told_by_its_folder_and_is_a_jpeg(shown, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert teach(capsys, shown, 'fit', QUESTION, '--sheet', '.')['sheet'] == 'sheet.jpg'
    assert (tmp_path / 'sheet.jpg').read_bytes().startswith(b'\xff\xd8')
    with pytest.raises(SystemExit) as ended:
        main(['teach', 'fit', QUESTION, '--folder', str(shown), '--sheet', 'sheet.png'])
    assert ended.value.code == 2
    assert 'name it .jpg' in capsys.readouterr().err


def test_a_list_of_nothing_names_the_folder(shown, tmp_path, capsys):
    for where, said in ((tmp_path / 'nope', f'taught in {tmp_path}/nope: there is no such folder'),
                         (shown / 'is-the-lid-open', f'the folder of all is {shown}'),
                         (tmp_path, f'nothing is taught in {tmp_path}\n')):
        assert main(['teach', 'list', '--folder', str(where)]) == 0
        assert said in capsys.readouterr().out
    (tmp_path / 'file').touch()
    assert main(['teach', 'list', '--folder', str(tmp_path / 'file')]) == 1
    assert capsys.readouterr().out == f'failed: {tmp_path}/file: Not a directory\n'


def test_pictures_over_the_limit_are_told_with_those_that_were_added(
        pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(folder, 'MAX_ANSWER_SHOTS', 3)
    arguments = ['teach', 'add', '--question', QUESTION, '--answer', 'yes', '--folder',
                 str(tmp_path / 'few'), *map(str, sorted(pictures.glob('yes_0[0-4].png')))]
    assert main(arguments) == 1
    assert 'refused: 3 pictures were added before: is-the-lid-open has 3 shots' in (
        capsys.readouterr().out)


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
