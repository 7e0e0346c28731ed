"""The shipped default model on scenes drawn here: it is what its card says that it is."""

from importlib.util import find_spec

import pytest

from latent_vqa_ros import backends, datasets
from latent_vqa_ros.core import bundle as bundles
from latent_vqa_ros.core.models import DEFAULT_MODEL, find_model
from latent_vqa_ros.evaluation import evaluate

pytestmark = pytest.mark.skipif(  # not importorskip: the renderer is chosen before the import
    find_spec('mujoco') is None, reason='needs MuJoCo: pip install mujoco')
SCENES = 60
WORLDS = ('tabletop', 'tabletop_wide')


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
    assert report['n'] > 9 * SCENES
    # three standard deviations of 600 answers at 90 %
    assert report['accuracy'] == pytest.approx(metrics[f'{world}/test']['accuracy'], abs=0.037)
    assert report['accuracy'] > report['blind_accuracy'] + 0.4
    assert report['unfamiliar'] < 0.1  # 3 % of the whole split


def test_it_looks_at_what_is_named(world, report, metrics):
    # 270 phrases of 60 scenes: in one scene that is hard to see all miss
    assert report['pointing']['accuracy'] == pytest.approx(
        metrics[f'{world}/test']['pointing']['accuracy'], abs=0.06)


def test_the_card_names_what_nobody_drew_and_its_licence():
    bundle = bundles.load(find_model(DEFAULT_MODEL))
    assert bundle.manifest.training['sources'] == datasets.sources('tabletop_wide')
    assert 'robosuite 1.5.2 (MIT)' in (bundle.path / 'README.md').read_text('utf-8')


def test_the_card_has_every_split_and_int8_costs_next_to_nothing(metrics):
    assert {'tabletop_wide/test', *(f'tabletop/{split}' for split in (
        'test', 'compositional', 'shifted', 'wordings'))} < set(metrics)
    assert metrics['float']['accuracy'] - metrics['int8']['accuracy'] < 0.005
    assert metrics['tabletop/test']['accuracy'] - metrics['tabletop/wordings']['accuracy'] < 0.02
