"""What training could not learn is left out, and said; splits are cut by picture."""

import logging
from collections import defaultdict

import pytest

from latent_vqa_ros.core.tokenizer import Tokenizer
from latent_vqa_ros.datasets.record import Dataset, DatasetError, Question, Record
from latent_vqa_ros.datasets.trainable import askable, plain, records_of, trainable


def record(number, split, *asked):
    return Record(f'{number}.jpg', split, tuple(Question(*each, 'other') for each in asked))


def plenty(count=40):
    return [record(i, 'train', ('what is it', 'cup'), ('how many', '2')) for i in range(count)]


def texts(dataset, split):
    return [(question.text, question.answer) for found in dataset.split(split)
            for question in found.questions]


def test_missing_splits_are_cut_by_picture_and_always_alike():
    dataset = trainable('some', plenty(), 1, None)
    splits = defaultdict(set)
    for found in dataset.records:
        splits[found.split].add(found.image)
        assert len(found.questions) == 2
    assert [len(splits[name]) for name in ('train', 'val', 'test')] == [32, 4, 4]
    assert len(set.union(*splits.values())) == 40
    assert trainable('some', plenty(), 1, None) == dataset


def test_splits_that_are_there_stay():
    given = [*plenty(), record(90, 'val', ('what is it', 'cup')),
             record(91, 'test', ('how many', '2'))]
    dataset = trainable('some', given, 1, None)
    assert {name: [found.image for found in dataset.split(name)] for name in ('val', 'test')} == {
        'val': ['90.jpg'], 'test': ['91.jpg']}
    assert len(dataset.split('train')) == 40


def test_rare_answers_are_not_learned_but_count_in_the_test(caplog):
    given = [*plenty(), record(80, 'train', ('what is it', 'fez')),
             record(90, 'val', ('what is it', 'fez'), ('what is it', 'cup')),
             record(91, 'test', ('what is it', 'fez'), ('how many', '2'))]
    with caplog.at_level(logging.WARNING):
        dataset = trainable('some', given, 2, None)
    assert ('what is it', 'fez') not in texts(dataset, 'train')
    assert texts(dataset, 'val') == [('what is it', 'cup')]
    assert texts(dataset, 'test') == [('what is it', 'fez'), ('how many', '2')]
    assert caplog.messages == ['some, train: 1 of 81 questions are left out: rare answers 1',
                               'some, val: 1 of 2 questions are left out: rare answers 1']


def test_a_question_with_words_that_training_has_not_is_left_out_and_counted(caplog):
    given = [*plenty(), record(90, 'val', ('what is it', 'cup')),
             record(91, 'test', ('where is the fez', 'cup'), ('!', 'cup'), ('how many', '2'))]
    dataset = trainable('some', given, 1, None)
    assert texts(dataset, 'test') == [('how many', '2')]
    assert caplog.messages == ['some, test: 2 of 3 questions are left out: unknown words 2']


def test_a_limit_keeps_pictures_of_each_split_and_decides_what_is_known():
    late = record(95, 'train', ('where is it', 'here'))
    dataset = trainable('some', [*plenty(), late, record(90, 'val', ('where is it', 'cup'),
                                                         ('what is it', 'cup'))], 1, 5)
    assert len(dataset.split('train')) == 5
    assert texts(dataset, 'val') == [('what is it', 'cup')]


def test_nothing_left_is_one_line():
    with pytest.raises(DatasetError, match='nothing is left'):
        trainable('some', plenty(), 1000, None)


def test_a_picture_that_is_not_there_is_named_with_how_many_are_missing(tmp_path):
    (tmp_path / 'a.jpg').touch()
    asked = {('train', tmp_path / name): [Question('q', 'a', 'g')] for name in
             ('a.jpg', 'b.jpg', 'c.jpg')}
    with pytest.raises(DatasetError, match=r'b\.jpg: no such picture \(2 of 3 are missing\)'):
        records_of(asked)


def test_answers_are_their_plain_words():
    assert plain('Tape_Dispenser') == 'tape dispenser'
    assert plain(' T-shirt! ') == 't shirt'


def test_a_bundle_of_the_first_pictures_is_measured_on_what_it_can_be_asked(caplog):
    given = [*plenty(), record(95, 'train', ('what is behind it', 'cup'))]
    given += [record(90, 'val', ('what is it', 'cup')), record(
        91, 'test', ('what is it', 'cup'), ('what is behind it', 'cup'))]
    few, everything = trainable('some', given, 1, 40), trainable('some', given, 1, None)
    assert len(texts(everything, 'test')) == 2
    tokenizer = Tokenizer.from_texts([text for text, _ in texts(few, 'train')], 8)
    with caplog.at_level(logging.WARNING):
        assert texts(askable(everything, tokenizer), 'test') == [('what is it', 'cup')]
    assert 'some: 2 of 84 questions are left out' in caplog.text
    own = Dataset('mine', everything.records)
    assert askable(own, tokenizer) is own  # a folder of one's own: the first such word is an error
    with pytest.raises(DatasetError, match='nothing of it'):
        askable(everything, Tokenizer(('cat',), 8))
