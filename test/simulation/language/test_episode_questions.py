"""Standing questions: about what happens, in words that the grammar knows, or from a file."""

import json

import pytest
from helpers.truth_bag import STORY, scene

from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation.language import episode_questions
from latent_vqa_ros.simulation.language.answering import KINDS
from latent_vqa_ros.simulation.language.episode_questions import Asked, read, standing, worded
from latent_vqa_ros.simulation.language.meaning import Description, Meaning
from latent_vqa_ros.simulation.language.questions import vocabulary

SCENES = [scene(cube) for cube in STORY if cube != '?']
CUBE = {'color': 'red', 'shape': 'cube'}


def answers(asked):
    """Return the true answers over the story, each change once."""
    told = [asked.truth(each) for each in SCENES]
    return [told[i] for i in range(len(told)) if i == 0 or told[i] != told[i - 1]]


def test_they_are_about_what_happens():
    asked = {one.text: answers(one) for one in standing(SCENES)}
    assert asked['is the gripper holding anything?'] == ['no', 'yes', 'no']
    assert asked['what is the gripper holding?'] == ['nothing', 'cube', 'nothing']
    assert asked['is the tray empty?'] == ['yes', 'no']
    assert asked['is the red cube in the tray?'] == ['none', 'no', 'yes']
    assert asked['how many things are there?'] == ['1', '2']
    assert asked['is there a red cube?'] == ['no', 'yes']
    assert asked['what colour is the cube?'] == ['none', 'red']
    assert 10 <= len(asked) <= 13


def test_they_are_the_same_each_time_and_what_changes_comes_first():
    asked = standing(SCENES)
    assert asked == standing(SCENES)
    texts = [one.text for one in asked]
    assert texts.index('is there a red cube?') < texts.index('is there a blue ball?')


def test_every_kind_has_plain_words_of_the_vocabulary():
    known = set(vocabulary())
    about = (Description(color='red', shape='cube'), Description(shape='ball'))
    for kind in KINDS:
        value = {'is_color': 'red', 'is_shape': 'cube', 'is_size': 'small',
                 'count_is': '2'}.get(kind, '')
        text = worded(Meaning(kind, about, 'left', value)).text
        assert text.endswith('?')
        assert text == text.lower()
        assert set(words(text)) <= known


def test_an_ambiguous_frame_has_no_true_answer():
    assert worded(Meaning('tray_empty')).truth(None) is None


def write(path, *lines):
    path.write_text(''.join((line if isinstance(line, str) else json.dumps(line)) + '\n'
                            for line in lines))
    return path


def test_a_file_names_other_questions(tmp_path):
    found = read(write(
        tmp_path / 'q.jsonl', {'kind': 'exists', 'about': [CUBE]}, '',
        {'kind': 'exists', 'about': [CUBE], 'question': 'do you see a red block'},
        {'kind': 'relation', 'about': [CUBE, {'shape': 'ball'}], 'relation': 'left'},
        {'kind': 'count_is', 'about': [{}], 'value': 2}, {'kind': 'tray_empty'}))
    red = Description(**CUBE)
    assert found[:2] == [Asked('is there a red cube?', Meaning('exists', (red,))),
                         Asked('do you see a red block', Meaning('exists', (red,)))]
    assert [one.text for one in found[2:]] == [
        'is the red cube left of the ball?', 'are there exactly 2 things?', 'is the tray empty?']
    assert [answers(one) for one in found[3:]] == [['no', 'yes'], ['yes', 'no']]


@pytest.mark.parametrize(('line', 'says'), [
    ('{', 'line 2'), ('[]', 'line 2'), ({'kind': 'why'}, "'why'"), ({}, "''"),
    ({'kind': 'exists'}, '1 descriptions'), ({'kind': 'tray_empty', 'about': [CUBE]}, 'not 1'),
    ({'kind': 'exists', 'about': [{'color': 'pink'}]}, 'pink'),
    ({'kind': 'exists', 'about': [{'colour': 'red'}]}, 'colour'),
    ({'kind': 'exists', 'about': [{'color': []}]}, 'line 2'),
    ({'kind': 'exists', 'about': 7}, 'line 2'),
    ({'kind': 'relation', 'about': [CUBE, CUBE], 'relation': 'under'}, 'under'),
    ({'kind': 'count_is', 'about': [CUBE], 'value': 'many'}, 'many'),
    ({'kind': 'count_is', 'about': [CUBE], 'value': '23'}, '23'),
    ({'kind': 'is_color', 'about': [CUBE], 'value': 'cube'}, 'cube'),
    ({'kind': 'tray_seen'}, 'twice')])
def test_a_wrong_line_is_named(tmp_path, line, says):
    with pytest.raises(DatasetError, match='line 2') as caught:
        read(write(tmp_path / 'q.jsonl', {'kind': 'tray_seen'}, line))
    assert says in str(caught.value)


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(DatasetError, match='no question'):
        read(write(tmp_path / 'q.jsonl', ''))


def test_each_kind_says_how_many_things_it_is_about(tmp_path):
    for kind in KINDS:
        needs = episode_questions.NEEDS.get(kind, 0)
        fields = {'kind': kind, 'about': [CUBE] * needs, 'relation': 'left', 'value': {
            'is_color': 'red', 'is_shape': 'cube', 'is_size': 'small'}.get(kind, '2')}
        asked, = read(write(tmp_path / 'q.jsonl', fields))
        with pytest.raises(DatasetError):
            read(write(tmp_path / 'q.jsonl', {**fields, 'about': [CUBE] * (needs + 1)}))
        for each in SCENES:
            asked.truth(each)
