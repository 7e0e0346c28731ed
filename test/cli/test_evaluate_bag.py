"""evaluate --data BAG: a document, a picture, and one line for what cannot be done."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.truth_bag import START_NS, STORY, write_bag

from latent_vqa_ros.bags.write import BagWriter

EASY_VQA = ('--model', 'easy_vqa')
PICTURE = Path(__file__).parents[2] / 'docs' / 'demo.png'


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return write_bag(tmp_path_factory.mktemp('truth') / 'bag', storage='sqlite3')


def test_a_model_that_knows_nothing_of_it_is_wrong_and_says_why(latent_vqa, bag, tmp_path):
    code, out, err = latent_vqa('evaluate', *EASY_VQA, '--data', bag, '--json', '--report',
                                tmp_path / 'r')
    document = json.loads(out)
    assert code == 0
    assert document['model'] == 'easy_vqa'
    assert document['frames'] == len(STORY) / 2
    assert (document['accuracy'], document['statuses']) == (0, {'unknown_words': document['n']})
    assert document['events']['never'] == document['events']['n'] > 0
    assert "'is the tray empty?' will get no answer: unknown_words" in err
    assert 'Traceback' not in err
    assert json.loads((tmp_path / 'r' / 'report.json').read_text()) == document
    assert cv2.imread(str(tmp_path / 'r' / 'timeline.png')).shape[1] > 1000


def test_a_table_without_json(latent_vqa, bag):
    code, out, _ = latent_vqa('evaluate', *EASY_VQA, '--data', bag, '--rate', '1')
    assert code == 0
    assert 'is there a red cube?' in out
    assert '1 frames a second' in out


def test_a_model_answers_the_questions_it_knows(latent_vqa, bag, bundle, tmp_path):
    questions = tmp_path / 'q.jsonl'
    questions.write_text(json.dumps({'kind': 'color', 'about': [{'shape': 'cube'}],
                                     'question': 'what color is this?'}) + '\n')
    code, out, _ = latent_vqa('evaluate', '--model', bundle, '--data', bag, '--questions',
                              questions, '--rate', '10', '--json')
    document = json.loads(out)
    assert code == 0
    assert document['statuses'] == {'ok': document['n']}
    group = document['groups']['what color is this?']
    present = sum(cube not in ('absent', '?') for cube in STORY)
    assert group['accuracy'] == pytest.approx(present / document['n'])  # it always says red
    assert [event['after'] for event in document['events']['list']] == ['red']


@pytest.mark.parametrize('rate', ['0', '-1', 'inf', 'nan', 'x'])
def test_a_rate_that_cannot_be_is_bad_usage(latent_vqa, bag, rate):
    code, _, err = latent_vqa('evaluate', *EASY_VQA, '--data', bag, '--rate', rate)
    assert code == 2
    assert '--rate: expected a number' in err


@pytest.mark.parametrize(('options', 'says'), [
    (('--report', PICTURE), 'demo.png: File exists'),
    (('--questions', PICTURE), 'not a text file'),
    (('--questions', 'missing.jsonl'), 'missing.jsonl'), (('--model', 'missing'), 'missing')])
def test_what_cannot_be_done_is_one_line(latent_vqa, bag, options, says):
    code, out, err = latent_vqa('evaluate', *EASY_VQA, '--data', bag, *options)
    assert (code, out) == (1, '')
    assert says in err
    assert 'Traceback' not in err


@pytest.mark.parametrize('options', [('--unfamiliar',), ('--split', 'val')])
def test_what_is_about_a_dataset_is_bad_usage(latent_vqa, bag, options):
    code, out, err = latent_vqa('evaluate', *EASY_VQA, '--data', bag, *options)
    assert (code, out) == (2, '')
    assert f'{options[0]} needs a dataset, not a bag' in err.splitlines()[-1]


def broken(path, scene):
    with BagWriter(path) as bag:
        bag.write_image('/image_raw', START_NS, '', np.zeros((4, 4, 3), np.uint8))
        bag.write_string('/truth', START_NS, json.dumps(
            {'stamp': {'sec': START_NS // 10**9, 'nanosec': 0}, 'scene': scene}))
    return path


@pytest.mark.parametrize('scene', [7, {}, {'things': [{}]}, {'things': 3}, 'x', []])
def test_a_broken_truth_is_one_line(latent_vqa, tmp_path, scene):
    code, _, err = latent_vqa('evaluate', *EASY_VQA, '--data', broken(tmp_path / 'bag', scene))
    assert code == 1
    assert 'a scene of the truth cannot be read' in err
    assert 'Traceback' not in err


TRAY = Path(__file__).parents[1] / 'data' / 'tray'
READY = 'is the tray ready for the next part?'


def test_a_taught_question_whose_answers_stand_in_the_truth_is_asked(latent_vqa, tmp_path):
    for answer, start, stop in (('yes', 0, 1), ('no', 4, 6), ('yes', 9, 11), ('no', 14, 16)):
        code, out, err = latent_vqa(
            'teach', 'add', '--question', READY, '--answer', answer, '--bag', TRAY, '--from',
            start, '--to', stop, '--folder', tmp_path)
        assert code == 0, out + err
    assert latent_vqa('teach', 'fit', READY, '--force', '--folder', tmp_path)[0] == 0
    code, out, err = latent_vqa('evaluate', '--data', TRAY, '--taught', tmp_path, '--json')
    assert code == 0
    assert READY in json.loads(out)['groups']
    assert READY not in json.loads(latent_vqa('evaluate', '--data', TRAY, '--json')[1])['groups']


def test_that_no_taught_question_is_asked_is_said(latent_vqa, bag, tmp_path):
    code, _, err = latent_vqa('evaluate', *EASY_VQA, '--data', bag, '--taught', tmp_path, '--rate',
                              '1')
    assert code == 0
    assert 'no answer to a taught question stands on /truth' in err
