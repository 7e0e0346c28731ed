"""`ask` answers about a picture file, and says why when it cannot."""

import json
import os
import subprocess
import sys

import pytest


def test_each_question_gets_its_line_in_order(latent_vqa, bundle, picture):
    code, out, _ = latent_vqa('ask', picture, 'What color is this?', 'what shape?',
                              '--model', bundle)
    assert code == 0
    assert [row.rpartition(' (')[0] for row in out.splitlines()] == [
        'What color is this?: red', 'what shape?: circle']


def test_json_is_a_list_of_details_and_the_picture_is_encoded_once(
        latent_vqa_json, bundle, picture):
    code, details = latent_vqa_json('ask', picture, 'what color', 'what shape', '--model', bundle)
    assert code == 0
    assert [d['answer'] for d in details] == ['red', 'circle']
    assert [d['encoding_reused'] for d in details] == [False, True]
    assert details[0]['v'] == 1
    assert details[0]['model']['name'] == 'fake'


def test_json_says_where_the_model_looked_in_pixels_of_the_picture(
        latent_vqa_json, looking_bundle, picture):
    _, details = latent_vqa_json('ask', picture, 'is the red cube above the blue ball',
                                 'what shape', '--model', looking_bundle)
    assert details[0]['evidence'] == [  # 64x48 pixels, the middle 48 of a row in 8 columns
        {'phrase': 'red cube', 'box': [20, 12, 6, 12]},
        {'phrase': 'blue ball', 'box': [50, 36, 6, 12]}]
    assert details[1]['evidence'] == []


def test_an_unknown_word_is_named_with_its_neighbour_and_fails(latent_vqa, bundle, picture):
    code, out, _ = latent_vqa('ask', picture, 'what colour', 'what color', '--model', bundle)
    assert code == 1
    first, second = out.splitlines()
    assert '[unknown_words]' in first
    assert "'color'" in first
    assert second.startswith('what color: red')


def test_an_even_vote_is_unsure_and_fails(latent_vqa_json, bundle, picture):
    code, details = latent_vqa_json('ask', picture, 'what is this', '--model', bundle)
    assert code == 1
    assert details[0]['status'] == 'unsure'
    assert len(details[0]['top']) == 3


def test_an_unfamiliar_picture_is_not_answered_about(latent_vqa, bundle, tmp_path):
    import cv2
    import numpy as np
    path = tmp_path / 'white.png'
    cv2.imwrite(str(path), np.full((48, 64, 3), (255, 250, 252), np.uint8))
    code, out, _ = latent_vqa('ask', path, 'what color', '--model', bundle)
    assert code == 1
    assert '[unfamiliar_image]' in out


def test_a_file_that_is_no_picture_is_bad_image(latent_vqa, bundle):
    code, out, _ = latent_vqa('ask', bundle / 'manifest.yaml', 'what color', '--model', bundle)
    assert code == 1
    assert '[bad_image]' in out


def test_a_missing_picture_and_a_missing_model_are_one_line_each(latent_vqa, bundle, picture):
    code, out, err = latent_vqa('ask', 'gone.png', 'what color', '--model', bundle)
    assert (code, out) == (1, '')
    assert 'gone.png: No such file or directory' in err
    code, out, err = latent_vqa('ask', picture, 'what color', '--model', 'no_such_model')
    assert (code, out) == (1, '')
    assert "no model 'no_such_model'" in err
    code, out, err = latent_vqa('ask', picture, 'what color', '--model', '~nobody_here/x')
    assert (code, out) == (1, '')
    assert 'no model at ~nobody_here/x' in err


def test_a_question_that_is_no_utf8_is_answered(bundle, picture):
    for encoding in ('utf-8:strict', 'ascii:strict'):
        done = subprocess.run(
            [sys.executable, '-m', 'latent_vqa_ros.cli.main', 'ask', str(picture),
             b'what\xff \xc3\xa7', '--model', str(bundle)], capture_output=True,
            env={**os.environ, 'PYTHONIOENCODING': encoding})
        assert b'unknown_words' in done.stdout
        assert done.stderr == b''


def test_a_non_ascii_question_survives_json(latent_vqa, bundle, picture):
    _, out, _ = latent_vqa('ask', picture, 'couleur ça?', '--model', bundle, '--json')
    assert json.loads(out)[0]['question'] == 'couleur ça?'
    assert 'ça' in out


@pytest.mark.parametrize('words', [('is', 'there', 'a', 'cone'), ('red', 'cone?')])
def test_a_question_without_quotes_is_bad_usage_not_four_questions(
        latent_vqa, bundle, picture, words):
    code, out, err = latent_vqa('ask', picture, *words, '--model', bundle)
    assert (code, out) == (2, '')
    assert f'put each question in quotes, as in "{" ".join(words)}"' in err
    code, out, err = latent_vqa('answer-bag', picture, '--question', *words, '--out', 'a.csv')
    assert (code, out) == (2, '')
    assert 'put each question in quotes' in err


def test_a_single_word_beside_a_question_gets_its_detail(latent_vqa, bundle, picture):
    asked = ['what color', 'zorgle', ' ']
    code, out, _ = latent_vqa('ask', picture, *asked, '--model', bundle, '--json')
    details = json.loads(out)
    assert code == 1
    assert [one['question'] for one in details] == ['what color', 'zorgle', '']
    assert [one['status'] for one in details][1:] == ['unknown_words', 'bad_question']


def test_json_is_json_whatever_signs_stdout_has(bundle, picture):
    question = 'wo ist die Gr\u00f6\u00dfe \U0001f600'
    done = subprocess.run(
        [sys.executable, '-m', 'latent_vqa_ros.cli.main', 'ask', str(picture), question,
         '--model', str(bundle), '--json'], capture_output=True,
        env={**os.environ, 'PYTHONIOENCODING': 'ascii'})
    assert json.loads(done.stdout)[0]['question'] == question
