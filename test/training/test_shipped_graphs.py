"""The shipped graphs: float is torch, int8 is nearly float and within what every x86 computes."""

import numpy as np
import pytest

onnx = pytest.importorskip('onnx', reason='needs onnx: pip install onnx')
pytest.importorskip('torch', reason='needs torch: pip install torch')
pytest.importorskip('onnxscript', reason='needs onnxscript: pip install onnxscript')

from latent_vqa_ros import backends, datasets  # noqa: E402
from latent_vqa_ros.core import bundle  # noqa: E402
from latent_vqa_ros.core.manifest import ANSWERER, IMAGE_ENCODER  # noqa: E402
from latent_vqa_ros.core.models import find_model  # noqa: E402
from latent_vqa_ros.evaluation import evaluate  # noqa: E402
from latent_vqa_ros.training import export, quantize  # noqa: E402
from latent_vqa_ros.training.assemble import KEEP_FLOAT  # noqa: E402

MODELS = sorted(path.parent.name for path in find_model('easy_vqa').parent.glob('*/manifest.yaml'))


def test_the_shipped_bundles_are_found():
    assert {'easy_vqa', 'tabletop'} <= set(MODELS)


@pytest.fixture(scope='module')
def shipped():
    return bundle.load(find_model('easy_vqa'))


@pytest.fixture(scope='module')
def floats(shipped, tmp_path_factory):
    return export.export_float(shipped, tmp_path_factory.mktemp('float'))


@pytest.fixture(scope='module')
def records():
    pytest.importorskip('easy_vqa', reason='needs EasyVQA: pip install easy-vqa')
    return datasets.load('easy_vqa').split('val')[:60]


def graph(shipped, name):
    return onnx.load_from_string(shipped.content(name)).graph


def test_torch_float_onnx_and_int8_give_the_same_answers(shipped, floats, records):
    manifest = shipped.manifest
    runs = {
        'torch': backends.load(shipped, 'torch'), 'int8': backends.load(shipped),
        'float': export.load_graphs(*floats)}
    found = {name: evaluate.predict(run, manifest, records) for name, run in runs.items()}
    assert len(found['int8'].truth) > 500
    assert np.abs(found['torch'].logits - found['float'].logits).max() < 1e-3
    assert evaluate.disagreement(found['float'], found['int8'])['all'] == 0
    assert found['int8'].right.mean() == 1


def test_convolutions_and_linear_layers_are_int8_and_products_of_activations_are_not(shipped):
    for name in (IMAGE_ENCODER, ANSWERER):
        nodes = graph(shipped, name).node
        made_by = {output: node for node in nodes for output in node.output}
        heavy = [node for node in nodes if node.op_type in ('Conv', 'Gemm', 'MatMul')]
        weights = {tensor.name: tensor for tensor in graph(shipped, name).initializer}
        quantized = [n for n in heavy if n.input[1] in made_by
                     and made_by[n.input[1]].input[0] in weights]
        left = [n for n in heavy if n not in quantized]
        assert len(quantized) >= 10
        assert all(made_by[n.input[1]].op_type == 'DequantizeLinear' for n in quantized)
        stay = [n for n in left if n.input[1] in weights
                and not any(kept in n.input[1] for kept in KEEP_FLOAT)]
        added = [n for n in left if n.input[2:] and n.input[2] in made_by]  # with an activation
        assert stay == ([] if name == IMAGE_ENCODER else [
            *added, *heavy[-2:]])  # projection, answer bank


def test_a_convolution_and_its_relu_are_rounded_to_eight_bits_once(shipped):
    nodes = graph(shipped, IMAGE_ENCODER).node
    made_by = {output: node.op_type for node in nodes for output in node.output}
    relus = [node for node in nodes if node.op_type == 'Relu']
    assert relus
    assert {made_by[node.input[0]] for node in relus} <= {'Add', 'Gemm'}


def test_camera_pixels_enter_the_first_convolution_as_they_are(shipped):
    nodes = graph(shipped, IMAGE_ENCODER).node
    assert 'Cast' not in {node.op_type for node in nodes}
    reader = next(node for node in nodes if node.name == 'pixels')
    values = {t.name: onnx.numpy_helper.to_array(t)
              for t in graph(shipped, IMAGE_ENCODER).initializer}
    pixel = np.arange(256)
    seen = (pixel - values[reader.input[2]].astype(float)) * values[reader.input[1]]
    preprocess = shipped.manifest.preprocess
    assert np.allclose(seen, (pixel / 255 - preprocess.mean[0]) / preprocess.std[0], atol=1e-6)


def test_weight_errors_are_those_of_rounding_to_eight_bits(shipped, floats, tmp_path):
    target = tmp_path / 'int8.onnx'
    noise = np.random.default_rng(0).standard_normal((64, 128), np.float32)
    feeds = [{'features': noise, 'tokens': np.array([1, 3, 4])}]
    errors = quantize.quantize_graph(floats[1], target, feeds)
    assert len(errors) > 10
    assert list(errors.values()) == sorted(errors.values(), reverse=True)
    assert min(errors.values()) > 0
    assert max(errors.values()) < 0.05  # rounding down instead would double them
    weights = [onnx.numpy_helper.to_array(each) for each in onnx.load(target).graph.initializer]
    largest = [np.abs(each.astype(int)).max() for each in weights if each.dtype == np.int8]
    assert len(largest) > 10
    assert max(largest) == 64  # half of the range, for x86 without VNNI; and all of that half


@pytest.mark.parametrize('model', MODELS)
def test_int8_weights_of_a_shipped_graph_are_small_enough_for_every_x86(model):
    """Products with pixels from 0 to 255 are added in pairs, in 16 bits, where VNNI is missing."""
    found = bundle.load(find_model(model))
    largest = {}
    for name in found.manifest.graphs:
        constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph(found, name).initializer}
        largest |= {f'{name}: {key}': int(np.abs(value.astype(int)).max())
                    for key, value in constants.items() if value.dtype == np.int8}
    assert len(largest) >= 10
    assert {key: value for key, value in largest.items() if value > 64} == {}
    assert 2 * 255 * 64 < 1 << 15


@pytest.mark.parametrize('model', MODELS)
def test_a_shipped_graph_tells_nothing_of_the_machine_that_made_it(model):
    found = bundle.load(find_model(model))
    for name in found.manifest.graphs:
        assert b'File "' not in found.content(name)


def test_an_exported_graph_tells_nothing_of_the_machine_that_made_it(floats):
    for path in floats:
        assert b'File "' not in path.read_bytes()


def test_onnx_files_are_small_enough_for_a_robot(shipped):
    sizes = sum(shipped.manifest.files[name].bytes for name in (IMAGE_ENCODER, ANSWERER))
    assert sizes <= 1_500_000


def test_the_recorded_result_of_the_recipe_holds_what_the_card_says(shipped):
    metrics = shipped.manifest.metrics
    assert metrics['int8']['n'] == 9_673
    assert metrics['int8']['accuracy'] >= 0.999
    assert abs(metrics['int8']['accuracy'] - metrics['float']['accuracy']) <= 0.0005
    assert metrics['int8']['ece'] <= 0.005
    card = (shipped.path / 'README.md').read_text('utf-8')
    assert f'{metrics["int8"]["accuracy"]:.2%}' in card
