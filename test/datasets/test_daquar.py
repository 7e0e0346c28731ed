"""DAQUAR's text format, on a tiny folder of its shape."""

import pytest

from latent_vqa_ros import datasets
from latent_vqa_ros.datasets.record import DatasetError

PAIRS = [('what is on the desk in the image{} ?', 'scissor, tape_dispenser'),
         ('how many doors are open in this image{} ?', '2'),
         ('what colour is the chair on the image{} ?', 'Red'),
         ('what is left of the door image{} ?', 'chair')]


def write(folder, train=range(1, 21), test=(), ending='jpg'):
    (folder / 'images').mkdir()
    for number in (*train, *test):
        (folder / 'images' / f'image{number}.{ending}').touch()
    for split, numbers in (('train', train), ('test', test)):
        lines = [text.format(number) for number in numbers for pair in PAIRS for text in pair]
        if lines:
            (folder / f'qa_pairs.{split}.txt').write_text('\n'.join(lines) + '\n')
    return folder


def test_its_questions_are_records_with_their_kinds(tmp_path):
    dataset = datasets.load(str(write(tmp_path)))
    asked = {(question.text, question.answer, question.group) for record in dataset.split('train')
             for question in record.questions}
    assert asked == {
        ('what is on the desk in the image ?', 'scissor, tape dispenser', 'several'),
        ('how many doors are open in this image ?', '2', 'number'),
        ('what colour is the chair on the image ?', 'red', 'color'),
        ('what is left of the door image ?', 'chair', 'object')}
    assert [len(dataset.split(name)) for name in ('train', 'val', 'test')] == [14, 2, 4]
    assert all(len(record.questions) == 4 and record.image.is_file() for record in dataset.records)


def test_the_official_test_is_the_test_where_it_is_there(tmp_path):
    dataset = datasets.load(str(write(tmp_path, test=(70, 71), ending='png')))
    assert [record.image.name for record in dataset.split('test')] == ['image70.png',
                                                                       'image71.png']
    assert [len(dataset.split(name)) for name in ('train', 'val')] == [17, 3]


@pytest.mark.parametrize(('text', 'said'), [
    ('what is on the desk ?\nlamp\n', r'qa\.train\.txt:1: expected a question that names'),
    ('what is in the image1 ?\n\n', r'qa\.train\.txt:1: expected .* its answer'),
    ('what is in the image9 ?\nlamp\n', r'image9: no such picture'),
])
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, said):
    write(tmp_path, train=[1]).joinpath('qa_pairs.train.txt').unlink()
    (tmp_path / 'qa.train.txt').write_text(text)
    with pytest.raises(DatasetError, match=said):
        datasets.load(str(tmp_path))


def test_the_last_question_needs_an_answer_with_and_without_an_end_of_line(tmp_path):
    path = write(tmp_path) / 'qa_pairs.train.txt'
    path.write_text(path.read_text().rstrip('\n'))
    asked = [len(record.questions) for record in datasets.load(str(tmp_path)).records]
    assert asked == [len(PAIRS)] * 20
    path.write_text(f'{path.read_text()}\nwhat is in the image1 ?')
    with pytest.raises(DatasetError, match=f'train.txt:{40 * len(PAIRS) + 1}: expected'):
        datasets.load(str(tmp_path))


def test_an_empty_test_is_none(tmp_path):
    (write(tmp_path) / 'qa.test.txt').touch()
    assert len(datasets.load(str(tmp_path)).split('test')) == 4  # cut from training


def test_a_text_beside_a_picture_is_no_picture(tmp_path):
    write(tmp_path, ending='png')
    (tmp_path / 'images' / 'image1.txt').touch()
    assert {r.image.suffix for r in datasets.load(str(tmp_path)).records} == {'.png'}


def test_two_files_of_one_split_are_refused(tmp_path):
    write(tmp_path)
    (tmp_path / 'qa.37.raw.train.txt').write_text((tmp_path / 'qa_pairs.train.txt').read_text())
    with pytest.raises(DatasetError, match='two files of the split train'):
        datasets.load(str(tmp_path))
