import json

import pytest
from helpers import needs

from latent_vqa_ros import datasets
from latent_vqa_ros.datasets import folder, tabletop
from latent_vqa_ros.datasets.record import SPLITS, DatasetError
from latent_vqa_ros.simulation import dataset
from latent_vqa_ros.simulation.version import SPOKEN_VERSION, VERSIONS

LIMIT = 2
CUBE = {'image': 'a.png', 'question': 'is there a cube', 'answer': 'yes', 'split': 'val'}


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    """Draw into a cache of its own, without starting processes; return what was loaded of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        patch.setattr('os.cpu_count', lambda: 1)
        asked = []
        patch.setattr(dataset, 'ask_spoken', lambda out, *rest, ask=dataset.ask_spoken:
                      (asked.append(out.name), ask(out, *rest))[1])
        plain = datasets.load('tabletop', SPLITS, LIMIT)
        before = {path.name for path in tabletop.cache().glob('*/*')}
        found = [datasets.load('tabletop_spoken', limit=LIMIT) for _ in range(2)]
        files = {split: (tabletop.cache() / f'{split}-{LIMIT}' / tabletop.SPOKEN_FILE).read_text()
                 for split in SPLITS}
        yield plain, found, files, asked, before


@needs.mujoco
def test_the_same_pictures_are_asked_as_people_speak_too(drawn):
    plain, (spoken, _), _, _, before = drawn
    assert spoken.name == 'tabletop_spoken'
    assert spoken.blind == plain.blind == 'val'
    assert tabletop.SPOKEN_FILE not in before  # nobody else asks so
    asked = [record for record in spoken.records if record.split in SPLITS]
    assert len(asked) == len(plain.records) == len(SPLITS) * LIMIT
    for one, other in zip(asked, plain.records, strict=True):
        known, further = (one.questions[:len(other.questions)],
                          one.questions[len(other.questions):])
        assert known == other.questions
        assert 0 < len(further) <= tabletop.SPOKEN_QUESTIONS
        assert all(question.group.startswith('spoken_') for question in further)
        assert not [question for question in known if question.group.startswith('spoken_')]
        assert (one.image, one.split, one.captions, one.regions, one.told) == (
            other.image, other.split, other.captions, other.regions, other.told)


@needs.mujoco
def test_its_further_splits_are_those_of_the_plain_world(drawn):
    further, spoken = set(tabletop.SPLITS) - set(SPLITS), drawn[1][0]
    plain = datasets.load('tabletop', further, LIMIT)
    assert {record.split for record in spoken.records} == {*further, *SPLITS}
    assert further == {'compositional', 'shifted', 'wordings'}
    for name in further:
        assert len(spoken.split(name)) == LIMIT
        assert spoken.split(name) == plain.split(name)
        assert not (tabletop.cache() / f'{name}-{LIMIT}' / tabletop.SPOKEN_FILE).exists()


@needs.mujoco
def test_a_split_that_it_has_not_is_told_with_those_that_it_has():
    with pytest.raises(DatasetError, match="tabletop_wide_spoken has no split 'wordings'; it has: "
                                           'train, val, test$'):
        datasets.load('tabletop_wide_spoken', ('wordings',), LIMIT)


@needs.mujoco
def test_it_is_asked_once(drawn):
    _, (first, second), files, asked, _ = drawn
    assert asked == [f'{split}-{LIMIT}' for split in SPLITS]
    assert first == second
    assert all(files.values())
    assert len(set(files.values())) == len(SPLITS)


@needs.mujoco
def test_the_first_scenes_of_more_are_asked_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr('os.cpu_count', lambda: 1)
    more = tabletop.ready('val', LIMIT + 2)
    dataset.ask_spoken(more, more / 'more', 3, lambda _: None)
    truth = more / 'truth.jsonl'
    lines = truth.read_text().splitlines(keepends=True)
    truth.write_text(''.join(lines[:LIMIT]))
    dataset.ask_spoken(more, more / 'few', 3, lambda _: None)
    few, all_ = (more / 'few').read_text(), (more / 'more').read_text()
    assert all_.startswith(few)
    assert len(few.splitlines()) == 3 * LIMIT < len(all_.splitlines())
    assert {path.name for path in more.iterdir()} == {
        'few', 'more', 'images', 'dataset.json', *(f'{name}.jsonl' for name in (
            'truth', 'questions', 'captions'))}  # nothing half written is left


def test_its_version_is_that_of_the_scenes_and_that_of_the_questions():
    for name, world in (('tabletop_spoken', 'workcell'), ('tabletop_wide_spoken', 'wide')):
        assert datasets.version(name) == 1000 * VERSIONS[world] + SPOKEN_VERSION
    assert datasets.version('tabletop') == VERSIONS['workcell']
    assert f'spoken-{SPOKEN_VERSION}.jsonl' == tabletop.SPOKEN_FILE


def written(path, **files):
    for image in 'abc':
        (path / f'{image}.png').touch()
    for name, lines in files.items():
        (path / f'{name}.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    return path


def of(image, question='what do you see', answer='mug'):
    return {**CUBE, 'image': f'{image}.png', 'question': question, 'answer': answer}


def texts(found):
    return {each.image.stem: [question.text for question in each.questions]
            for each in found.records}


def test_a_further_file_asks_more_about_the_same_pictures(tmp_path):
    path = written(tmp_path, questions=[of('a', '1'), of('b', '2'), of('c', '3')],
                   more=[of('a', '4'), of('b', '5'), of('b', '6'), of('c', '7')])
    assert texts(folder.load(path)) == {'a': ['1'], 'b': ['2'], 'c': ['3']}
    assert texts(folder.load(path, more='more.jsonl')) == {
        'a': ['1', '4'], 'b': ['2', '5', '6'], 'c': ['3', '7']}
    assert texts(folder.load(path, 2, 'more.jsonl')) == {'a': ['1', '4'], 'b': ['2', '5', '6']}


def test_a_picture_that_only_the_further_file_asks_about_does_not_end_it(tmp_path):
    path = written(tmp_path, questions=[of('a', '1'), of('c', '3')],
                   more=[of('a', '4'), of('b', '5'), of('c', '6')])
    for limit in (2, None):
        assert texts(folder.load(path, limit, 'more.jsonl')) == {'a': ['1', '4'], 'c': ['3', '6']}


def test_opposite_answers_in_the_further_file_are_refused_with_their_lines(tmp_path):
    path = written(tmp_path, questions=[CUBE], more=[of('a'), of('a', answer='ball')])
    with pytest.raises(DatasetError, match=r'more\.jsonl:2'):
        folder.load(path, more='more.jsonl')
