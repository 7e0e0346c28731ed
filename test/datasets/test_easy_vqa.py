import pytest

pytest.importorskip('easy_vqa', reason='needs EasyVQA: pip install easy-vqa')

from latent_vqa_ros import datasets  # noqa: E402
from latent_vqa_ros.datasets.easy_vqa import caption  # noqa: E402
from latent_vqa_ros.datasets.record import DatasetError, Question, questions_of  # noqa: E402


@pytest.fixture(scope='module')
def data():
    return datasets.load('easy_vqa')


def test_splits_have_the_published_sizes_and_validation_comes_out_of_training(data):
    asked = {name: sum(1 for _ in questions_of(data.split(name)))
             for name in ('train', 'val', 'test')}
    assert asked['train'] + asked['val'] == 38_575
    assert asked['test'] == 9_673
    assert [len(data.split(name)) for name in ('train', 'val', 'test')] == [3600, 400, 1000]


def test_no_image_is_in_two_splits(data):
    seen = {name: {record.image for record in data.split(name)}
            for name in ('train', 'val', 'test')}
    assert not seen['train'] & seen['val']
    assert not (seen['train'] | seen['val']) & seen['test']


def test_groups_hold_the_answers_that_their_names_say(data):
    by_group = {}
    for _, question in questions_of(data.records):
        by_group.setdefault(question.group, set()).add(question.answer)
    assert by_group['yes_no'] == {'yes', 'no'}
    assert by_group['shape'] == {'circle', 'rectangle', 'triangle'}
    assert len(by_group['color']) == 8


def test_captions_agree_with_every_open_answer(data):
    checked = 0
    for record in data.records:
        for question in record.questions:
            if question.group != 'yes_no' and record.captions:
                assert question.answer in record.captions[0].split()
                checked += 1
    assert checked > 9000


@pytest.mark.parametrize(('asked', 'expected'), [
    ([('what color is the shape?', 'red', 'color'), ('what shape is present?', 'circle', 'shape')],
     ('a red circle',)),
    ([('is there a red shape?', 'yes', 'yes_no'), ('is no circle present?', 'no', 'yes_no')],
     ('a red circle',)),
    ([('is there a red shape?', 'no', 'yes_no'), ('is no circle present?', 'yes', 'yes_no')], ()),
    ([('what color is the shape?', 'red', 'color')], ()),
])
def test_a_caption_says_what_the_answers_tell_and_no_half(asked, expected):
    assert caption([Question(*each) for each in asked]) == expected


def test_an_unknown_split_is_named_with_those_that_exist(data):
    with pytest.raises(DatasetError, match="'dev'.*test, train, val"):
        data.split('dev')
