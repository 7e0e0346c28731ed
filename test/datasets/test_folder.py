import json

import cv2
import numpy as np
import pytest

from latent_vqa_ros import datasets
from latent_vqa_ros.datasets.record import DatasetError

GOOD = {'image': 'a.png', 'question': 'is it red?', 'answer': 'yes', 'split': 'train'}


@pytest.fixture
def folder(tmp_path):
    for name in ('a.png', 'b.png'):
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    return tmp_path


def write(folder, *lines, name='questions.jsonl'):
    text = ''.join((line if isinstance(line, str) else json.dumps(line)) + '\n' for line in lines)
    (folder / name).write_text(text, 'utf-8')


def test_questions_are_gathered_by_image_with_their_captions(folder):
    write(folder, GOOD, {**GOOD, 'question': 'what is it?', 'answer': 'ball', 'group': 'shape'},
          '', {**GOOD, 'image': 'b.png', 'split': 'test'})
    write(folder, {'image': 'a.png', 'caption': 'a red ball'}, name='captions.jsonl')
    first, second = datasets.load(str(folder)).records
    assert [(q.text, q.answer, q.group) for q in first.questions] == [
        ('is it red?', 'yes', 'all'), ('what is it?', 'ball', 'shape')]
    assert first.captions == ('a red ball',)
    assert (second.split, second.captions) == ('test', ())


@pytest.mark.parametrize(('line', 'said'), [
    ('{"image"', ':2: not JSON'), ('[1]', ':2: no text under image'),
    ({**GOOD, 'answer': 3}, ':2: no text under answer'),
    ({**GOOD, 'split': 'dev'}, ":2: split 'dev'"), ({**GOOD, 'split': 'test'}, 'one split'),
    ({**GOOD, 'image': '../../etc/passwd'}, 'outside'), ({**GOOD, 'image': 'c.png'}, 'not exist'),
])
def test_a_wrong_line_is_refused_by_file_and_line(folder, line, said):
    write(folder, GOOD, line)
    with pytest.raises(DatasetError, match='.*') as caught:
        datasets.load(str(folder))
    assert said in str(caught.value)


def test_no_data_is_said_in_one_line(tmp_path):
    with pytest.raises(DatasetError, match='neither easy_vqa nor tabletop nor a folder'):
        datasets.load(str(tmp_path))
