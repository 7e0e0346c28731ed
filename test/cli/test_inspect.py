"""`inspect` prints a bundle and finds each file that is not what the manifest says."""

import pytest


def edit(path, before, after):
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


def test_a_whole_bundle_passes_and_prints_the_modules(latent_vqa, bundle):
    code, out, _ = latent_vqa('inspect', '--model', bundle)
    assert code == 0
    assert out.count(' ok\n') == 2
    assert '1,234' in out
    assert '56,789' in out
    assert 'name: fake' in out


def test_json_holds_manifest_files_and_modules(latent_vqa_json, bundle):
    code, document = latent_vqa_json('inspect', '--model', bundle)
    assert code == 0
    assert document['manifest']['answers'] == ['circle', 'red', 'no']
    assert document['files']['answerer.onnx']['check'] == 'ok'
    assert document['modules'][0] == {'name': 'image_encoder', 'parameters': 1234, 'macs': 56789}
    assert document['sha256']


def test_a_figure_that_is_no_number_is_null_in_json(latent_vqa_json, bundle):
    edit(bundle / 'manifest.yaml', 'metrics:\n', 'metrics:\n  loss: .nan\n')
    _, document = latent_vqa_json('inspect', '--model', bundle)
    assert document['manifest']['metrics'] == {'loss': None, 'accuracy': 1.0}


def test_an_infinite_count_is_left_out(latent_vqa_json, bundle):
    edit(bundle / 'manifest.yaml', 'macs: 56789', 'macs: .inf')
    code, document = latent_vqa_json('inspect', '--model', bundle)
    assert (code, document['modules']) == (0, [])


def test_evidence_is_one_line_where_there_is_some(latent_vqa, latent_vqa_json, bundle,
                                                  looking_bundle):
    _, out, _ = latent_vqa('inspect', '--model', looking_bundle)
    assert [line for line in out.splitlines() if line.startswith('evidence')] == [
        'evidence: 5 words get a place on a grid of 4 rows x 8 columns']
    _, out, _ = latent_vqa('inspect', '--model', bundle)
    assert '\nevidence' not in out
    _, document = latent_vqa_json('inspect', '--model', looking_bundle)
    assert document['manifest']['evidence'] == {
        'grid': [4, 8], 'words': ['red', 'cube', 'blue', 'ball', 'shape']}


def _flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(('damage', 'verdict'), [
    (lambda path: path.unlink(), 'missing'),
    (lambda path: path.write_bytes(path.read_bytes() + b'x'), 'instead'),
    (_flip, 'another sha256')])
def test_one_damaged_file_is_named_and_the_others_still_checked(
        latent_vqa_json, bundle, damage, verdict):
    damage(bundle / 'answerer.onnx')
    code, document = latent_vqa_json('inspect', '--model', bundle)
    assert code == 1
    assert verdict in document['files']['answerer.onnx']['check']
    assert document['files']['image_encoder.onnx']['check'] == 'ok'


def test_a_manifest_that_cannot_be_read_is_one_line(latent_vqa, bundle):
    (bundle / 'manifest.yaml').write_text('schema: 99\n')
    code, out, err = latent_vqa('inspect', '--model', bundle)
    assert (code, out) == (1, '')
    assert 'schema 99' in err
