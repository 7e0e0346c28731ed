"""The datasheet: made by a command, and the committed one is that of the data as it is."""

import json
import re
import shutil
from pathlib import Path

import cv2
import pytest

from latent_vqa_ros.cli import main as cli
from latent_vqa_ros.datasets import tabletop
from latent_vqa_ros.simulation import datasheet
from latent_vqa_ros.simulation.survey import survey
from latent_vqa_ros.simulation.world.scenes import HELD_OUT
from latent_vqa_ros.simulation.world.wide.sources import Sources

DOCS = Path(__file__).parents[2] / 'docs'
SCENES = 5


def cells(text, title):
    """Return the cells of a table's row."""
    return re.search(rf'^\| {title} \|(.*)\|$', text, re.MULTILINE)[1].split('|')


def numbers(text, title):
    return [int(cell.replace(',', '')) for cell in cells(text, title)]


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """The command's document and folder, from splits of five scenes."""
    place = tmp_path_factory.mktemp('datasheet')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(place))
        patch.setattr('os.cpu_count', lambda: 1)
        out = place / 'docs'
        assert cli.main(['simulate', 'datasheet', str(out), '--scenes', str(SCENES)]) == 0
        return out, {name: tabletop.cache() / f'{name}-{SCENES}'
                     for name in tabletop.SPLITS}


def test_the_counts_are_those_of_the_files(made):
    out, folders = made
    text = (out / 'datasheet.md').read_text('utf-8')
    truths = {name: [json.loads(line) for line in (folder / 'truth.jsonl').open()]
              for name, folder in folders.items()}
    asked = [sum(1 for _ in (folder / 'questions.jsonl').open()) for folder in folders.values()]
    assert numbers(text, 'scenes') == [SCENES] * len(tabletop.SPLITS)
    assert numbers(text, 'questions') == asked
    assert numbers(text, 'objects') == [sum(len(scene['things']) for scene in scenes)
                                        for scenes in truths.values()]
    assert [cell.strip() for cell in cells(text, 'gripper seen')] == [
        f'{sum(scene["gripper_visible"] for scene in scenes) / SCENES:.1%}'
        for scenes in truths.values()]
    for title, is_so in (('red', lambda thing: thing['color'] == 'red'),
                         ('on another thing', lambda thing: thing['on_top_of'] is not None)):
        shares = [[is_so(thing) for scene in scenes for thing in scene['things']]
                  for scenes in truths.values()]
        assert [cell.strip() for cell in cells(text, title)] == [
            f'{sum(share) / len(share):.1%}' for share in shares]


def test_groups_count_their_answers(made):
    out, folders = made
    lines = [json.loads(line) for line in (folders['test'] / 'questions.jsonl').open()]
    text = (out / 'datasheet.md').read_text('utf-8')
    for group in {line['group'] for line in lines}:
        found = [line for line in lines if line['group'] == group]
        answers = [line['answer'] for line in found]
        row = [cell.strip() for cell in cells(text, group)]
        assert row[1:3] == [str(len(found)), str(len(set(answers)))]
        assert row[4] == f'{max(map(answers.count, answers)) / len(answers):.1%}'
        guessed = [line['shortcut'] == line['answer'] for line in found if 'shortcut' in line]
        assert row[5] == (f'{sum(guessed) / len(found):.1%}' if len(guessed) == len(found) else '')


def test_a_limit_takes_the_first_scenes(made):
    folder = made[1]['train']
    few, all_ = survey(folder, 2), survey(folder)
    assert (few.scenes['all'], all_.scenes['all']) == (2, SCENES)
    assert 0 < few.questions < all_.questions
    assert 0 < few.captions < all_.captions


def test_only_compositional_shows_the_held_out_pairs(made):
    shown = [cell.strip() for cell in cells((made[0] / 'datasheet.md').read_text('utf-8'),
                                            'held-out pairs shown')]
    at = list(tabletop.SPLITS).index('compositional')
    assert {shown[i] for i in range(len(shown)) if i != at} == {'0 of 6'}
    assert shown[at] != '0 of 6'


def test_each_sheet_shows_the_first_pictures(made):
    out, folders = made
    for name in datasheet.SHOWN['workcell']:
        picture = cv2.imread(str(out / datasheet.picture_name(name)))
        assert picture.shape == (datasheet.ROWS * (datasheet.SIDE + datasheet.BELOW),
                                 datasheet.COLUMNS * datasheet.SIDE, 3)
        last = json.loads((folders[name] / 'truth.jsonl').read_text().splitlines()[-1])['image']
        wanted = cv2.resize(datasheet.read_bgr(folders[name] / last), (232, 232))
        row, column = divmod(SCENES - 1, datasheet.COLUMNS)
        y, x = row * (datasheet.SIDE + datasheet.BELOW) + 4, column * datasheet.SIDE + 4
        first = picture[4:4 + 232, 4:4 + 232]
        difference = cv2.absdiff(picture[y:y + 232, x:x + 232], wanted).mean()
        # what JPEG leaves of a noisy picture, against another picture of the same table
        assert difference < 5 < cv2.absdiff(first, wanted).mean()
        below = picture[y + 236:y + 290, x:x + 232]
        assert (below < 100).any()


def test_a_picture_of_which_nothing_is_asked_is_shown_without_a_question(made, tmp_path):
    folder = shutil.copytree(made[1]['val'], tmp_path / 'val')
    path = folder / 'questions.jsonl'
    lines = path.read_text().splitlines(keepends=True)
    first = json.loads(lines[0])['image']
    path.write_text(''.join(line for line in lines if json.loads(line)['image'] != first))
    sheet = datasheet.sheet(folder)
    height, width = datasheet.SIDE + datasheet.BELOW, datasheet.SIDE
    assert sheet[:datasheet.SIDE, :width].std() > 10
    assert (sheet[datasheet.SIDE:height, :width] == 255).all()
    assert (sheet[datasheet.SIDE:height, width:2 * width] < 100).any()


def test_the_committed_datasheet_is_of_these_splits():
    text = (DOCS / 'datasheet.md').read_text('utf-8')
    assert [cell.strip() for cell in re.search(r'^\|  \|(.*)\|$', text, re.MULTILINE)[1].split('|')
            ] == list(tabletop.SPLITS)
    assert numbers(text, 'scenes') == [scenes for _, _, scenes in tabletop.SPLITS.values()]
    assert f'version {tabletop.VERSIONS["workcell"]} of the data' in text
    assert f'{tabletop.SIZE}x{tabletop.SIZE} pixels' in text
    assert all(f'{color} {shape}' in text for color, shape in HELD_OUT)
    pictures = re.findall(r'!\[.*\]\((.*)\)', text)
    assert pictures == [datasheet.picture_name(name) for name in datasheet.SHOWN['workcell']]
    assert all(10_000 < (DOCS / name).stat().st_size < 300_000 for name in pictures)


def test_the_committed_wide_datasheet_is_of_its_splits_and_names_its_sources():
    text = (DOCS / 'datasheet_wide.md').read_text('utf-8')
    assert [cell.strip() for cell in re.search(r'^\|  \|(.*)\|$', text, re.MULTILINE)[1].split('|')
            ] == list(tabletop.WIDE_SPLITS)
    assert f'version {tabletop.VERSIONS["wide"]} of the data' in text
    assert all(f'{source["name"]} ({source["licence"]})' in text for source in Sources().listed())
    assert [cell.strip() for cell in cells(text, 'held-out pairs shown')] == ['0 of 6'] * 3
    pictures = re.findall(r'!\[.*\]\((.*)\)', text)
    assert pictures == [datasheet.picture_name(name, 'wide') for name in datasheet.SHOWN['wide']]
    assert all(10_000 < (DOCS / name).stat().st_size < 300_000 for name in pictures)


def test_the_wide_sheet_shows_pictures_in_their_own_shape(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr('os.cpu_count', lambda: 1)
    assert cli.main(['simulate', 'datasheet', str(tmp_path), '--world', 'wide', '--scenes',
                     '3']) == 0
    text = (tmp_path / 'datasheet_wide.md').read_text('utf-8')
    assert numbers(text, 'scenes') == [3] * 3
    picture = cv2.imread(str(tmp_path / datasheet.picture_name('train', 'wide')))
    folder = tabletop.cache('wide') / 'train-3'
    first = json.loads((folder / 'truth.jsonl').read_text().splitlines()[0])
    scale = 232 / max(first['width'], first['height'])
    width, height = round(first['width'] * scale), round(first['height'] * scale)
    wanted = cv2.resize(datasheet.read_bgr(folder / first['image']), (width, height))
    assert cv2.absdiff(picture[4:4 + height, 4:4 + width], wanted).mean() < 5


def test_the_sheets_are_linked():
    text = (DOCS / 'simulation.md').read_text('utf-8')
    assert '](datasheet.md)' in text
    assert '](datasheet_wide.md)' in text
