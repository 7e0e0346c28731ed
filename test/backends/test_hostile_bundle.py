"""A bundle made by an enemy: every file has the right digest, and is refused by name."""

import contextlib
import json
import re
import resource
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

onnx = pytest.importorskip('onnx', reason='needs onnx to make hostile graphs: pip install onnx')

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from latent_vqa_ros import backends  # noqa: E402
from latent_vqa_ros.backends import onnx_safety  # noqa: E402
from latent_vqa_ros.core import bundle  # noqa: E402
from latent_vqa_ros.core.bundle import MANIFEST, BundleError, describe_file  # noqa: E402
from latent_vqa_ros.core.manifest import (  # noqa: E402
    ANSWERER,
    IMAGE_ENCODER,
    WEIGHTS,
    FileEntry,
)
from latent_vqa_ros.core.models import find_model  # noqa: E402

MODEL = find_model('easy_vqa')


def make(nodes, inputs, outputs, tensors):
    graph = helper.make_graph(nodes, 'hostile', inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)


def bomb():
    """Two small constants whose product takes 40 GB."""
    n = 100_000
    return make(
        [helper.make_node('MatMul', ['a', 'b'], ['c']),
         helper.make_node('ReduceSum', ['c'], ['s'], keepdims=0),
         helper.make_node('Cast', ['image'], ['i'], to=TensorProto.FLOAT),
         helper.make_node('Add', ['s', 'i'], ['features']),
         helper.make_node('ReduceMax', ['features'], ['distance'], keepdims=0)],
        [helper.make_tensor_value_info('image', TensorProto.UINT8, [64, 64, 3])],
        [helper.make_tensor_value_info('features', TensorProto.FLOAT, None),
         helper.make_tensor_value_info('distance', TensorProto.FLOAT, [])],
        [numpy_helper.from_array(np.ones((n, 1), np.float32), 'a'),
         numpy_helper.from_array(np.ones((1, n), np.float32), 'b')]).SerializeToString()


def external(location):
    """The real encoder, one of its tensors read from another file."""
    model = onnx.load_from_string((MODEL / IMAGE_ENCODER).read_bytes())
    tensor = model.graph.initializer[0]
    tensor.ClearField('raw_data')
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key='location', value=location)
    return model.SerializeToString()


def in_constant_of_a_subgraph():
    tensor = helper.make_tensor('secret', TensorProto.FLOAT, [1], [0.0])
    tensor.ClearField('float_data')
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key='location', value='/etc/passwd')
    inner = helper.make_graph([helper.make_node('Constant', [], ['v'], value=tensor)], 'inner', [],
                              [helper.make_tensor_value_info('v', TensorProto.FLOAT, [1])])
    node = helper.make_node('If', ['flag'], ['out'], then_branch=inner, else_branch=inner)
    return make([node], [], [], []).SerializeToString()


def endless(op_type):
    """A body that a graph repeats 2 ** 62 times."""
    body = helper.make_graph([], 'body', [], [])
    node = helper.make_node(op_type, ['n', '', 'image'], ['features'], body=body)
    return make([node], [], [], [helper.make_tensor('n', TensorProto.INT64, [], [1 << 62])]
                ).SerializeToString()


def hidden(content):
    """The same graph under a tag of 5 bytes, of which ONNX Runtime reads the low 32 bits.

    To a reader of all bits it is field 7 + 2 ** 29, which nobody knows.
    """
    model = onnx.load_from_string(content)
    graph = model.graph.SerializeToString()
    model.ClearField('graph')
    size = bytes((len(graph) >> shift & 0x7F) | 0x80 for shift in (0, 7, 14, 21))
    tag = b'\xba\x80\x80\x80\x10'
    return model.SerializeToString() + tag + size + bytes([len(graph) >> 28]) + graph


def with_functions():
    model = onnx.load_from_string((MODEL / IMAGE_ENCODER).read_bytes())
    model.functions.append(helper.make_function(
        'own', 'f', ['x'], ['y'], [helper.make_node('Identity', ['x'], ['y'])],
        [helper.make_opsetid('', 18)]))
    return model.SerializeToString()


def hostile(folder, name, content):
    """Put a file into a copy of the shipped bundle, with the digest that the manifest wants."""
    shutil.copytree(MODEL, folder, dirs_exist_ok=True)
    old = describe_file(folder / name)
    (folder / name).write_bytes(content)
    new = describe_file(folder / name)
    text = (folder / MANIFEST).read_text('utf-8').replace(old.sha256, new.sha256)
    (folder / MANIFEST).write_text(text.replace(f'bytes: {old.bytes}', f'bytes: {new.bytes}'))
    return folder


def refused(folder, backend='onnxruntime'):
    with pytest.raises(BundleError) as caught:
        backends.load(bundle.load(folder), backend)
    assert '\n' not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize('content', [
    external('/etc/passwd'), external('../../secret.bin'), external('beside.bin'),
    in_constant_of_a_subgraph()])
def test_a_graph_that_reads_other_files_is_refused(tmp_path, content):
    assert 'external data' in refused(hostile(tmp_path, IMAGE_ENCODER, content))


@pytest.mark.parametrize(('content', 'said'), [
    (endless('Loop'), 'Loop'), (endless('Scan'), 'Scan'), (with_functions(), 'functions')])
def test_a_graph_that_may_never_end_is_refused(tmp_path, content, said):
    assert said in refused(hostile(tmp_path, IMAGE_ENCODER, content))


@pytest.mark.parametrize('content', [external('/etc/passwd'), endless('Loop')])
def test_a_graph_that_only_onnxruntime_would_see_is_refused(tmp_path, content):
    assert 'is no ONNX file' in refused(hostile(tmp_path, IMAGE_ENCODER, hidden(content)))


def test_a_model_beyond_all_memory_is_refused_in_torch_too(tmp_path):
    pytest.importorskip('torch', reason='needs torch: pip install torch')
    shutil.copytree(MODEL, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / MANIFEST).read_text('utf-8')
    wide = re.sub(r'mlp_ratio: \d+', 'mlp_ratio: 1000000000', text)
    assert wide != text
    (tmp_path / MANIFEST).write_text(wide)
    assert WEIGHTS in refused(tmp_path, 'torch')


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_a_graph_that_wants_all_memory_is_refused_and_takes_little(tmp_path, backend):
    pytest.importorskip(backend, reason=f'needs {backend}: pip install {backend}')
    hostile(tmp_path, IMAGE_ENCODER, bomb())
    code = ('import sys\nfrom latent_vqa_ros import backends\nfrom latent_vqa_ros.core import '
            'bundle\ntry:\n    backends.load(bundle.load(sys.argv[1]), sys.argv[2])\nexcept '
            'bundle.BundleError as error:\n    print("refused:", error)\n'
            'import resource\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)')
    done = subprocess.run([sys.executable, '-c', code, str(tmp_path), backend], text=True,
                          capture_output=True, timeout=200, preexec_fn=_stop_a_real_explosion)
    said, peak_kb = done.stdout.splitlines()
    assert said.startswith('refused:')
    assert 'memory' in said
    assert int(peak_kb) < 1_000_000


def _stop_a_real_explosion():
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))


@pytest.mark.parametrize('content', [b'', b'\x00' * 100, b'\xff' * 100, b'PK\x03\x04' * 30])
def test_a_file_that_is_no_graph_is_refused_by_name(tmp_path, content):
    assert ANSWERER in refused(hostile(tmp_path, ANSWERER, content))


def test_a_graph_of_another_model_is_refused(tmp_path):
    content = (MODEL / ANSWERER).read_bytes()
    assert 'do not run' in refused(hostile(tmp_path, IMAGE_ENCODER, content))


def header(**tensors):
    text = json.dumps(tensors).encode()
    return struct.pack('<Q', len(text)) + text


@pytest.mark.parametrize('content', [
    b'', struct.pack('<Q', 1 << 60), header(a={'dtype': 'F32', 'shape': [1 << 40], 'data_offsets':
                                               [0, 1 << 42]}),
    header(a={'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4]}) + b'1234', b'\x80\x04K\x01.'])
def test_weights_that_claim_what_they_do_not_hold_are_refused(tmp_path, content):
    pytest.importorskip('torch', reason='needs torch: pip install torch')
    assert WEIGHTS in refused(hostile(tmp_path, WEIGHTS, content), 'torch')


def test_a_file_larger_than_a_bundle_may_hold_is_not_read(tmp_path):
    shutil.copytree(MODEL, tmp_path, dirs_exist_ok=True)
    with (tmp_path / ANSWERER).open('r+b') as file:
        file.truncate(1 << 40)
    entry = bundle.load(MODEL).manifest.files[ANSWERER]
    text = (tmp_path / MANIFEST).read_text('utf-8')
    (tmp_path / MANIFEST).write_text(text.replace(f'bytes: {entry.bytes}', f'bytes: {1 << 40}'))
    assert 'at most' in refused(tmp_path)
    assert FileEntry(entry.bytes, entry.sha256) == entry


def test_the_shipped_graphs_pass():
    for name in (IMAGE_ENCODER, ANSWERER):
        onnx_safety.check((MODEL / name).read_bytes())


@given(st.binary(max_size=200))
def test_any_bytes_are_walked_or_refused(content):
    with contextlib.suppress(onnx_safety.GraphError):
        assert onnx_safety.check(content) is None


def answerer(logits):
    """An answerer whose logits come from these nodes, of ``zero``, an int64."""
    return make(
        [helper.make_node('ReduceSum', ['tokens'], ['zero'], keepdims=0), *logits],
        [helper.make_tensor_value_info('features', TensorProto.FLOAT, None),
         helper.make_tensor_value_info('tokens', TensorProto.INT64, ['t'])],
        [helper.make_tensor_value_info('logits', TensorProto.UNDEFINED, None)], [])


@pytest.mark.parametrize(('nodes', 'said'), [
    ([helper.make_node('Cast', ['zero'], ['logits'], to=TensorProto.FLOAT)], 'give 0 answers'),
    ([helper.make_node('Identity', ['zero'], ['logits'])], 'logits is no array of float32'),
    ([helper.make_node('Cast', ['zero'], ['logits'], to=TensorProto.STRING)],
     'logits is no array of float32')])
def test_outputs_that_nobody_can_use_are_named(tmp_path, nodes, said):
    graph = answerer(nodes)
    kind = nodes[0].attribute[0].i if nodes[0].attribute else TensorProto.INT64
    graph.graph.output[0].type.tensor_type.elem_type = kind
    assert said in refused(hostile(tmp_path, ANSWERER, graph.SerializeToString()))
