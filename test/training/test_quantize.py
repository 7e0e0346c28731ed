"""Small graphs become int8 as the module says. The shipped ones: test_shipped_graphs.py."""

import logging

import numpy as np
import pytest

onnx = pytest.importorskip('onnx', reason='needs onnx: pip install onnx')
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from latent_vqa_ros.backends.onnx_backend import OnnxBackend  # noqa: E402
from latent_vqa_ros.core.config import PreprocessConfig  # noqa: E402
from latent_vqa_ros.training import quantize  # noqa: E402

GREYS = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
PIXELS = PreprocessConfig(mean=(128 / 255,) * 3, std=(0.25,) * 3)


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs.split(), [output], name=output, **attributes)


def write(path, nodes, constants, input_type=TensorProto.FLOAT, shape=(2, 4)):
    """Write a graph from 'x' to the output of its last node; return its path."""
    graph = helper.make_graph(
        nodes, 'small', [helper.make_tensor_value_info('x', input_type, shape)],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT,
                                       len(shape) * [None])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)],
                                ir_version=9), path)
    return path


def compute(path, x):
    output = onnx.load(path).graph.output[0].name
    return OnnxBackend({'small': path.read_bytes()}).run('small', {'x': x}, [output])[0]


def weights(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture
def source(tmp_path):
    """Return a graph of three products with weights, and one of two activations between them."""
    return write(tmp_path / 'float.onnx', [
        node('MatMul', 'x first', 'a'), node('Relu', 'a', 'b'), node('Transpose', 'b', 't'),
        node('MatMul', 'b t', 'both'), node('MatMul', 'both second', 'd'),
        node('MatMul', 'd third', 'y'),
    ], {'first': weights(4, 4), 'second': weights(2, 4, seed=1), 'third': weights(4, 3, seed=2)})


@pytest.fixture
def feeds():
    return [{'x': weights(2, 4, seed=seed)} for seed in range(3, 9)]


def int8_products(path):
    """Return the outputs of the products whose second factor is a stored int8 tensor."""
    graph = onnx.load(path).graph
    int8 = {t.name for t in graph.initializer if t.data_type == TensorProto.INT8}
    restored = {n.output[0] for n in graph.node
                if n.op_type == 'DequantizeLinear' and n.input[0] in int8}
    return {n.output[0] for n in graph.node if n.op_type == 'MatMul' and n.input[1] in restored}


def test_products_with_weights_become_int8_and_those_of_activations_stay_float(
        source, feeds, tmp_path):
    target = tmp_path / 'int8.onnx'
    errors = quantize.quantize_graph(source, target, feeds)
    assert int8_products(target) == {'a', 'd', 'y'}
    assert set(errors) == {'first', 'second', 'third'}
    x = feeds[0]['x']
    found, wanted = compute(target, x), compute(source, x)
    assert 0 < np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()


@pytest.mark.parametrize(('options', 'left'), [
    ({'keep_float': ['sec']}, {'a', 'y'}), ({'keep_last': 1}, {'a', 'd'}),
    ({'keep_last': 2}, {'a'}), ({'keep_float': ['third'], 'keep_last': 1}, {'a'})])
def test_named_weights_and_the_last_products_stay_float(source, feeds, tmp_path, options, left):
    target = tmp_path / 'int8.onnx'
    quantize.quantize_graph(source, target, feeds, **options)
    assert int8_products(target) == left


def test_what_a_product_gives_is_rounded_only_where_a_product_takes_it(source, feeds, tmp_path):
    target = tmp_path / 'int8.onnx'
    quantize.quantize_graph(source, target, feeds)
    rounded = {n.input[0] for n in onnx.load(target).graph.node if n.op_type == 'QuantizeLinear'}
    assert rounded == {'x', 'both', 'd'}


def test_a_sum_with_an_activation_is_not_rounded(feeds, tmp_path):
    source = write(tmp_path / 'float.onnx', [
        node('MatMul', 'x first', 'a'), node('MatMul', 'a second', 'd'), node('Add', 'd a', 'y')],
        {'first': weights(4, 4), 'second': weights(4, 4, seed=1)})
    quantize.quantize_graph(source, target := tmp_path / 'int8.onnx', feeds)
    rounded = {n.input[0] for n in onnx.load(target).graph.node if n.op_type == 'QuantizeLinear'}
    assert rounded == {'x'}


@pytest.mark.parametrize(('kind', 'limits', 'also', 'stays'), [
    ('Relu', '', (), False), ('Clip', ' zero six', (), True),
    ('Clip', ' zero six', ('Clip',), False)])
def test_after_a_convolution_a_relu_needs_no_node_nor_does_what_is_named(
        tmp_path, kind, limits, also, stays):
    source = write(tmp_path / 'float.onnx', [
        node('Conv', 'x first', 'a'), node(kind, f'a{limits}', 'b'),
        node('Conv', 'b second', 'y')],
        {'first': weights(4, 3, 1, 1), 'second': weights(2, 4, 1, 1, seed=1),
         **({'zero': np.float32(0), 'six': np.float32(6)} if limits else {})}, shape=(1, 3, 2, 2))
    feeds = [{'x': weights(1, 3, 2, 2, seed=seed)} for seed in range(3, 9)]
    quantize.quantize_graph(source, target := tmp_path / 'int8.onnx', feeds, also=also)
    assert (kind in {n.op_type for n in onnx.load(target).graph.node}) == stays
    x = feeds[0]['x']
    found, wanted = compute(target, x), compute(source, x)
    assert 0 < np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()


def test_a_range_is_that_of_the_pictures_shown(source, tmp_path):
    target = tmp_path / 'int8.onnx'
    shown = [np.full((2, 4), value, np.float32) for value in (-0.5, 2.05, 1)]
    quantize.quantize_graph(source, target, [{'x': x} for x in shown])
    graph = onnx.load(target).graph
    stored = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    scale, zero = next(n.input[1:] for n in graph.node
                       if n.op_type == 'QuantizeLinear' and n.input[0] == 'x')
    assert stored[scale] == pytest.approx(2.55 / 255)
    assert (stored[zero], stored[zero].dtype) == (50, np.uint8)


def test_each_column_has_its_own_scale_and_weights_of_64_at_most(tmp_path):
    uneven = weights(4, 3) * np.array([1, 0.01, 0.0001], np.float32)
    source = write(tmp_path / 'float.onnx', [node('MatMul', 'x w', 'y')], {'w': uneven})
    errors = quantize.quantize_graph(source, target := tmp_path / 'int8.onnx',
                                     [{'x': weights(2, 4)}])
    stored, = (numpy_helper.to_array(t) for t in onnx.load(target).graph.initializer
               if t.name == 'w_quantized')
    assert np.abs(stored.astype(int)).max(axis=0).tolist() == [64, 64, 64]
    assert 0 < errors['w'] <= 0.5 / 64


@pytest.mark.parametrize('name', ['float.onnx', 'absent.onnx'])
def test_quantizing_leaves_the_logging_of_the_program_as_it_was(source, feeds, tmp_path, name):
    before = logging.getLogger().level
    seen = []

    def tell():
        seen.append(logging.getLogger().level)
        yield from feeds

    try:
        quantize.quantize_graph(source.with_name(name), tmp_path / 'int8.onnx', tell())
    except Exception:
        assert name == 'absent.onnx'
    else:
        assert seen == [logging.ERROR]
    assert logging.getLogger().level == before < logging.ERROR


# errors of weights

def stored_as(tmp_path, name, floats, ints, scale, **attributes):
    """Return the errors of one weight that is stored as these integers with this scale."""
    before = write(tmp_path / 'before.onnx', [node('MatMul', f'x {name}', 'y')],
                   {name: np.asarray(floats, np.float32)})
    after = write(tmp_path / 'after.onnx', [
        node('DequantizeLinear', f'{name}_quantized scale', 'w', **attributes),
        node('MatMul', 'x w', 'y')],
        {f'{name}_quantized': np.asarray(ints, np.int8), 'scale': np.asarray(scale, np.float32)})
    return quantize.weight_errors(before, after)


def test_an_error_is_its_norm_relative_to_that_of_the_weight(tmp_path):
    errors = stored_as(tmp_path, 'w', [[1, -4], [0.25, 0]], [[10, -40], [0, 0]], 0.1)
    assert errors == {'w': pytest.approx(0.25 / 17.0625 ** 0.5)}


@pytest.mark.parametrize(('axis', 'ints'), [
    (0, [[10, 20], [3, 4]]), (1, [[10, 2], [30, 4]]), (-1, [[10, 2], [30, 4]]),
    (None, [[10, 2], [30, 4]])])  # ONNX: 1 where it is not said
def test_scales_lie_along_their_axis(tmp_path, axis, ints):
    attributes = {} if axis is None else {'axis': axis}
    errors = stored_as(tmp_path, 'w', [[1, 2], [3, 4]], ints, [0.1, 1], **attributes)
    assert errors['w'] == pytest.approx(0, abs=1e-6)


def test_scales_of_a_convolution_are_those_of_its_channels(tmp_path):
    errors = stored_as(tmp_path, 'w', weights(2, 3, 1, 1) * 0 + 5,
                       np.array([50, 5]).reshape(2, 1, 1, 1).repeat(3, 1), [0.1, 1], axis=0)
    assert errors['w'] == pytest.approx(0, abs=1e-6)


def test_a_vector_with_a_scale_for_each_value_and_a_weight_of_zeros_have_errors_too(tmp_path):
    errors = stored_as(tmp_path, 'w', [1, 2], [10, 1], [0.1, 1], axis=0)
    assert errors['w'] == pytest.approx(1 / 5 ** 0.5)
    assert stored_as(tmp_path, 'w', [[0, 0]], [[0, 0]], 0.1) == {'w': 0}


def test_errors_are_sorted_and_are_of_stored_weights_alone(tmp_path):
    one = np.float32([[1]])
    before = write(tmp_path / 'before.onnx', [
        node('MatMul', 'x a', 'h'), node('MatMul', 'h b', 'y')], {'a': one, 'b': one})
    after = write(tmp_path / 'after.onnx', [
        node('DequantizeLinear', 'x s', 'restored'),
        node('DequantizeLinear', 'a_quantized s', 'a'), node('MatMul', 'restored a', 'h'),
        node('DequantizeLinear', 'b_quantized s', 'b'), node('MatMul', 'h b', 'y')],
        {'a_quantized': np.int8([[9]]), 'b_quantized': np.int8([[7]]), 's': np.float32(0.1)})
    errors = quantize.weight_errors(before, after)
    assert list(errors.items()) == [('b', pytest.approx(0.3)), ('a', pytest.approx(0.1))]


# the camera's pixels

def pixel_graph(path, steps='Cast Sub Mul QuantizeLinear DequantizeLinear Add', more=()):
    """Write pixels (256, 3) → normalized → rounded → restored → + 0.5, or other steps in a row.

    The first node is none of them.
    """
    others = {'Sub': ' mean', 'Mul': ' factor', 'QuantizeLinear': ' scale zero',
              'DequantizeLinear': ' scale zero', 'Add': ' half'}
    nodes, last = [], 'x'
    for number, step in enumerate(steps.split()):
        attributes = {'to': TensorProto.FLOAT} if step == 'Cast' else {}
        nodes.append(node(step, last + others.get(step, ''), f'h{number}', **attributes))
        last = f'h{number}'
    constants = {'mean': 255 * np.float32(PIXELS.mean), 'scale': np.float32(0.02),
                 'factor': 1 / (255 * np.float32(PIXELS.std)), 'zero': np.uint8(100),
                 'stored': np.float32(0.5)}
    return write(path, [node('Identity', 'stored', 'half'), *nodes[:-1], *more, nodes[-1]],
                 constants, TensorProto.UINT8, (256, 3))


def test_pixels_enter_as_they_are_and_mean_what_the_normalization_made_of_them(tmp_path):
    path = pixel_graph(tmp_path / 'graph.onnx')
    assert quantize.feed_pixels(path, PIXELS)
    graph = onnx.load(path).graph
    assert [n.op_type for n in graph.node] == ['Identity', 'DequantizeLinear', 'Add']
    assert {t.name for t in graph.initializer} == {'stored', 'pixel_scale', 'pixel_zero'}
    wanted = (GREYS / 255 - PIXELS.mean) / PIXELS.std + 0.5
    assert np.allclose(compute(path, GREYS), wanted, atol=1e-6)


@pytest.mark.parametrize('change', [
    {'mean': (128 / 255, 128 / 255, 127 / 255)}, {'std': (0.25, 0.25, 0.3)},
    {'mean': (0.5,) * 3}, {'mean': (0.501,) * 3}])
def test_a_normalization_that_no_zero_point_and_scale_express_is_left(tmp_path, change):
    path = pixel_graph(tmp_path / 'graph.onnx')
    before = path.read_bytes()
    assert not quantize.feed_pixels(path, PreprocessConfig(
        **{'mean': PIXELS.mean, 'std': PIXELS.std, **change}))
    assert path.read_bytes() == before


@pytest.mark.parametrize('steps', [
    'Relu', 'Cast Mul Sub QuantizeLinear DequantizeLinear Relu', 'Cast Sub Mul Relu',
    'Cast Sub QuantizeLinear DequantizeLinear Relu'])
def test_a_graph_whose_first_steps_are_others_is_left(tmp_path, steps):
    path = pixel_graph(tmp_path / 'graph.onnx', steps)
    before = path.read_bytes()
    assert not quantize.feed_pixels(path, PIXELS)
    assert path.read_bytes() == before


@pytest.mark.parametrize('taken', ['h0', 'h1', 'h2', 'h3'])
def test_a_graph_that_takes_pixels_elsewhere_too_is_left(tmp_path, taken):
    other = node('Identity', taken, 'other')
    path = pixel_graph(tmp_path / 'graph.onnx', more=[other])
    before = path.read_bytes()
    assert not quantize.feed_pixels(path, PIXELS)
    assert path.read_bytes() == before
