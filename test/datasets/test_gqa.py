"""GQA's files, on a tiny folder of their shape."""

import json

import pytest

from latent_vqa_ros import datasets
from latent_vqa_ros.datasets.record import DatasetError


def question(image, text='Is the bowl to the right of the cup?', answer='No', kind='verify'):
    return {'imageId': str(image), 'question': text, 'answer': answer, 'isBalanced': True,
            'types': {'structural': kind, 'semantic': 'rel', 'detailed': 'existRelS'},
            'fullAnswer': 'No, it is not.', 'semantic': []}


def write(folder, inside='questions1.2', **splits):
    (folder / 'images').mkdir()
    (folder / inside).mkdir(exist_ok=True)
    for split, questions in splits.items():
        for each in questions:
            (folder / 'images' / f'{each["imageId"]}.jpg').touch()
        (folder / inside / f'{split}_balanced_questions.json').write_text(
            json.dumps({f'{i:08}': each for i, each in enumerate(questions)}))
    return folder


@pytest.mark.parametrize('inside', ['questions1.2', '.'])
def test_its_questions_are_records_with_their_kinds(tmp_path, inside):
    folder = write(tmp_path, inside, train=[
        *(question(i) for i in range(20)),
        *(question(i, 'What is on the table?', 'T-shirt', 'query') for i in range(20))],
        testdev=[question(90, answer='Yes')])
    dataset = datasets.load(str(folder))
    assert [len(dataset.split(name)) for name in ('train', 'val', 'test')] == [19, 1, 1]
    asked = {(each.text, each.answer, each.group) for record in dataset.split('val')
             for each in record.questions}
    assert asked == {('Is the bowl to the right of the cup?', 'no', 'verify'),
                     ('What is on the table?', 't shirt', 'query')}
    assert [each.answer for each in dataset.split('test')[0].questions] == ['yes']


def test_another_json_is_one_line_that_names_the_question(tmp_path):
    folder = write(tmp_path, train=[question(1)])
    path = folder / 'questions1.2/train_balanced_questions.json'
    path.write_text(json.dumps({'07': {'question': 'what?', 'imageId': '1'}}))
    with pytest.raises(DatasetError, match=r'train_balanced_questions\.json: question 07: '):
        datasets.load(str(folder))
    for image in ('../../secret', '/etc/secret', 'a/b', ''):
        path.write_text(json.dumps({'07': question(image)}))
        with pytest.raises(DatasetError, match='question 07: not of GQA: .*imageId'):
            datasets.load(str(folder))
    path.write_text('{"07": ')
    with pytest.raises(DatasetError, match='cannot be read'):
        datasets.load(str(folder))
    path.write_text('[]')
    with pytest.raises(DatasetError, match='expected an object'):
        datasets.load(str(folder))
