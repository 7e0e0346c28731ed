"""One gate for every backend: what passes it runs, and what does not is one line."""

import sys

import numpy as np
import pytest
from helpers import fake_bundle

from latent_vqa_ros import backends
from latent_vqa_ros.core import bundle
from latent_vqa_ros.core.bundle import BundleError
from latent_vqa_ros.core.manifest import (
    ANSWERER,
    IMAGE_ENCODER,
    GraphEntry,
    vqa_graphs,
)
from latent_vqa_ros.core.models import find_model
from latent_vqa_ros.core.pipeline import Frame
from latent_vqa_ros.core.questions import Request

onnx = pytest.importorskip('onnx', reason='needs onnx to make graphs: pip install onnx')
from onnx import TensorProto, helper  # noqa: E402

IMAGE = np.full((64, 64, 3), 40, np.uint8)


def test_a_name_or_a_folder_becomes_a_pipeline_with_its_settings(bundle_path):
    for model in ('easy_vqa', str(bundle_path), bundle_path):
        pipeline = backends.open_pipeline(model, top_k=2, min_confidence=0.25, max_age_s=9.0)
        assert pipeline.bundle.manifest.name == 'easy_vqa'
        assert (pipeline.top_k, pipeline.min_confidence, pipeline.max_age_s) == (2, 0.25, 9.0)


@pytest.mark.parametrize('backend', backends.BACKENDS)
def test_every_backend_gives_the_same_answers_through_the_gate(backend):
    needed(backend)
    image = np.random.default_rng(0).integers(200, 256, (64, 64, 3), np.uint8)
    image[20:40, 20:40] = (255, 0, 0)
    pipeline = backends.open_pipeline('easy_vqa', backend)
    pipeline.max_distance = None
    detail = pipeline.respond(Request('what color is the rectangle?'),
                              Frame(lambda: (image, None)))
    assert (pipeline.backend.name, detail.answer) == (backend, 'red')


@pytest.mark.parametrize('backend', backends.BACKENDS)
@pytest.mark.parametrize('threads', [1, 2])
def test_the_number_of_threads_reaches_the_backend(backend, threads):
    needed(backend)
    executor = backends.open_pipeline('easy_vqa', backend, num_threads=threads).backend.executor
    if backend == 'torch':
        import torch
        used = {torch.get_num_threads()}
        torch.set_num_threads(1)
    elif backend == 'openvino':
        used = {executor.compiled.get_property('INFERENCE_NUM_THREADS'), *(
            session.get_session_options().intra_op_num_threads
            for session in executor.others.sessions.values())}
    else:
        used = {session.get_session_options().intra_op_num_threads
                for session in executor.sessions.values()}
    assert used == {threads}


def needed(backend):
    pytest.importorskip(backend, reason=f'needs {backend}: pip install {backend}')


def test_a_graph_with_a_further_output_runs_without_it(tmp_path):
    graph = onnx.load_from_string(fake_bundle.answerer(looking=True))
    graph.graph.output.append(helper.make_tensor_value_info('sum', TensorProto.FLOAT, None))
    graphs = vqa_graphs(evidence=True)
    graphs[ANSWERER] = GraphEntry(('features', 'tokens'), ('sum', 'attention', 'logits'))
    folder = fake_bundle.write(
        tmp_path / 'm', graph.SerializeToString(), graphs=graphs,
        evidence=fake_bundle.manifests.EvidenceConfig(fake_bundle.GRID, fake_bundle.WORDS))
    logits, attention = backends.load(bundle.load(folder)).answer(
        np.zeros((1, 3), np.float32), np.arange(1, 4))
    assert logits.shape == (len(fake_bundle.ANSWERS),)
    assert attention.shape == (3, 32)


def test_a_bundle_of_features_gives_its_groups_of_an_image(tmp_path):
    network = backends.load(bundle.load(fake_bundle.write_features(tmp_path / 'f')))
    found = network.features(IMAGE)
    assert {name: x.shape for name, x in found.items()} == {'color': (1, 3), 'rows': (64, 3)}
    assert np.all(found['rows'] == 40)


def test_a_bundle_of_features_answers_no_questions_and_says_so(tmp_path):
    with pytest.raises(BundleError, match='of kind features, where one of kind vqa is needed'):
        backends.open_pipeline(fake_bundle.write_features(tmp_path / 'f'))


def test_torch_runs_no_bundle_of_features(tmp_path):
    with pytest.raises(BundleError, match='torch runs bundles of kind vqa only'):
        backends.load(bundle.load(fake_bundle.write_features(tmp_path / 'f')), 'torch')


@pytest.mark.parametrize(('outputs', 'said'), [
    (('color', 'nowhere'), 'do not run.*nowhere'), (('flat',), 'flat is no group of vectors')])
def test_groups_that_the_graph_does_not_give_are_refused(tmp_path, outputs, said):
    graph = fake_bundle.model(
        [helper.make_node('Cast', ['image'], ['float'], to=TensorProto.FLOAT),
         helper.make_node('ReduceMean', ['float'], ['color'], axes=[0], keepdims=0),
         helper.make_node('ReduceMean', ['color'], ['flat'], keepdims=0)],
        [('image', TensorProto.UINT8, [64, 64, 3])],
        [('color', TensorProto.FLOAT, [64, 3]), ('flat', TensorProto.FLOAT, [])], {})
    folder = fake_bundle.write_features(
        tmp_path / 'f', graph, graphs={IMAGE_ENCODER: GraphEntry(('image',), outputs)})
    with pytest.raises(BundleError, match=said):
        backends.load(bundle.load(folder))


def test_another_number_of_answers_than_the_manifest_lists_is_refused(tmp_path):
    folder = fake_bundle.write(tmp_path / 'm', answers=('circle', 'red'))
    with pytest.raises(BundleError, match='give 3 answers, the manifest lists 2'):
        backends.load(bundle.load(folder))


def test_a_backend_that_is_none_is_named():
    with pytest.raises(BundleError, match="'tpu' is none of onnxruntime"):
        backends.open_pipeline('easy_vqa', 'tpu')


def test_openvino_runs_the_image_graph_and_onnxruntime_the_answerer():
    needed('openvino')
    executor = backends.open_pipeline('easy_vqa', 'openvino').backend.executor
    assert executor.compiled.get_property('EXECUTION_DEVICES') == ['CPU']
    assert set(executor.others.sessions) == {ANSWERER}


def test_openvino_gives_features_of_its_own_that_a_caller_may_hold():
    needed('openvino')
    network = backends.load(bundle.load(find_model('easy_vqa')), 'openvino')
    first, _ = network.encode(IMAGE)
    kept = first.copy()
    second, _ = network.encode(255 - IMAGE)
    assert np.array_equal(first, kept)
    assert not np.array_equal(first, second)


def test_openvino_runs_bundles_of_features(tmp_path):
    needed('openvino')
    network = backends.load(bundle.load(fake_bundle.write_features(tmp_path / 'f')), 'openvino')
    assert np.all(network.features(IMAGE)['rows'] == 40)


def test_without_openvino_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(BundleError, match='pip install openvino, or set backend') as caught:
        backends.open_pipeline('easy_vqa', 'openvino')
    assert '\n' not in str(caught.value)
