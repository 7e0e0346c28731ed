"""Questions of somebody who had seen no wording of the training (test/data/strangers)."""

from pathlib import Path

import pytest
from performance.strangers import count

from latent_vqa_ros import backends, datasets
from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.core import bundle as bundles
from latent_vqa_ros.core.models import DEFAULT_MODEL, find_model
from latent_vqa_ros.core.reading import Reader
from latent_vqa_ros.datasets.record import questions_of
from latent_vqa_ros.datasets.trainable import askable
from latent_vqa_ros.evaluation import evaluate

DATA = Path(__file__).parents[1] / 'data'
# folder -> questions that can be asked, right of them; as README and docs/performance.md say
FIGURES = {'strangers': (166, 148), 'strangers_2': (122, 106)}


@pytest.fixture(scope='module')
def bundle():
    return bundles.load(find_model(DEFAULT_MODEL))


@pytest.fixture(scope='module', params=FIGURES)
def asked(request, bundle):
    """Return the folder, all its records, and those with the questions that the model takes."""
    data = datasets.load(str(DATA / request.param))
    kept = askable(data, bundle.manifest.tokenizer, Reader(bundle.manifest))
    return request.param, data.split('test'), kept.split('test')


def test_most_of_a_strangers_questions_can_be_asked(asked):
    folder, every, taken = asked
    assert (len(list(questions_of(every))), len(every)) == (200, 40)
    assert len(list(questions_of(taken))) == FIGURES[folder][0]


def test_most_answers_to_a_stranger_are_right_as_the_documents_say(bundle, asked):
    folder, _, taken = asked
    found = evaluate.predict(backends.load(bundle), bundle.manifest, taken)
    assert int(found.right.sum()) == FIGURES[folder][1]


@pytest.mark.parametrize(('folder', 'answered', 'right', 'sure', 'sure_right'), [
    ('strangers', 157, 145, 122, 121), ('strangers_2', 116, 105, 90, 87)])
def test_a_node_answers_as_many_as_the_documents_say(
        bundle, folder, answered, right, sure, sure_right):
    found = count(open_pipeline(str(bundle.path), num_threads=1),
                  DATA / folder / 'questions.jsonl', None)
    assert found['asked'] == 200
    assert (found['ok'], found['right']) == (answered, right)
    assert (found['sure'], found['sure_right']) == (sure, sure_right)
