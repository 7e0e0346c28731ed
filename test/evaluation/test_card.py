"""The model card: further splits, worst groups, and wrong answers with their pictures."""

import re
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers import fake_bundle

pytest.importorskip('matplotlib', reason='needs matplotlib: pip install matplotlib')

from latent_vqa_ros.core import bundle  # noqa: E402
from latent_vqa_ros.core.manifest import WEIGHTS  # noqa: E402
from latent_vqa_ros.datasets.record import Phrase, Question, Record, Region  # noqa: E402
from latent_vqa_ros.evaluation import card, evaluate, mistakes

GROUPS = ('a', 'b', 'c', 'd', 'e', 'f')
RIGHT = dict(zip(GROUPS, (1, 2, 3, 4, 5, 6), strict=True))  # of the 6 questions of a group
SIDE = 10 / 64  # of the named thing, 10 pixels of the model's input


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """A card of 36 questions about 6 pictures; the n-th picture has n things."""
    out = fake_bundle.write(tmp_path_factory.mktemp('card') / 'fake', evidence=None)
    (out / WEIGHTS).write_bytes(b'')
    manifest = replace(bundle.load(out).manifest, training={
        'data': 'tabletop', 'seed': 3, 'false_alarms': 0.005, 'recipe': 'more.yaml',
        'start': 'tabletop 0.1.0', 'start_share': 0.3, 'sources': [
            {'name': 'robosuite 1.5.2', 'licence': 'MIT', 'what': 'textures, meshes'}]})
    records = tuple(picture(out.parent / f'{n}.png', n) for n in range(1, 7))
    found = predictions()
    document = {name: {**evaluate.report(found, manifest, records, records, 'tabletop', name),
                       'pointing': {'n': 1234, 'accuracy': 0.5}}
                for name in ('test', 'compositional', 'wordings')}
    report = {'int8': document['test'], 'float': document['test'],
              'more': {name: document[name] for name in ('compositional', 'wordings')},
              'mistakes': mistakes.surest(found, manifest, records),
              'causes': mistakes.causes(found, manifest, records),
              'reliability': evaluate.reliability(found, manifest), 'blind': 'val',
              'counts': {'train': {'pictures': 50_000, 'captions': 0}}, 'disagreement': {'all': 0},
              'stages': {'finetune': {'epochs': 7, 'seconds': 3600.4, 'processes': 2,
                                      'validation': 0.9}},
              'weight_errors': {}, 'modules': []}
    card.write(out, manifest, report)
    return out, manifest, report, records


def picture(path, things):
    cv2.imwrite(str(path), np.full((96, 96, 3), 40 * things, np.uint8))
    regions = tuple(Region('', (0.5, 0.5)) for _ in range(things))
    named = Phrase(0, 1, (0.5, 0.5), (0, 0, SIDE, SIDE))
    phrases = (named,) if things == 6 else ()
    asked = tuple(Question(f'the {group} of {things}', 'red', group, phrases, 'no')
                  for group in GROUPS)
    return Record(path, 'test', asked, (), regions)


def predictions():
    """In the n-th picture the groups with n or more right answers are right; f is the surest."""
    logits = np.zeros((36, len(fake_bundle.ANSWERS)))
    for row in range(36):
        things, group = row // 6 + 1, GROUPS[row % 6]
        answer = 'red' if RIGHT[group] >= things else 'circle'
        logits[row, fake_bundle.ANSWERS.index(answer)] = 1 + row % 6 + things / 10
    truth = np.full(36, fake_bundle.ANSWERS.index('red'))
    return evaluate.Predictions(logits, truth, GROUPS * 6, np.zeros(6), np.zeros(0, bool))


def text(made):
    return (made[0] / 'README.md').read_text('utf-8')


def test_each_split_has_its_table_below_the_command_that_prints_it(made):
    for name in ('compositional', 'wordings'):
        command = f'latent_vqa evaluate --model models/fake --data tabletop --split {name}\n'
        table = text(made).partition(f'{command}\n```\n')[2].partition('\n```')[0]
        assert table == evaluate.table(made[2]['more'][name])
        assert re.search(r'^f +6 +100.00% +100.00% +0.00%$', table, re.MULTILINE)


def test_the_worst_groups_come_worst_first(made):
    assert 'The worst groups: a 16.67%, b 33.33%, c 50.00%, d 66.67%, e 83.33%.' in text(made)


def test_the_card_says_where_it_looked_and_how_the_surest_fare(made):
    assert 'of 1,234 phrases that name one thing, 50.00%' in text(made)
    assert f'{made[2]["int8"]["accuracy_surest_90"]:.2%} are right instead of 58.33%' in text(made)


def test_the_card_says_what_was_trained_and_how_long(made):
    assert '| split | pictures |\n| --- | --- |\n| train | 50,000 |' in text(made)
    assert '| finetune | 7 | 3,600 | 2 | 90.00% |' in text(made)
    assert 'latent_vqa train config/train/more.yaml' in text(made)
    assert ('began with the weights of tabletop 0.1.0. The bundle has the mean of the '
            'weights it began with (30%) and of the trained ones (70%), whose validation'
            ) in text(made)
    assert 'Made with textures, meshes of robosuite 1.5.2 (MIT).' in text(made)
    assert 'in `val`' in text(made)
    assert 'alone; `val` fits the temperature' in text(made)


def test_the_card_of_two_data_sets_says_on_which_the_limits_are_fitted(made, tmp_path):
    out, manifest, report, _ = made
    both = replace(manifest, training={**manifest.training, 'data': 'photos + tabletop'})
    copy = tmp_path / 'fake'
    shutil.copytree(out, copy)
    card.write(copy, both, report)
    assert ', fitted on `val` of `photos`.' in (copy / 'README.md').read_text('utf-8')


def test_the_surest_mistakes_are_shown_two_of_a_group_at_most(made):
    found = made[2]['mistakes']
    assert [(m.question.group, len(m.record.regions)) for m in found] == [
        ('e', 6), ('d', 6), ('d', 5), ('c', 6), ('c', 5), ('b', 6), ('b', 5), ('a', 6), ('a', 5)]
    assert {m.answer for m in found} == {'circle'}
    assert found[0].confidence == pytest.approx(np.exp(5.6) / (np.exp(5.6) + 2))


def test_ten_mistakes_are_enough(made):
    _, manifest, _, records = made
    wrong = replace(predictions(), truth=np.zeros(36, int) + fake_bundle.ANSWERS.index('no'))
    found = mistakes.surest(wrong, manifest, records)
    assert len(found) == 10
    assert [m.question.group for m in found] == list('ffeeddccbb')


def test_the_sheet_shows_every_wrong_picture(made):
    sheet = cv2.imread(str(made[0] / card.WRONG))
    for things in {len(m.record.regions) for m in made[2]['mistakes']}:
        assert (sheet == 40 * things).all(axis=2).sum() > 10_000
    assert f']({card.WRONG})' in text(made)
    assert 'Shown: the 9 wrong answers' in text(made)


def test_wrong_answers_are_counted_by_things_and_by_size(made):
    causes = made[2]['causes']
    assert [(row['name'], row['n'], row['wrong']) for row in causes['things']] == [
        (str(n), 6, pytest.approx((n - 1) / 6)) for n in range(1, 7)]
    assert causes['pixels'] == [{'name': '9 to 11', 'n': 6, 'wrong': pytest.approx(5 / 6)}]
    assert '| 9 to 11 | 6 | 83.33% |' in text(made)


def test_a_picture_without_things_is_counted_only_where_the_data_says_that_there_are_none(made):
    out = made[0]
    found, manifest = predictions(), bundle.load(out).manifest
    records = [replace(picture(out.parent / '1.png', n), regions=()) for n in range(1, 7)]
    assert mistakes.causes(found, manifest, records)['things'] == []
    told = [replace(record, told=True) for record in records]
    row, = mistakes.causes(found, manifest, told)['things']
    assert (row['name'], row['n']) == ('0', 36)


def test_a_card_without_mistakes_has_no_sheet(made, tmp_path):
    out, manifest, report, _ = made
    beside = fake_bundle.write(tmp_path / 'fake')
    for name in (WEIGHTS, card.WRONG):
        (beside / name).write_bytes((out / name).read_bytes())
    card.write(beside, manifest, {**report, 'mistakes': [], 'more': {}, 'stages': {}})
    written = (beside / 'README.md').read_text('utf-8')
    assert not (beside / card.WRONG).exists()
    assert card.WRONG not in written
    assert 'further splits' not in written
    assert 'finetune' not in written


def test_the_card_of_a_chain_names_all_recipes_its_hours_and_each_data_set(made, tmp_path):
    _, manifest, report, _ = made
    stage = {'finetune': {'epochs': 1, 'seconds': 3600.0}}
    link = {'data': 'wide + tabletop', 'seed': 3, 'false_alarms': 0.005, 'data_sha256': 'x',
            'stages': stage}
    mit, mine = ({'name': name, 'licence': licence, 'what': 'pictures'}
                 for name, licence in (('a package', 'MIT'), ('desks', 'mine')))
    chain = {**link, 'recipe': 'two.yaml', 'start': 'tabletop 0.9.1', 'sources': [mit],
             'before': {**link, 'recipe': 'one.yaml', 'sources': [mit, mine]}}
    report = {**report, 'more': {f'wide/{name}': each for name, each in report['more'].items()},
              'mistakes': []}
    for name in ('image_encoder.onnx', 'answerer.onnx', WEIGHTS):
        (tmp_path / name).write_bytes(b'')
    card.write(tmp_path, replace(manifest, training=chain), report)
    said = text((tmp_path,))
    assert 'latent_vqa train config/train/one.yaml config/train/two.yaml\n' in said
    assert 'The whole chain trained for 2.0 hours.' in said
    assert 'Made with pictures of a package (MIT); pictures of desks (mine).' in said
    assert '--data "wide + tabletop"\n' in said
    assert '--data wide --split wordings\n' in said
    assert 'It has learnt from all data sets here' in said
    assert 'The whole chain' not in text(made)
    assert 'It has learnt from all data sets here' not in text(made)
    chain['before']['start'] = 'tabletop 0.1.0'  # which nobody can train with these recipes
    card.write(tmp_path, replace(manifest, training=chain), report)
    said = text((tmp_path,))
    assert 'latent_vqa train config/train/two.yaml\n' in said
    assert 'The whole chain' not in said
    assert 'desks (mine)' in said
