"""The shipped bundle lite0: small, int8 within what every x86 computes alike, close to float."""

import numpy as np
import pytest

onnx = pytest.importorskip('onnx', reason='needs onnx: pip install onnx')
torch = pytest.importorskip('torch', reason='needs torch: pip install torch')
pytest.importorskip('onnxscript', reason='needs onnxscript: pip install onnxscript')

from latent_vqa_ros import backends  # noqa: E402
from latent_vqa_ros.core import bundle  # noqa: E402
from latent_vqa_ros.core.manifest import IMAGE_ENCODER  # noqa: E402
from latent_vqa_ros.core.models import find_model  # noqa: E402
from latent_vqa_ros.core.preprocess import prepare  # noqa: E402
from latent_vqa_ros.training import lite0  # noqa: E402


@pytest.fixture(scope='module')
def shipped():
    return bundle.load(find_model('lite0'))


@pytest.fixture(scope='module')
def graph(shipped):
    return onnx.load_from_string(shipped.content(IMAGE_ENCODER)).graph


def test_int8_sees_nearly_what_torch_sees_on_whole_photographs(shipped):
    model, network = lite0.Features().eval(), backends.load(shipped)
    cosines = []
    for photograph in lite0.photographs():
        image = prepare(photograph, lite0.PREPROCESS)
        with torch.no_grad():
            wanted = model(torch.from_numpy(image))
        for a, b in zip(wanted, network.features(image).values(), strict=True):
            a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a.numpy(), b))
            cosines.append(float((a * b).sum(1).mean()))
    assert np.mean(cosines) > 0.94
    assert min(cosines) > 0.6


def test_it_gives_sixty_four_vectors(shipped):
    found = backends.load(shipped).features(np.zeros((160, 160, 3), np.uint8))
    assert tuple(found) == lite0.GROUPS
    assert sum(len(vectors) for vectors in found.values()) == 64


def test_weights_stay_within_64_steps(graph):
    weights = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer
               if tensor.data_type == onnx.TensorProto.INT8]
    weights = [w for w in weights if w.ndim == 4]
    assert len(weights) >= 49
    assert max(np.abs(w.astype(int)).max() for w in weights) <= 64


def test_all_convolutions_are_int8_and_no_clip_is_left(graph):
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    convolutions = [node for node in graph.node if node.op_type == 'Conv']
    assert len(convolutions) == 49
    assert {made_by[name] for node in convolutions for name in node.input[:2]} == {
        'DequantizeLinear'}
    assert not [node for node in graph.node if node.op_type in ('Clip', 'Pad')]


def test_the_bundle_is_below_four_and_a_half_megabytes(shipped):
    assert sum(len(content) for content in shipped.contents.values()) < 4.5e6


@pytest.mark.parametrize('grid', [1, 2, 4])
def test_means_are_those_of_adaptive_pooling(grid):
    x = torch.rand(3, 5, 5)
    wanted = torch.nn.functional.adaptive_avg_pool2d(x, grid).flatten(1).T
    torch.testing.assert_close(lite0.means(5, grid) @ x.flatten(1).T, wanted)
