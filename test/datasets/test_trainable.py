"""What training could not learn is left out, and said; splits are cut by picture."""

import logging
from collections import defaultdict
from pathlib import Path

import pytest

from latent_vqa_ros.core.tokenizer import Tokenizer
from latent_vqa_ros.datasets.record import Dataset, DatasetError, Question, Record
from latent_vqa_ros.datasets.trainable import askable, plain, records_of, trainable


def record(number, split, *asked):
    return Record(Path(f'{number}.jpg'), split, tuple(Question(*each, 'other') for each in asked))


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
    assert [len(splits[name]) for name in ('train', 'val', 'test')] == [34, 4, 2]
    assert len(set.union(*splits.values())) == 40
    assert trainable('some', plenty(), 1, None) == dataset


def splits_of(records):
    return {found.image: found.split for found in trainable('some', records, 1, None).records}


def test_a_picture_stays_in_its_split_whatever_else_there_is():
    some, more = plenty(60), plenty(2000)
    splits, later = splits_of(some), splits_of(more)
    assert {image: later[image] for image in splits} == splits
    assert splits_of(reversed(some)) == splits
    sizes = [list(later.values()).count(name) for name in ('train', 'val', 'test')]
    assert sizes == pytest.approx([1600, 200, 200], rel=0.15)
    given = splits_of([*more, record(9999, 'test', ('how many', '2'))])
    assert {image for image, split in given.items() if split == 'val'} == {
        image for image, split in later.items() if split == 'val'}


def test_few_pictures_have_all_splits_too():
    assert all(set(splits_of(plenty(count)).values()) == {'train', 'val', 'test'}
               for count in range(3, 30))


def test_splits_that_are_there_stay():
    given = [*plenty(), record(90, 'val', ('what is it', 'cup')),
             record(91, 'test', ('how many', '2'))]
    dataset = trainable('some', given, 1, None)
    assert {name: [found.image for found in dataset.split(name)] for name in ('val', 'test')} == {
        'val': [Path('90.jpg')], 'test': [Path('91.jpg')]}
    assert len(dataset.split('train')) == 40


def test_rare_answers_are_not_learned_but_are_asked_for(caplog):
    given = [*plenty(), record(80, 'train', ('what is it', 'fez')),
             record(90, 'val', ('what is it', 'fez'), ('what is it', 'cup')),
             record(91, 'test', ('what is it', 'fez'), ('how many', '2'))]
    with caplog.at_level(logging.WARNING):
        dataset = trainable('some', given, 2, None)
    assert ('what is it', 'fez') not in texts(dataset, 'train')
    assert texts(dataset, 'val') == [('what is it', 'fez'), ('what is it', 'cup')]
    assert texts(dataset, 'test') == [('what is it', 'fez'), ('how many', '2')]
    assert caplog.messages == ['some, train: 1 of 81 questions are left out: rare answers 1']


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
    assert caplog.messages[-1] == (
        'some: 1 of 2 questions of test, 1 of 81 questions of train left out: the model cannot be '
        "asked, e.g. 'what is behind it': unknown word 'behind'")
    with pytest.raises(DatasetError, match="nothing of it, such as 'what is it'"):
        askable(everything, Tokenizer(('cat',), 8))


def test_a_folder_of_one_s_own_is_measured_without_what_cannot_be_asked(caplog):
    own = Dataset('mine', (record(1, 'test', ('is it red', 'yes'), ('is it a fez', 'no')),
                           record(2, 'test', ('is it a fez', 'yes'))))
    assert askable(own, Tokenizer(('a', 'fez', 'is', 'it', 'red'), 8)) is own
    assert not caplog.messages
    assert texts(askable(own, Tokenizer(('is', 'it', 'red'), 8)), 'test') == [('is it red', 'yes')]
    assert caplog.messages == ['mine: 2 of 3 questions of test left out: the model cannot be '
                               "asked, e.g. 'is it a fez': unknown word 'a'; unknown word "
                               "'fez'"]
