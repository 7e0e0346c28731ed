"""Questions of somebody who had seen no wording of the training (test/data/strangers)."""

from pathlib import Path

import pytest

from latent_vqa_ros import backends, datasets
from latent_vqa_ros.core import bundle as bundles
from latent_vqa_ros.core.models import DEFAULT_MODEL, find_model
from latent_vqa_ros.core.reading import Reader
from latent_vqa_ros.datasets.record import questions_of
from latent_vqa_ros.datasets.trainable import askable
from latent_vqa_ros.evaluation import evaluate

FOLDER = Path(__file__).parents[1] / 'data' / 'strangers'


@pytest.fixture(scope='module')
def bundle():
    return bundles.load(find_model(DEFAULT_MODEL))


@pytest.fixture(scope='module')
def asked(bundle):
    """Return all records, and those with the questions that the model takes."""
    data = datasets.load(str(FOLDER))
    kept = askable(data, bundle.manifest.tokenizer, Reader(bundle.manifest))
    return data.split('test'), kept.split('test')


def test_most_of_a_strangers_questions_can_be_asked(asked):
    every, taken = (list(questions_of(records)) for records in asked)
    assert (len(every), len(asked[0])) == (200, 40)
    assert len(taken) == 148  # as README and docs/performance.md say


def test_most_answers_to_a_stranger_are_right_as_the_documents_say(bundle, asked):
    found = evaluate.predict(backends.load(bundle), bundle.manifest, asked[1])
    report = evaluate.report(found, bundle.manifest, asked[1], [], 'strangers', 'test')
    assert report['accuracy'] == pytest.approx(0.851, abs=0.001)  # 126 of 148
