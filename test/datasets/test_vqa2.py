"""VQA v2's files, on a tiny folder of their shape."""

import json

import pytest

from latent_vqa_ros import datasets
from latent_vqa_ros.datasets.record import DatasetError


def write(folder, split, images, answer='Yes', kind='yes/no'):
    """Write one question about each picture."""
    (folder / split).mkdir()
    for image in images:
        (folder / split / f'COCO_{split}_{image:012d}.jpg').touch()
    questions = [{'image_id': image, 'question': 'Is this a kitchen?', 'question_id': image * 1000}
                 for image in images]
    answers = [{'question_id': image * 1000, 'image_id': image, 'question_type': 'is this a',
                'multiple_choice_answer': answer, 'answer_type': kind,
                'answers': [{'answer': answer, 'answer_confidence': 'yes', 'answer_id': 1}]}
               for image in images]
    (folder / f'v2_OpenEnded_mscoco_{split}_questions.json').write_text(
        json.dumps({'data_subtype': split, 'questions': questions}))
    (folder / f'v2_mscoco_{split}_annotations.json').write_text(
        json.dumps({'data_subtype': split, 'annotations': answers}))


def test_its_questions_are_records_and_val2014_is_the_test(tmp_path):
    write(tmp_path, 'train2014', range(100, 120))
    write(tmp_path, 'val2014', [42], 'Salt & pepper', 'other')
    dataset = datasets.load(str(tmp_path))
    assert [len(dataset.split(name)) for name in ('train', 'val', 'test')] == [17, 3, 1]
    first, = dataset.split('val')[0].questions
    assert (first.text, first.answer, first.group) == ('Is this a kitchen?', 'yes', 'yes_no')
    test, = dataset.split('test')
    assert test.image.name == 'COCO_val2014_000000000042.jpg'
    assert (test.questions[0].answer, test.questions[0].group) == ('salt pepper', 'other')


def test_questions_without_annotations_are_one_line(tmp_path):
    write(tmp_path, 'train2014', range(20))
    path = tmp_path / 'v2_mscoco_train2014_annotations.json'
    path.write_text(json.dumps({'annotations': []}))
    with pytest.raises(DatasetError, match='without an annotation'):
        datasets.load(str(tmp_path))
    path.unlink()
    with pytest.raises(DatasetError, match=r'annotations\.json: cannot be read'):
        datasets.load(str(tmp_path))
