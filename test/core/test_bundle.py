import os
import shutil
from datetime import date

import pytest
import yaml

from latent_vqa_ros.core import bundle
from latent_vqa_ros.core.bundle import MANIFEST, BundleError
from latent_vqa_ros.core.manifest import ANSWERER, EvidenceConfig
from latent_vqa_ros.core.models import find_model

MODEL = find_model('easy_vqa')


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / 'model'
    shutil.copytree(MODEL, folder)
    return folder


def rewrite(folder, change):
    document = yaml.safe_load((folder / MANIFEST).read_text('utf-8'))
    change(document)
    (folder / MANIFEST).write_text(yaml.safe_dump(document), 'utf-8')


def refused(folder):
    with pytest.raises(BundleError) as caught:
        bundle.load(folder)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_a_whole_bundle_loads_and_its_manifest_survives_a_round_trip():
    loaded = bundle.load(MODEL)
    again = bundle.parse_manifest(loaded.manifest.to_yaml().encode(), 'again')
    assert again == loaded.manifest
    assert set(loaded.contents) == set(loaded.manifest.files)


def test_one_flipped_bit_is_refused_by_the_name_of_its_file(copy):
    data = bytearray((copy / ANSWERER).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / ANSWERER).write_bytes(data)
    message = refused(copy)
    assert ANSWERER in message
    assert 'sha256' in message


@pytest.mark.parametrize('change', [lambda data: data[:-1], lambda data: data + b'x'])
def test_another_length_is_refused(copy, change):
    (copy / ANSWERER).write_bytes(change((copy / ANSWERER).read_bytes()))
    assert ANSWERER in refused(copy)


def test_a_missing_file_is_refused_by_name(copy):
    (copy / ANSWERER).unlink()
    assert f'{ANSWERER}: no such file' in refused(copy)


def test_a_folder_without_manifest_is_no_bundle(tmp_path):
    assert 'is this a bundle folder?' in refused(tmp_path)


@pytest.mark.parametrize(('change', 'said'), [
    (lambda d: d['files'].update({'../evil': {'bytes': 1, 'sha256': 'x'}}), 'plain file name'),
    (lambda d: d['files'].update({'/etc/passwd': {'bytes': 1, 'sha256': 'x'}}), 'plain file name'),
    (lambda d: d['files'].update({'big': {'bytes': 1 << 40, 'sha256': 'x'}}), 'at most'),
    (lambda d: d['files'].update({'neg': {'bytes': -1, 'sha256': 'x'}}), 'at most'),
    (lambda d: d['files'].pop(ANSWERER), f'files: {ANSWERER} is not listed'),
    (lambda d: d['preprocess'].update(height=4), 'preprocess.height'),
    (lambda d: d.update(architecture='wide'), 'architecture: expected a mapping'),
    (lambda d: d.update(max_tokens=3), 'max_tokens: 3 is not from 4 to 256'),
    (lambda d: d.update(max_tokens=True), 'max_tokens: expected a whole number'),
    (lambda d: d.pop('max_tokens'), 'max_tokens'),
    (lambda d: d.pop('graphs'), 'graphs: expected a mapping'),
    (lambda d: d['graphs'].pop(ANSWERER), f'graphs: {ANSWERER} is not listed'),
    (lambda d: d['graphs'].update(more=1), 'graphs.more: expected a mapping'),
    (lambda d: d['graphs'].update({'../x': {}}), 'plain file name'),
    (lambda d: d['graphs'].update({'x.onnx': {'inputs': [], 'outputs': []}}), 'x.onnx is not'),
    (lambda d: d['graphs'][ANSWERER].update(outputs=['attention']), 'logits is not listed'),
    (lambda d: d['graphs'][ANSWERER].update(outputs=['logits'] * 2), 'duplicates'),
    (lambda d: d['graphs'][ANSWERER].update(outputs=None), 'expected a list of strings'),
    (lambda d: d.update(answers=[True, False]), 'quote yes and no'),
    (lambda d: d.update(answers=['yes', 'yes']), 'duplicates'),
    (lambda d: d.update(answers=[]), 'empty'),
    (lambda d: d.update(temperature=0), 'temperature'),
    (lambda d: d.update(temperature='1.0'), 'temperature: expected a number'),
    (lambda d: d.update(min_confidence='0.5'), 'min_confidence: expected a number'),
    (lambda d: d.update(max_distance=float('inf')), 'max_distance: expected a number or null'),
    (lambda d: d.update(temperature=10**400), 'temperature: expected a number'),
    (lambda d: d.update(metrics=None), 'metrics: expected a mapping'),
    (lambda d: d.update(training=[1]), 'training: expected a mapping'),
    (lambda d: d.update(metrics={date(2026, 1, 1): 1}), 'metrics: keys must be str'),
    (lambda d: d['files'][ANSWERER].update(bytes='12'), 'bytes: expected a whole number'),
    (lambda d: d.update(min_confidence=2), 'min_confidence'),
    (lambda d: d.update(surprise=1), 'surprise'),
    (lambda d: d.pop('vocabulary'), 'vocabulary'),
    (lambda d: d.update(unasked=['zebra']), 'unasked: not in the vocabulary: zebra'),
    (lambda d: d.update(unasked=['the', 'the']), 'unasked: has duplicates'),
    (lambda d: d.update(name=5), 'name'),
])
def test_a_wrong_manifest_is_refused_by_what_is_wrong(copy, change, said):
    rewrite(copy, change)
    assert said in refused(copy)


@pytest.mark.parametrize(('text', 'said'), [
    (b'a: &x [1]\nb: *x\n', 'aliases'),
    (b'!!python/object/apply:os.system ["true"]', 'not YAML'),
    *((b'version: ' + value, 'not YAML') for value in (
        b'!!int ""', b'!!float ""', b'!!int "_"', b'!!bool maybe', b'!!timestamp foo',
        b'1' + b':59' * 200 + b'.0')),
    (b'\xff\xfe\x00', 'not YAML'), (b'- 1\n', 'not a mapping'), (b'', 'not a mapping'),
    (b'[' * 200_000, 'too deep'), (b'- ' * 100_000, 'too deep'),
    (b'a: 1' + b':59' * 100_000, 'characters'), (b'x: "' + b'y' * (1 << 20) + b'"', 'larger than'),
])
def test_hostile_yaml_is_refused(copy, text, said):
    (copy / MANIFEST).write_bytes(text)
    assert said in refused(copy)


def test_an_unknown_name_says_where_was_looked():
    with pytest.raises(BundleError, match='no_such_model.*models'):
        find_model('no_such_model')


def with_evidence(**changes):
    def change(d):
        d.update(evidence={'grid': [8, 4], 'words': ['red', 'circle']} | changes)
        d['graphs'][ANSWERER].update(outputs=['logits', 'attention'])
    return change


def test_evidence_is_read_and_survives_a_round_trip_and_is_written_only_where_there_is_some(copy):
    rewrite(copy, lambda d: d.pop('evidence', None))
    without = bundle.load(copy).manifest
    assert without.evidence is None
    assert 'evidence' not in yaml.safe_load(without.to_yaml())
    rewrite(copy, with_evidence())
    manifest = bundle.load(copy).manifest
    assert manifest.evidence == EvidenceConfig((8, 4), ('red', 'circle'))
    assert bundle.parse_manifest(manifest.to_yaml().encode(), 'again') == manifest


@pytest.mark.parametrize(('change', 'said'), [
    (lambda d: d.update(evidence=True), 'evidence: expected a mapping'),
    (lambda d: d.update(evidence={'grid': [8, 4]}), "'words'"),
    (with_evidence(more=1), 'evidence: unknown more'),
    *((with_evidence(grid=grid), 'evidence.grid') for grid in
      (8, [8], [8, 0], [8, 4, 2], [8, True], [8, 4.0], [1 << 20, 1], 'ab')),
    *((with_evidence(words=words), 'evidence.words') for words in
      ('red', [], ['red', 'unheard'], [['red']], None)),
])
def test_wrong_evidence_is_refused_by_what_is_wrong(copy, change, said):
    rewrite(copy, change)
    assert said in refused(copy)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(copy):
    (copy / ANSWERER).unlink()
    os.mkfifo(copy / ANSWERER)
    assert refused(copy).endswith(f'{ANSWERER}: not a file')


def test_files_that_are_too_much_together_are_refused_unread(copy):
    def many(document):
        for number in range(3):
            document['files'][f'{number}.bin'] = {'bytes': 1 << 28, 'sha256': '0' * 64}

    rewrite(copy, many)
    assert 'bytes in all, at most 536870912' in refused(copy)
