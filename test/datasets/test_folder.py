import json
import re
import shutil

import cv2
import numpy as np
import pytest

from latent_vqa_ros import datasets
from latent_vqa_ros.datasets.folder import load
from latent_vqa_ros.datasets.record import DatasetError

GOOD = {'image': 'a.png', 'question': 'is it red?', 'answer': 'yes', 'split': 'train'}


@pytest.fixture
def folder(tmp_path):
    for name in ('a.png', 'b.png'):
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    return tmp_path


def write(folder, *lines, name='questions.jsonl'):
    text = ''.join((line if isinstance(line, str) else json.dumps(line)) + '\n' for line in lines)
    (folder / name).write_text(text, 'utf-8')


def test_questions_are_gathered_by_image_with_their_captions(folder):
    write(folder, GOOD, {**GOOD, 'question': 'what is it?', 'answer': 'ball', 'group': 'shape'},
          '', {**GOOD, 'image': 'b.png', 'split': 'test'})
    write(folder, {'image': 'a.png', 'caption': 'a red ball'}, name='captions.jsonl')
    first, second = datasets.load(str(folder)).records
    assert [(q.text, q.answer, q.group) for q in first.questions] == [
        ('is it red?', 'yes', 'other'), ('what is it?', 'ball', 'shape')]
    assert first.captions == ('a red ball',)
    assert (second.split, second.captions) == ('test', ())


@pytest.mark.parametrize(('line', 'said'), [
    ('{"image"', ':2: not JSON'), ('[1]', ':2: a JSON list'), ('7', ':2: no text under image'),
    (json.dumps(GOOD) + ',', ':2: not JSON; one object per line'),
    ({**GOOD, 'answer': 3}, ':2: no text under answer'),
    ({**GOOD, 'answer': ''}, ':2: the answer is empty'),
    ({**GOOD, 'answer': ' ? '}, ':2: the answer is empty'),
    ({**GOOD, 'question': '\u3000'}, ':2: the question is empty'),
    ({**GOOD, 'answer': 'no'},
     ":2: 'is it red?' about a.png is answered 'no' here and 'yes' in line 1"),
    ({**GOOD, 'question': 'Is it RED', 'answer': 'No'}, "answered 'No' here and 'yes' in line 1"),
    ({**GOOD, 'split': 'dev'}, ":2: split 'dev'"), ({**GOOD, 'split': 'test'}, 'one split'),
    ({**GOOD, 'group': 'all'}, ":2: group 'all'"),
    ({**GOOD, 'image': '../../etc/passwd'}, ":2: image '../../etc/passwd' lies outside"),
    ({**GOOD, 'image': 'x/../a.png'}, ':2: image'), ({**GOOD, 'image': '/etc/passwd'}, 'outside'),
    ({**GOOD, 'image': 'c.png'}, ":2: image 'c.png' does not exist"),
    ({**GOOD, 'image': ''}, ':2: image'), ({**GOOD, 'image': '.'}, ":2: image '.' does not exist"),
    ({**GOOD, 'image': './a.png', 'split': 'test'},
     ":2: image './a.png' must be written as 'a.png'"),
])
def test_a_wrong_line_is_refused_by_file_and_line(folder, line, said):
    write(folder, GOOD, line)
    with pytest.raises(DatasetError, match='.*') as caught:
        datasets.load(str(folder))
    assert said in str(caught.value)


@pytest.mark.parametrize('text', [
    json.dumps([GOOD]), json.dumps([GOOD], indent=1), '[' + json.dumps(GOOD) + ',\n'])
def test_a_json_list_instead_of_lines_is_named(folder, text):
    write(folder, text)
    with pytest.raises(DatasetError, match=r'questions\.jsonl:1: .*one object per line'):
        datasets.load(str(folder))


def test_the_line_of_an_opposite_answer_is_that_in_the_file(folder):
    other = {**GOOD, 'image': 'b.png'}
    write(folder, GOOD, other, '', {**other, 'question': 'what?', 'answer': 'ball'},
          {**GOOD, 'answer': 'Yes.'}, {**other, 'answer': 'no'}, GOOD)
    with pytest.raises(DatasetError, match=r"jsonl:6: .* about b\.png .*'no' here .* in line 2"):
        datasets.load(str(folder))


def test_the_same_answer_twice_is_no_contradiction(folder):
    write(folder, GOOD, GOOD, {**GOOD, 'answer': 'YES'},
          {**GOOD, 'image': 'b.png', 'answer': 'no'})
    assert [len(record.questions) for record in datasets.load(str(folder)).records] == [3, 1]


def test_an_empty_caption_is_refused_by_its_line(folder):
    write(folder, GOOD)
    write(folder, {'image': 'a.png', 'caption': 'red'}, {'image': 'a.png', 'caption': ' '},
          name='captions.jsonl')
    with pytest.raises(DatasetError, match=r'captions\.jsonl:2: the caption is empty'):
        datasets.load(str(folder))


@pytest.mark.parametrize('name', ['questions.jsonl', 'captions.jsonl', 'truth.jsonl'])
def test_a_byte_order_mark_is_no_part_of_the_first_line(folder, name):
    write(folder, GOOD)
    write(folder, {'image': 'a.png', 'caption': 'a red ball'}, name='captions.jsonl')
    write(folder, TRUTH, name='truth.jsonl')
    plain = datasets.load(str(folder))
    path = folder / name
    path.write_bytes(b'\xef\xbb\xbf' + path.read_bytes().replace(b'\n', b'\r\n'))
    assert datasets.load(str(folder)) == plain


def linked_picture(folder, where):
    (folder / 'a.png').rename(where / 'a.png')
    (folder / 'a.png').symlink_to(where / 'a.png')
    return folder


def linked_folder_of_pictures(folder, where):
    (where / 'elsewhere').mkdir()
    (folder / 'a.png').rename(where / 'elsewhere' / 'a.png')
    (folder / 'pictures').symlink_to(where / 'elsewhere')
    write(folder, {**GOOD, 'image': 'pictures/a.png'})
    return folder


def linked_questions(folder, where):
    (folder / 'questions.jsonl').rename(where / 'q.jsonl')
    (folder / 'questions.jsonl').symlink_to(where / 'q.jsonl')
    return folder


def linked_folder(folder, where):
    (where / 'link').symlink_to(folder)
    return where / 'link'


@pytest.mark.parametrize('link', [
    linked_picture, linked_folder_of_pictures, linked_questions, linked_folder])
def test_links_are_followed(folder, tmp_path_factory, link):
    write(folder, GOOD)
    record, = datasets.load(str(link(folder, tmp_path_factory.mktemp('disk')))).records
    assert record.image.read_bytes().startswith(b'\x89PNG')


def test_a_link_that_leads_nowhere_is_a_missing_picture_with_its_line(folder):
    write(folder, GOOD, {**GOOD, 'image': 'c.png'})
    (folder / 'c.png').symlink_to(folder / 'gone.png')
    with pytest.raises(DatasetError, match=r"jsonl:2: image 'c\.png' does not exist"):
        datasets.load(str(folder))


def test_no_data_is_said_in_one_line(tmp_path):
    with pytest.raises(DatasetError, match='none of easy_vqa, tabletop, .*, and no'):
        datasets.load(str(tmp_path))


def thing(color, box, visible=1.0, center=(4, 4)):
    return {'size': 'small', 'color': color, 'shape': 'cube', 'visible': visible, 'box': box,
            'center': center}


TRUTH = {'image': 'a.png', 'width': 16, 'height': 8, 'things': [
    thing('red', [2, 2, 4, 4]), thing('blue', [8, 0, 8, 2], 0.29, (12, 1)),
    thing('white', [0, 6, 4, 2], 0.3, (2, 7))]}
PHRASES = [{'start': 1, 'stop': 3, 'thing': 2, 'named': True},
           {'start': 0, 'stop': 1, 'thing': 0, 'named': False}]


def test_truth_says_where_things_and_the_words_that_mean_them_are(folder):
    write(folder, {**GOOD, 'phrases': PHRASES, 'shortcut': 'no'}, GOOD,
          {**GOOD, 'image': 'b.png'})
    write(folder, TRUTH, name='truth.jsonl')
    first, second = datasets.load(str(folder)).records
    assert [(r.caption, r.center) for r in first.regions] == [
        ('small red cube', (0.25, 0.5)), ('', (0.75, 0.125)),
        ('small white cube', (0.125, 0.875))]
    asked, plain = first.questions
    assert [(p.start, p.stop, p.center, p.box, p.named) for p in asked.phrases] == [
        (1, 3, (0.125, 0.875), (0, 0.75, 0.25, 0.25), True),
        (0, 1, (0.25, 0.5), (0.125, 0.25, 0.25, 0.5), False)]
    assert (asked.shortcut, plain.shortcut, plain.phrases) == ('no', None, ())
    assert second.regions == ()


def test_phrases_without_a_truth_say_nothing(folder):
    write(folder, {**GOOD, 'phrases': PHRASES})
    assert datasets.load(str(folder)).records[0].questions[0].phrases == ()


@pytest.mark.parametrize(('name', 'line'), [
    ('captions', {'caption': 'a red ball'}),
    ('truth', {'width': 16, 'height': 8, 'things': []})])
@pytest.mark.parametrize(('asked', 'image', 'said'), [
    ('a.png', './a.png', ":2: image './a.png' must be written as 'a.png'"),
    ('a.png', 'A.png', ":2: image 'A.png' does not exist"),
    ('b.png', 'b.png', ": questions.jsonl has none of its pictures, such as 'b.png'")])
def test_a_name_that_is_written_in_two_ways_is_refused(folder, name, line, asked, image, said):
    write(folder, GOOD)
    write(folder, *({**line, 'image': each} for each in dict.fromkeys((asked, image))),
          name=f'{name}.jsonl')
    with pytest.raises(DatasetError, match=re.escape(f'{name}.jsonl{said}')):
        datasets.load(str(folder))


def test_phrases_about_a_picture_that_the_truth_lacks_are_refused(folder):
    write(folder, GOOD, {**GOOD, 'image': 'b.png', 'phrases': PHRASES})
    write(folder, TRUTH, name='truth.jsonl')
    with pytest.raises(DatasetError, match=r'questions\.jsonl:2: has phrases, but b\.png'):
        datasets.load(str(folder))


def test_a_second_truth_of_a_picture_is_refused_by_its_line(folder):
    write(folder, GOOD)
    write(folder, TRUTH, {**TRUTH, 'things': []}, name='truth.jsonl')
    with pytest.raises(DatasetError, match=r'truth\.jsonl:2: a\.png stands in an earlier line'):
        datasets.load(str(folder))


def test_a_group_that_is_null_is_none(folder):
    write(folder, {**GOOD, 'group': None}, {**GOOD, 'image': 'b.png'})
    one, other = datasets.load(str(folder)).records
    assert one.questions[0].group == other.questions[0].group != 'None'
    write(folder, {**GOOD, 'group': 0})
    assert datasets.load(str(folder)).records[0].questions[0].group == '0'


def test_a_folder_is_known_by_its_own_name_and_a_plus_is_part_of_it(folder, monkeypatch):
    write(folder, GOOD)
    monkeypatch.chdir(folder)
    assert datasets.load('.').name == folder.name
    both = folder / 'red + blue'
    both.mkdir()
    shutil.copy(folder / 'a.png', both)
    shutil.copy(folder / 'questions.jsonl', both)
    assert datasets.load('red + blue').name == both.name
    monkeypatch.setenv('HOME', str(folder))
    assert datasets.load('~/red + blue').name == both.name
    monkeypatch.chdir(both)
    assert datasets.load('..').name == datasets.name_of('..') == folder.name
    assert datasets.name_of('tabletop') == 'tabletop'


@pytest.mark.parametrize('broken', [
    {'things': None}, {'things': [{}]}, {'width': 0}, {'height': 'high'}, {'things': [7]},
    {'things': [{**TRUTH['things'][0], 'box': [1, 2]}]}, {'things': [thing('red', 'abcd')]},
    {'things': [thing('red', [0, 0, 1, 1], visible='much')]}, {'width': -16},
    {'things': [thing('red', [6, 2, -4, 4])]}, {'things': [thing('red', [0, 0, 1, 1e999])]}])
def test_a_broken_truth_is_refused_by_file_and_line(folder, broken):
    write(folder, GOOD, {**GOOD, 'image': 'b.png'})
    write(folder, {**TRUTH, 'image': 'b.png'}, {**TRUTH, **broken}, name='truth.jsonl')
    with pytest.raises(DatasetError, match=r'truth\.jsonl:2: not the truth of a picture') as e:
        datasets.load(str(folder))
    assert '\n' not in str(e.value)


@pytest.mark.parametrize('broken', [{'thing': 3}, {'thing': -1}, {'thing': 'red'}, {'stop': 4},
                                    {'stop': 1}, {'start': None, 'stop': None}, {'start': 1.0},
                                    {'stop': 3.0}, {'thing': 1.0}, {'start': True},
                                    {'named': 'no'}, {'named': 1}])
def test_phrases_that_do_not_fit_the_truth_are_refused_by_file_and_line(folder, broken):
    phrase = {key: value for key, value in {**PHRASES[0], **broken}.items() if value is not None}
    write(folder, GOOD, {**GOOD, 'phrases': [phrase]})
    write(folder, TRUTH, name='truth.jsonl')
    with pytest.raises(DatasetError, match=r'questions\.jsonl:2: phrases do not fit'):
        datasets.load(str(folder))


def test_a_limit_takes_the_first_images_with_all_that_is_said_of_them(folder):
    write(folder, GOOD, {**GOOD, 'question': 'what is it?'}, {**GOOD, 'image': 'b.png'})
    write(folder, {'image': 'a.png', 'caption': 'one'}, {'image': 'a.png', 'caption': 'two'},
          {'image': 'b.png', 'caption': 'three'}, name='captions.jsonl')
    write(folder, TRUTH, {**TRUTH, 'image': 'b.png'}, name='truth.jsonl')
    record, = load(folder, 1).records
    assert (len(record.questions), record.captions) == (2, ('one', 'two'))
    assert record.regions
    assert len(load(folder, 2).records) == len(load(folder).records) == 2


@pytest.mark.parametrize('limit', [2, 9, None])
def test_a_picture_of_which_nothing_is_asked_takes_nothing_from_the_others(folder, limit):
    cv2.imwrite(str(folder / 'c.png'), np.zeros((8, 8, 3), np.uint8))
    phrases = {'phrases': PHRASES}
    write(folder, {**GOOD, **phrases}, {**GOOD, **phrases, 'image': 'c.png'})
    write(folder, *({'image': f'{name}.png', 'caption': f'picture {name}'} for name in 'abc'),
          name='captions.jsonl')
    write(folder, *({**TRUTH, 'image': f'{name}.png'} for name in 'abc'), name='truth.jsonl')
    records = load(folder, limit).records
    assert [(r.image.name, r.captions) for r in records] == [
        ('a.png', ('picture a',)), ('c.png', ('picture c',))]
    assert all(r.regions and r.questions[0].phrases for r in records)


@pytest.mark.parametrize('text', ['is it  red?', 'is it "red"?', 'is it, red?', 'Is it “red”'])
def test_a_contradiction_is_found_however_it_is_typed(folder, text):
    write(folder, GOOD, {**GOOD, 'question': text, 'answer': 'no'})
    with pytest.raises(DatasetError, match="answered 'no' here and 'yes' in line 1"):
        load(folder)
    write(folder, {**GOOD, 'question': 'is it 1.5?'},
          {**GOOD, 'question': 'is it 15?', 'answer': 'no'})
    assert len(load(folder).records[0].questions) == 2


@pytest.mark.parametrize(('line', 'said'), [
    ('[' * 200_000, ':2: not JSON'),
    ('{"image": "a.png", "question": "is it \\ud83d red?", "answer": "yes", "split": "test"}',
     ':2: half a pair of surrogates')])
def test_what_json_takes_and_nobody_can_use_is_named(folder, line, said):
    write(folder, GOOD, line)
    with pytest.raises(DatasetError, match=re.escape(said)):
        load(folder)


def test_blanks_around_an_answer_are_not_part_of_it(folder):
    write(folder, {**GOOD, 'answer': ' yes\n'})
    assert load(folder).records[0].questions[0].answer == 'yes'
