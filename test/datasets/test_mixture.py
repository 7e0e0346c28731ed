from pathlib import Path

import pytest
from helpers import squares

from latent_vqa_ros import datasets
from latent_vqa_ros.datasets import mixture
from latent_vqa_ros.datasets.record import Dataset, DatasetError, Question, Record


def dataset(name, blind='train', **splits):
    return Dataset(name, tuple(
        Record(Path(f'{name}/{split}{i}.png'), split, (Question('is it', 'yes', 'x'),))
        for split, count in splits.items() for i in range(count)), blind)


def pictures(found, split):
    return [record.image.as_posix() for record in found.split(split)]


A = dataset('a', 'val', train=3, val=2, test=2, shifted=1)
B = dataset('b', train=2, val=1, test=1, shifted=1)


def test_one_data_set_is_left_as_it_is():
    assert mixture.join([A]) is A
    assert mixture.first(A, None) is A


def test_several_train_together_and_keep_their_tests_apart():
    both = mixture.join([A, B])
    assert both.name == 'a + b'
    assert pictures(both, 'train') == ['a/train0.png', 'a/train1.png', 'a/train2.png',
                                       'b/train0.png', 'b/train1.png']
    assert pictures(both, 'val') == ['a/val0.png', 'a/val1.png', 'b/val0.png']
    assert pictures(both, 'test') == ['a/test0.png', 'a/test1.png', 'b/test0.png']
    assert {record.split for record in both.records} == {
        'train', 'val', 'test', 'a/test', 'b/test', 'a/shifted', 'b/shifted'}
    assert pictures(both, 'b/test') == ['b/test0.png']
    assert pictures(both, 'a/shifted') == ['a/shifted0.png']


def test_a_blind_model_of_a_mixture_learns_from_what_each_can_give():
    both = mixture.join([A, B]).blind_records
    assert both == (*A.split(A.blind), *B.split(B.blind))
    assert {record.split for record in both} == {'train', 'val'}
    assert mixture.join([mixture.first(A, 1), B]).blind_records == (
        *A.split(A.blind)[:1], *B.split(B.blind))


def test_a_limit_keeps_the_first_of_each_split():
    cut = mixture.first(A, 2)
    assert {split: len(cut.split(split)) for split in ('train', 'val', 'test', 'shifted')} == {
        'train': 2, 'val': 2, 'test': 2, 'shifted': 1}
    assert pictures(cut, 'train') == ['a/train0.png', 'a/train1.png']


def test_a_mixture_is_loaded_by_the_name_that_a_bundle_has_for_it(tmp_path):
    folders = [squares.write(tmp_path / name, {'train': 1, 'test': 2}, seed)
               for seed, name in enumerate(('a', 'b'))]
    both = datasets.load(' + '.join(map(str, folders)))
    assert both.name == 'a + b'
    assert len(both.split('test')) == 2 * len(both.split('b/test')) == 4


def test_two_of_one_name_are_refused():
    with pytest.raises(DatasetError, match='one name: a, a'):
        mixture.join([A, A])
