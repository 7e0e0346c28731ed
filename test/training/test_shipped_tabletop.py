"""The shipped default model on scenes drawn here: it is what its card says that it is."""

from importlib.util import find_spec

import pytest

from latent_vqa_ros import backends, datasets
from latent_vqa_ros.core import bundle as bundles
from latent_vqa_ros.core.models import DEFAULT_MODEL, find_model
from latent_vqa_ros.evaluation import evaluate

pytestmark = pytest.mark.skipif(  # not importorskip: the renderer is chosen before the import
    find_spec('mujoco') is None, reason='needs MuJoCo: pip install mujoco')
SCENES = 100


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        data = datasets.load('tabletop', ('test',), SCENES)
    bundle = bundles.load(find_model(DEFAULT_MODEL))
    records = data.split('test')
    found = evaluate.predict(backends.load(bundle), bundle.manifest, records)
    return evaluate.report(found, bundle.manifest, records, data.split('val'), 'tabletop', 'test')


@pytest.fixture(scope='module')
def metrics():
    return bundles.load(find_model(DEFAULT_MODEL)).manifest.metrics


def test_it_answers_as_often_right_as_its_card_says(report, metrics):
    assert report['n'] == 10 * SCENES
    # three standard deviations of 1,000 answers at 96 %
    assert report['accuracy'] == pytest.approx(metrics['int8']['accuracy'], abs=0.02)
    assert report['accuracy'] > report['blind_accuracy'] + 0.4


def test_it_looks_at_what_is_named(report, metrics):
    assert metrics['int8']['pointing']['accuracy'] > 0.95
    assert report['pointing']['accuracy'] > 0.95


def test_the_card_has_every_split_and_int8_costs_next_to_nothing(metrics):
    assert {'compositional', 'shifted', 'wordings'} < set(metrics)
    assert metrics['float']['accuracy'] - metrics['int8']['accuracy'] < 0.003
    assert metrics['int8']['ece'] < 0.01
    assert metrics['int8']['accuracy'] - metrics['wordings']['accuracy'] < 0.02
