import json
from pathlib import Path

import pytest
from helpers import squares

pytest.importorskip('torch', reason='needs torch: pip install torch')

from latent_vqa_ros import datasets  # noqa: E402
from latent_vqa_ros.core.config import PreprocessConfig  # noqa: E402
from latent_vqa_ros.datasets import mixture  # noqa: E402
from latent_vqa_ros.datasets.record import (  # noqa: E402
    Dataset,
    DatasetError,
    Question,
    Record,
    Region,
)
from latent_vqa_ros.training.config import AugmentConfig, Recipe  # noqa: E402
from latent_vqa_ros.training.data import load_data  # noqa: E402
from latent_vqa_ros.training.places import PlacedRecords  # noqa: E402


@pytest.mark.parametrize(('split', 'question', 'answer', 'said'), [
    ('test', 'is it mug', 'yes', "test: 'is it mug': unknown word 'mug'"),
    ('val', 'is it mug', 'yes', "val: 'is it mug': unknown word 'mug'"),
    ('train', '?', 'yes', r'questions.jsonl:4: the question is empty'),
    ('train', 'it is red', '?', 'the .* is empty'),
    ('train', 'is it ' + 'red ' * 20, 'yes', 'at most 15'),
    ('train', 'is it red', 'YES!', "the answers 'YES!' and 'yes' are the same words"),
    ('val', 'it is red', 'red', 'validation answers that training has not: red')])
def test_data_that_cannot_be_asked_is_refused_before_training(tmp_path, split, question, answer,
                                                              said):
    lines = [{'image': name, 'question': 'is it red', 'answer': 'yes', 'split': name}
             for name in ('train', 'val', 'test')]
    lines.append({'image': split, 'question': question, 'answer': answer, 'split': split})
    for name in ('train', 'val', 'test'):
        (tmp_path / name).write_bytes(b'')
    (tmp_path / 'questions.jsonl').write_text('\n'.join(map(json.dumps, lines)))
    with pytest.raises(DatasetError, match=said):
        load_data(Recipe('x', str(tmp_path)))


def asked(folder, *lines):
    """Write a folder of questions about empty files; each is (image, split, question, answer)."""
    rows = [dict(zip(('image', 'split', 'question', 'answer'), line, strict=True))
            for line in lines]
    for row in rows:
        (folder / row['image']).touch()
    (folder / 'questions.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    return str(folder)


def test_what_a_limit_leaves_out_cannot_be_asked(tmp_path):
    lines = [(name, name, 'is it red', 'yes') for name in ('train', 'val', 'test')]
    data = asked(tmp_path, *lines, ('late', 'train', 'is it a zebra', 'maybe'))
    cut, whole = (load_data(Recipe('x', data, limit=limit)) for limit in (1, None))
    assert 'zebra' in whole.tokenizer.vocabulary
    assert cut.tokenizer.vocabulary == ('is', 'it', 'red', 'yes')
    assert (cut.answers, cut.questions) == (('yes',), ('is it red',))
    assert load_data(Recipe('x', data), 1).answers == ('maybe', 'yes')  # --smoke
    smoke = load_data(Recipe('x', data, limit=1), 64)
    assert (len(smoke.train), smoke.answers) == (1, ('yes',))


def test_where_only_validation_has_things_an_empty_place_has_a_name(tmp_path):
    data = asked(tmp_path, *[(name, name, 'is it a red cube', 'yes')
                             for name in ('train', 'val', 'test')])
    (tmp_path / 'truth.jsonl').write_text(json.dumps({
        'image': 'val', 'width': 9, 'height': 9, 'things': [
            {'size': '', 'color': 'red', 'shape': 'cube', 'box': [1, 1, 2, 2],
             'center': [2, 2], 'visible': 1.0}]}))
    found = load_data(Recipe('x', data))
    assert PlacedRecords(found.val, PreprocessConfig(), found.tokenizer, (4, 4)).exist


def test_two_data_sets_are_asked_and_answered_as_one_each_within_its_limit(tmp_path):
    folders = []
    for name, color in (('first', 'red'), ('second', 'blue')):
        (tmp_path / name).mkdir()
        lines = [(f'{split}{i}', split, f'is it {color}', f'{color} {split == "train" and i}')
                 for split in ('train', 'val', 'test') for i in range(4)]
        lines = [(image, split, question, answer.replace('False', '0'))
                 for image, split, question, answer in lines]
        folders.append(asked(tmp_path / name, *lines))
    found = load_data(Recipe('x', tuple(folders), limit=(3, 2)))
    assert (found.name, len(found.train), len(found.val)) == ('first + second', 5, 5)
    assert found.answers == ('blue 0', 'blue 1', 'red 0', 'red 1', 'red 2')
    assert found.questions == ('is it blue', 'is it red')
    assert {name: len(records) for name, records in found.more.items()} == {
        'first/test': 3, 'second/test': 2}
    assert {question.text for record in found.fitted for question in record.questions} == {
        'is it red'}  # limits are fitted on the pictures of the first
    assert len(found.fitted) == 3
    smoke = load_data(Recipe('x', tuple(folders), limit=(3, 2)), 1)
    assert (len(smoke.train), smoke.answers) == (2, found.answers)


def test_a_mixture_is_written_as_a_list(tmp_path):
    with pytest.raises(DatasetError, match=r'write a list: \[.*one, .*two\]'):
        load_data(Recipe('x', f'{tmp_path / "one"} + {tmp_path / "two"}', limit=1))


def told(split, number, question, answer, thing):
    return Record(Path(f'{split}{number}.png'), split, (Question(question, answer, 'x'),),
                  (f'a {thing}',), (Region(f'a {thing}', (0.5, 0.5)),))


def test_a_smoke_of_what_is_drawn_asks_only_for_what_it_drew(monkeypatch):
    """The word of the third picture is drawn for a whole training, but not for the first two."""
    most = [told('train', i, f'is it a {thing}', answer, thing) for i, (thing, answer) in
            enumerate((('cup', 'yes'), ('mug', 'no'), ('fez', 'maybe')))]
    most += [told(split, i, question, answer, thing) for split in ('val', 'test', 'wordings')
             for i, (question, answer, thing) in enumerate((
                 ('is it a mug', 'yes', 'fez'), ('is it a fez', 'maybe', 'cup'),
                 ('is it a cup', 'maybe', 'mug')))]
    most += [told('test', 3, 'is it a cup', 'yes', 'cup')]

    def load(name, splits=None, limit=None, own=()):
        return mixture.first(Dataset('tabletop', tuple(most)), limit)

    monkeypatch.setattr(datasets, 'load', load)
    recipe = Recipe('x', 'tabletop', limit=4)
    whole = load_data(recipe)
    assert (len(whole.val), len(whole.test), whole.answers) == (3, 4, ('maybe', 'no', 'yes'))
    few = load_data(recipe, 2)
    assert few.answers == ('no', 'yes')
    assert [len(found) for found in (few.train, few.val, few.test, few.more['wordings'])] == [
        2, 1, 1, 1]
    assert (few.val[0].captions, few.val[0].regions[0].caption) == ((), '')


def test_validation_asks_for_what_is_taught_and_the_temperature_is_fitted_on_all(tmp_path):
    daquar = tmp_path / 'qa.train.txt'
    (tmp_path / 'images').mkdir()
    lines = []
    for number in range(60):
        (tmp_path / 'images' / f'image{number}.png').touch()
        lines += [f'what is in the image{number} ?', 'lamp',
                  f'what is the image{number} ?', f'thing{number}']
    daquar.write_text('\n'.join(lines) + '\n')
    found = load_data(Recipe('x', str(tmp_path)))
    assert found.answers == ('lamp',)
    assert {q.answer for record in found.val for q in record.questions} == {'lamp'}
    asked, fitted = (sum(len(r.questions) for r in records) for records in (found.val,
                                                                            found.fitted))
    assert fitted == 2 * asked > 0


@pytest.mark.parametrize(('question', 'wrong'), [
    ('is a left of b', True), ('what is right of b', True), ('is a above b', True),
    ('is the a below b', True), ('is a on the right', True), ('is a leftmost', True),
    ('is a on its right', True), ('is the top right a b', True), ('is the right a b', True),
    ('what is under a', True), ('is a at the top', True), ('is the lever up or down', True),
    ('is the handle vertical', True), ('is it upright', True), ('does it turn clockwise', True),
    ('is a in front of b', False), ('is it right that a is b', False), ('is there a b', False)])
def test_a_question_that_turning_makes_false_is_refused(tmp_path, question, wrong):
    data = asked(tmp_path, *[(name, name, question, 'yes') for name in ('train', 'val', 'test')])
    recipe = Recipe('x', data, augment=AugmentConfig(symmetries=True))
    if wrong:
        with pytest.raises(DatasetError, match=f'augment.symmetries makes {question!r} false'):
            load_data(recipe)
    else:
        assert load_data(recipe).questions == (question,)


def test_a_thing_of_validation_that_training_cannot_name_is_refused_before_training(tmp_path):
    data = squares.write(tmp_path / 'data', {'train': 4, 'val': 4, 'test': 4})
    truth = data / 'truth.jsonl'
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    named = {json.loads(line)['image'] for line in (data / 'questions.jsonl').open()
             if json.loads(line)['split'] == 'val'}
    line = next(line for line in lines if line['image'] in named)
    line['things'][0]['color'] = 'teal'
    truth.write_text('\n'.join(map(json.dumps, lines)))
    with pytest.raises(DatasetError, match="val: '.*teal.*': unknown word 'teal'"):
        load_data(Recipe('x', str(data)))
