"""The shipped default model on scenes drawn here: it is what its card says that it is."""


import pytest
from helpers import needs

from latent_vqa_ros import backends, datasets
from latent_vqa_ros.core import bundle as bundles
from latent_vqa_ros.core.models import DEFAULT_MODEL, find_model
from latent_vqa_ros.evaluation import evaluate

pytestmark = needs.mujoco
SCENES = 60
WORLDS = ('tabletop_spoken', 'tabletop_wide_spoken')


@pytest.fixture(scope='module', params=WORLDS)
def world(request):
    return request.param


@pytest.fixture(scope='module')
def report(world, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        data = datasets.load(world, ('test',), SCENES)
    bundle = bundles.load(find_model(DEFAULT_MODEL))
    records = data.split('test')
    found = evaluate.predict(backends.load(bundle), bundle.manifest, records)
    return evaluate.report(found, bundle.manifest, records, data.split('val'), world, 'test')


@pytest.fixture(scope='module')
def metrics():
    return bundles.load(find_model(DEFAULT_MODEL)).manifest.metrics


def test_it_answers_as_often_right_as_its_card_says(world, report, metrics):
    assert report['n'] > 16 * SCENES
    # three standard deviations of 600 answers at 90 %; those about one scene fail together
    assert report['accuracy'] == pytest.approx(metrics[f'{world}/test']['accuracy'], abs=0.037)
    assert report['accuracy'] > report['blind_accuracy'] + 0.4
    assert report['unfamiliar'] < 0.1  # 3 % of the whole split


def test_it_looks_at_what_is_named(world, report, metrics):
    # 270 phrases of 60 scenes: in one scene that is hard to see all miss
    assert report['pointing']['accuracy'] == pytest.approx(
        metrics[f'{world}/test']['pointing']['accuracy'], abs=0.06)


def test_the_card_names_what_nobody_drew_and_its_licence():
    bundle = bundles.load(find_model(DEFAULT_MODEL))
    assert bundle.manifest.training['sources'] == datasets.sources('tabletop_wide_spoken')
    assert 'robosuite 1.5.2 (MIT)' in (bundle.path / 'README.md').read_text('utf-8')


def test_the_card_has_every_split_and_int8_costs_next_to_nothing(metrics):
    assert {'tabletop_wide_spoken/test', *(f'tabletop_spoken/{split}' for split in (
        'test', 'compositional', 'shifted', 'wordings'))} < set(metrics)
    assert metrics['float']['accuracy'] - metrics['int8']['accuracy'] < 0.005
