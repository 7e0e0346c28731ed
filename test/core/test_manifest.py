"""A manifest of schema 2 says all that the runtime needs; schema 1 is read as if it did."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from helpers import fake_bundle

from latent_vqa_ros.core import bundle
from latent_vqa_ros.core.config import ConfigError, PreprocessConfig
from latent_vqa_ros.core.manifest import (
    ANSWERER,
    FEATURES,
    IMAGE_ENCODER,
    FileEntry,
    GraphEntry,
    Manifest,
    from_document,
)
from latent_vqa_ros.core.models import find_model

OLD = Path(__file__).parents[1] / 'data' / 'schema_1' / 'manifest.yaml'
GROUPS = {'block4_mean': 1, 'block4_grid': 16}


@pytest.fixture
def document(tmp_path):
    """Return the document of a bundle of schema 2."""
    folder = fake_bundle.write_looking(tmp_path / 'fake')
    return yaml.safe_load((folder / bundle.MANIFEST).read_text())


def test_schema_1_is_read_and_written_as_schema_2():
    old = yaml.safe_load(OLD.read_text())
    manifest = bundle.parse_manifest(OLD.read_bytes(), 'old')
    assert manifest.architecture == old['model']
    assert manifest.max_tokens == manifest.tokenizer.max_tokens == 12
    assert manifest.graphs[IMAGE_ENCODER] == GraphEntry(('image',), ('features', 'distance'))
    assert manifest.graphs[ANSWERER] == GraphEntry(('features', 'tokens'), ('logits', 'attention'))
    assert (manifest.answers, manifest.temperature) == (('blue', 'no', 'red', 'yes'), 1.25)
    new = manifest.to_yaml()
    assert new.startswith('schema: 2\nkind: vqa\n')
    assert bundle.parse_manifest(new.encode(), 'new') == manifest


@pytest.mark.parametrize('name', ['easy_vqa', 'tabletop'])
def test_the_shipped_bundles_have_schema_2(name):
    shipped = find_model(name) / bundle.MANIFEST
    assert yaml.safe_load(shipped.read_text())['schema'] == 2


@pytest.mark.parametrize('model', [None, 'wide', [1]])
def test_schema_1_without_its_model_is_refused(model):
    with pytest.raises(ConfigError, match='model: expected a mapping'):
        from_document(yaml.safe_load(OLD.read_text()) | {'model': model})


def test_an_architecture_that_nobody_here_knows_is_no_obstacle(document):
    strange = {'tower': {'kind': 'efficientnet_lite0', 'frozen': True}, 'layers': [1, 2]}
    manifest = from_document(document | {'architecture': strange})
    assert manifest.architecture == strange
    assert from_document(yaml.safe_load(manifest.to_yaml())) == manifest


def test_further_outputs_and_further_graphs_are_no_obstacle(document):
    document['graphs'][ANSWERER]['outputs'].append('certainty')
    document['graphs']['speech.onnx'] = {'inputs': ['sound'], 'outputs': ['words']}
    document['files']['speech.onnx'] = {'bytes': 1, 'sha256': '1a'}
    assert 'certainty' in from_document(document).graphs[ANSWERER].outputs


@pytest.mark.parametrize('change', [
    lambda d: d.update(schema=3), lambda d: d.update(schema='2'), lambda d: d.update(schema=True),
    lambda d: d.pop('schema'), lambda d: d.update(kind='speech'), lambda d: d.pop('kind'),
    lambda d: d.update(kind=['vqa']), lambda d: d.update(surprise=1),
    lambda d: d['preprocess'].update(rotate=90), lambda d: d['evidence'].update(heads=2),
    lambda d: d['graphs'][ANSWERER].update(batch=1), lambda d: d['files'][ANSWERER].update(url=1),
    lambda d: d['graphs'][ANSWERER]['inputs'].append('history'),
    lambda d: d['graphs'][IMAGE_ENCODER].update(inputs=['image_nchw']),
])
def test_everything_else_that_is_unknown_asks_for_an_update(document, change):
    change(document)
    with pytest.raises(ConfigError, match='update latent_vqa_ros$') as caught:
        from_document(document)
    assert '\n' not in str(caught.value)


def test_a_bundle_of_features_has_groups_of_vectors_and_nothing_to_do_with_questions():
    made = Manifest(
        'lite0', '1', 'Apache-2.0', PreprocessConfig(160, 160), kind=FEATURES,
        graphs={IMAGE_ENCODER: GraphEntry(('image',), tuple(GROUPS))},
        files={IMAGE_ENCODER: FileEntry(1, '1a')})
    text = made.to_yaml()
    assert 'vocabulary' not in text
    assert 'temperature' not in text
    assert bundle.parse_manifest(text.encode(), 'again') == made
    assert made.groups == tuple(GROUPS)


@pytest.mark.parametrize(('change', 'said'), [
    (lambda d: d.update(vocabulary=['red']), 'kind features has no vocabulary'),
    (lambda d: d.update(temperature=2.0), 'kind features has no temperature'),
    (lambda d: d['graphs'].update({ANSWERER: {'inputs': [], 'outputs': []}}), 'alone'),
    (lambda d: d['graphs'][IMAGE_ENCODER].update(outputs=[]), 'an output for each group'),
    (lambda d: d['graphs'][IMAGE_ENCODER].update(inputs=['image', 'box']), 'the one input image'),
    (lambda d: d['graphs'][IMAGE_ENCODER].update(outputs=[f'g{i}' for i in range(65)]), 'than 64'),
])
def test_a_wrong_bundle_of_features_is_refused_by_what_is_wrong(tmp_path, change, said):
    folder = fake_bundle.write_features(tmp_path / 'f')
    document = yaml.safe_load((folder / bundle.MANIFEST).read_text())
    change(document)
    document['files'][ANSWERER] = {'bytes': 1, 'sha256': '1a'}
    with pytest.raises(ConfigError, match=said):
        from_document(document)


def test_what_is_written_names_every_field_of_a_bundle_that_answers(document):
    manifest = from_document(document)
    written = yaml.safe_load(replace(manifest, max_distance=None).to_yaml())
    assert set(written) == {'schema', *Manifest.__dataclass_fields__}
