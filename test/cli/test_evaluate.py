"""evaluate on a folder of one's own: the floor beside the figure, and clear refusals."""

import json
import shutil

import cv2
import numpy as np
import pytest

from latent_vqa_ros.evaluation import evaluate

EASY_VQA = ('--model', 'easy_vqa')
RED = np.full((64, 64, 3), (0, 0, 255), np.uint8)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a folder of red pictures, each with one question."""
    def folder(*asked, split='test'):
        lines = []
        for i, (question, answer) in enumerate(asked):
            cv2.imwrite(str(tmp_path / f'{i}.png'), RED)
            lines.append(json.dumps({'image': f'{i}.png', 'question': question,
                                     'answer': answer, 'split': split}))
        (tmp_path / 'questions.jsonl').write_text('\n'.join(lines))
        return tmp_path
    return folder


def test_the_blind_floor_is_not_learned_from_the_answers_it_guesses(latent_vqa, write):
    texts = ('what color is the shape?', 'what is the color of the shape?', 'what color?',
             'what is the color?')
    data = write(*((text, color) for text, color in
                   zip(texts, ('red', 'blue', 'red', 'green'), strict=True)))
    code, out, err = latent_vqa('evaluate', *EASY_VQA, '--data', data, '--json')
    assert code == 0, err
    assert json.loads(out)['n'] == 4
    assert json.loads(out)['blind_accuracy'] == 0  # by heart it would be 1


def test_a_word_that_the_model_does_not_know_is_one_line(latent_vqa, write):
    data = write(('what color is the shape?', 'red'), ('is a mug present?', 'yes'))
    code, out, err = latent_vqa('evaluate', *EASY_VQA, '--data', data, '--json')
    assert (code, json.loads(out)['n']) == (0, 1)
    assert ('1 of 2 questions of test left out: the model cannot be asked, '
            "e.g. 'is a mug present?': unknown word 'mug'\n") in err
    code, _, err = latent_vqa('evaluate', *EASY_VQA, '--data', write(('is a mug present?', 'yes')))
    assert code == 1
    assert "the model can be asked nothing of it, such as 'is a mug present?': unknown" in err
    assert 'Traceback' not in err


def test_what_the_runtime_refuses_is_not_measured_and_what_it_cannot_say_is_told(
        latent_vqa, write):
    data = write(('what color is the shape?', 'Red'), ('the red shape', 'red'),
                 ('what color is the shape?', 'crimson'))
    code, out, err = latent_vqa('evaluate', *EASY_VQA, '--data', data, '--json')
    assert (code, json.loads(out)['n']) == (0, 2), err
    assert "1 of 3 questions of test left out: the model cannot be asked, e.g. 'the red" in err
    assert "of 1 of 2 questions the model cannot give the true answer, such as 'crimson'" in err
    code, _, err = latent_vqa('evaluate', *EASY_VQA, '--data', write())
    assert (code, 'there is no question in it' in err) == (1, True), err


def test_a_share_of_no_answers_has_no_accuracy(latent_vqa, write, monkeypatch):
    monkeypatch.setattr(evaluate, 'CONFIDENT', 1.1)
    data = write(('what color is the shape?', 'red'))
    code, out, _ = latent_vqa('evaluate', *EASY_VQA, '--data', data, '--json')
    assert (code, json.loads(out)['confident']) == (0, {'share': 0.0, 'accuracy': None})
    code, out, _ = latent_vqa('evaluate', *EASY_VQA, '--data', data)
    assert (code, 'above: 0.0% of the answers; ' in out) == (0, True), out


def test_of_each_part_of_a_mixture_what_cannot_be_asked_is_left_out(latent_vqa, write, tmp_path):
    write(('what color is the shape?', 'red'), ('is a mug present?', 'yes'))
    for name in ('one', 'two'):
        shutil.copytree(tmp_path, tmp_path / name, ignore=lambda *_: ['one', 'two'])
    both = f'{tmp_path / "one"} + {tmp_path / "two"}'
    code, out, err = latent_vqa('evaluate', *EASY_VQA, '--data', both, '--json')
    assert code == 0, err
    assert (json.loads(out)['data'], json.loads(out)['n']) == ('one + two', 2)
    assert all(f'{name}: 1 of 2 questions of test left out' in err for name in ('one', 'two'))


def test_pictures_are_not_turned(latent_vqa, write):
    from latent_vqa_ros.datasets.images import read_rgb
    from latent_vqa_ros.datasets.record import Record
    content = cv2.imencode('.jpg', np.zeros((20, 40, 3), np.uint8))[1].tobytes()
    exif = (b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0')
    turned = content[:2] + b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif + content[2:]
    path = write() / 'turned.jpg'
    path.write_bytes(turned)
    assert cv2.imread(str(path)).shape == (40, 20, 3)  # what a viewer shows
    assert read_rgb(Record(path, 'test', ())).shape == (20, 40, 3)


@pytest.mark.parametrize(('options', 'code', 'says'), [
    (('--backend', 'tpu'), 2, "invalid choice: 'tpu'"),
    (('--rate', '5'), 2, '--rate needs a bag'),
    (('--questions', 'q.jsonl'), 2, '--questions needs a bag'),
    (('--taught', 'x', '--report', 'r'), 2, '--report is about the model; leave --taught out'),
    (('--taught', 'x', '--unfamiliar'), 2, '--unfamiliar is about the model'),
    (('--split', 'tets'), 1, "no split 'tets'; it has: test")])
def test_what_cannot_be_done_is_said(latent_vqa, write, options, code, says):
    data = write(('what color is the shape?', 'red'))
    found, _, err = latent_vqa('evaluate', *EASY_VQA, '--data', data, *options)
    assert (found, says in err) == (code, True), err


def test_a_broken_picture_of_another_world_is_told_before_anything_is_asked(
        latent_vqa, write, monkeypatch, tmp_path):
    from latent_vqa_ros.evaluation import evaluate
    data, others = write(('what color is the shape?', 'red')), tmp_path / 'others'
    others.mkdir()
    cv2.imwrite(str(others / 'a.png'), RED)
    (others / '._a.png').write_bytes(b'of a Mac')
    command = ('evaluate', *EASY_VQA, '--data', data, '--unfamiliar', others, '--json')
    code, out, err = latent_vqa(*command)
    assert (code, json.loads(out)['familiarity']['photographs']['n']) == (0, 1), err
    (others / 'b.png').write_bytes(b'broken')
    monkeypatch.setattr(evaluate, 'predict', None)  # fails where it is called
    code, _, err = latent_vqa(*command)
    assert (code, 'b.png: not a picture' in err) == (1, True), err


def test_an_unknown_split_of_the_tabletop_draws_nothing(latent_vqa, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    code, _, err = latent_vqa('evaluate', '--data', 'tabletop', '--split', 'tets')
    assert code == 1
    assert "no split 'tets'; it has: train, val, test, compositional, shifted, wordings" in err
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_does_not_exist_is_one_line(latent_vqa):
    code, out, err = latent_vqa('evaluate', *EASY_VQA, '--data', '~nobody_here/x')
    assert (code, out, len(err.splitlines())) == (1, '', 1)
    assert '~nobody_here/x' in err
