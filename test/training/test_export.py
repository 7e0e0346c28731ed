"""A small model of two halves becomes two graphs; what differs from it is refused."""

import hashlib
import logging
from types import SimpleNamespace

import numpy as np
import pytest

onnx = pytest.importorskip('onnx', reason='needs onnx: pip install onnx')
torch = pytest.importorskip('torch', reason='needs torch: pip install torch')
pytest.importorskip('onnxscript', reason='needs onnxscript: pip install onnxscript')

from latent_vqa_ros.core import bundle  # noqa: E402
from latent_vqa_ros.core.config import PreprocessConfig  # noqa: E402
from latent_vqa_ros.core.manifest import ANSWERER, IMAGE_ENCODER, WEIGHTS  # noqa: E402
from latent_vqa_ros.core.tokenizer import CLS  # noqa: E402
from latent_vqa_ros.training import checkpoint, export  # noqa: E402

MAX_TOKENS, WORDS = 7, 20
PREPROCESS = PreprocessConfig(height=8, width=9)


class Small(torch.nn.Module):
    """Has the methods of LatentVqa: 4 positions of 3 channels, 5 answers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.clip = torch.nn.Module()
        self.clip.text_encoder = torch.nn.Module()
        self.clip.text_encoder.embedding = torch.nn.Embedding(WORDS, 3)
        self.see = torch.nn.Linear(54, 3)
        self.say = torch.nn.Linear(3, 5)
        self.forget = torch.nn.Dropout(0.5)

    def encode(self, image_hwc):
        features = self.forget(self.see(image_hwc.float().reshape(4, 54) / 255))
        return features, features.square().sum()

    def look(self, features_nc, tokens_t):
        words = self.clip.text_encoder.embedding(tokens_t)
        attention = (words @ features_nc.T).softmax(1)
        return self.say((words + attention @ features_nc).mean(0)), attention

    def answer(self, features_nc, tokens_t):
        return self.look(features_nc, tokens_t)[0]


class Twin:
    """Computes what the model does, as a backend; ``wrong`` changes outputs of a trial."""

    def __init__(self, model, looks=True, wrong=lambda trial, values: values):
        self.model, self.looks, self.wrong = model, looks, wrong
        self.images, self.tokens = [], []

    def _numpy(self, values):
        return self.wrong(len(self.images), {
            name: value.detach().numpy() for name, value in values.items()})

    def encode(self, image):
        self.images.append(image)
        found = self._numpy(dict(zip(('features', 'distance'), self.model.encode(
            torch.from_numpy(image)), strict=True)))
        return found['features'], float(found['distance'])

    def answer(self, features, tokens):
        self.tokens.append(tokens)
        found = self._numpy(dict(zip(('logits', 'attention'), self.model.look(
            torch.from_numpy(features), torch.from_numpy(tokens)), strict=True)))
        return found['logits'], found['attention'] if self.looks else None


@pytest.fixture
def model():
    return Small().eval()


def check(model, twin):
    return export.check_graphs(model, PREPROCESS, MAX_TOKENS, twin)


def off(output, by, trial=1):
    """Return what puts an output off, from this of the eight trials on."""
    def wrong(now, values):
        return {name: value + np.float32(by if name == output and now >= trial else 0)
                for name, value in values.items()}
    return wrong


OUTPUTS = ('features', 'distance', 'logits', 'attention')


@pytest.mark.parametrize('trial', [1, 8])
@pytest.mark.parametrize('output', OUTPUTS)
def test_a_graph_of_which_any_output_is_not_the_models_is_refused(model, output, trial):
    with pytest.raises(export.ExportError, match=r'torch and float ONNX differ by 0\.0\d+, at '
                                                 r'most 0\.0001 is taken'):
        check(model, Twin(model, wrong=off(output, 1e-2, trial)))


@pytest.mark.parametrize('output', OUTPUTS)
def test_a_graph_that_gives_no_number_is_refused(model, output):
    with pytest.raises(export.ExportError, match='differ by nan'):
        check(model, Twin(model, wrong=off(output, np.nan, 8)))


@pytest.mark.parametrize('looks', [True, False])
def test_a_graph_that_does_what_the_model_does_is_taken(model, looks):
    assert check(model, Twin(model, looks)) == pytest.approx(0, abs=1e-6)


def test_the_largest_difference_of_all_trials_is_told(model):
    def wrong(trial, values):
        return off('attention', 8e-5 if trial == 3 else 2e-5)(trial, values)
    assert check(model, Twin(model, wrong=wrong)) == pytest.approx(8e-5, rel=0.01)


def test_a_difference_counts_beside_the_largest_value_and_small_values_beside_one(model):
    with torch.no_grad():
        model.say.bias[0] = 1000
    twin = Twin(model, wrong=off('logits', 0.05))
    assert check(model, twin) == pytest.approx(0.05 / 1000, rel=0.05)
    with torch.no_grad():
        model.say.bias[0] = 0
        model.say.weight *= 0.01
    assert check(model, Twin(model, wrong=off('logits', 5e-5))) == pytest.approx(5e-5, rel=0.05)


def test_pictures_and_questions_of_every_kind_are_tried(model):
    twin = Twin(model)
    check(model, twin)
    assert len(twin.images) == len(twin.tokens) == 8
    assert {(image.shape, str(image.dtype)) for image in twin.images} == {((8, 9, 3), 'uint8')}
    assert len({image.tobytes() for image in twin.images}) == 8
    pixels, ids = np.concatenate(twin.images), np.concatenate(twin.tokens)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert CLS <= ids.min() < CLS + 3
    assert WORDS - 3 <= ids.max() < WORDS
    lengths = {len(tokens) for tokens in twin.tokens}
    assert (min(lengths), max(lengths)) == (2, MAX_TOKENS)
    assert len(lengths) >= 4


# the graphs

@pytest.fixture(scope='module', params=[True, False], ids=['looks', 'answers'])
def exported(request, tmp_path_factory):
    """Return the graphs of the small model, with and without evidence, and the levels of logs."""
    folder = tmp_path_factory.mktemp('exported')
    model = Small().train()
    before = logging.getLogger().level
    paths = export.export_graphs(model, PREPROCESS, MAX_TOKENS, folder, request.param)
    return request.param, paths, model, before


def test_graphs_have_their_names_and_stand_alone(exported):
    looks, paths, model, before = exported
    assert [path.name for path in paths] == ['image_encoder.float.onnx', 'answerer.float.onnx']
    assert {path.name for path in paths[0].parent.iterdir()} == {path.name for path in paths}
    names = [([put.name for put in side] for side in (graph.input, graph.output)) for graph in
             (onnx.load(path).graph for path in paths)]
    assert [list(sides) for sides in names] == [
        [['image'], ['features', 'distance']],
        [['features', 'tokens'], ['logits', 'attention'] if looks else ['logits']]]
    assert {onnx.load(path).opset_import[0].version for path in paths} == {18}
    assert not model.training
    assert logging.getLogger().level == before


def test_questions_of_any_length_are_answered_and_nothing_else_varies(exported):
    looks, paths, model, _ = exported
    network = export.load_graphs(*paths, looks)
    shapes = [[dim.dim_param or dim.dim_value for dim in put.type.tensor_type.shape.dim]
              for path in paths for put in onnx.load(path).graph.input]
    assert shapes == [[8, 9, 3], [4, 3], ['tokens']]
    features, distance = network.encode(np.full((8, 9, 3), 7, np.uint8))
    assert distance == pytest.approx(np.square(features).sum(), rel=1e-5)
    for length in (2, MAX_TOKENS):
        logits, attention = network.answer(features, np.arange(1, 1 + length))
        assert logits.shape == (5,)
        assert (attention is None) == (not looks)
        assert attention is None or attention.shape == (length, 4)


def test_a_graph_tells_nothing_of_the_machine_that_made_it(exported):
    for path in exported[1]:
        assert b'File "' not in path.read_bytes()
        assert __file__.encode() not in path.read_bytes()


def test_export_refuses_graphs_that_are_not_the_model(model, tmp_path, monkeypatch):
    monkeypatch.setattr(export, 'export_graph', lambda *given: None)
    monkeypatch.setattr(export, 'load_graphs', lambda *given: Twin(model, wrong=off('logits', 1)))
    with pytest.raises(export.ExportError):
        export.export_graphs(model, PREPROCESS, MAX_TOKENS, tmp_path)


def test_origins_are_taken_out_of_every_part_of_a_graph():
    x, h, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])
               for name in 'xhy')
    nodes = [onnx.helper.make_node('Relu', [a], [b]) for a, b in ('xh', 'hy')]
    made = onnx.helper.make_model(onnx.helper.make_graph(nodes, 'g', [x], [y], value_info=[h]))
    plain = made.SerializeToString()
    graph = made.graph
    for part in (made, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        part.metadata_props.add(key='pkg.torch.onnx.stack_trace', value='File "/home/me/x.py"')
    export.forget_origins(made)
    assert made.SerializeToString() == plain


# files

@pytest.fixture
def shipped(bundle_path):
    return bundle.load(bundle_path)


def test_a_bundle_of_floats_has_its_float_graphs_under_the_usual_names(
        shipped, tmp_path, monkeypatch):
    def made(of, folder):
        assert of is shipped
        paths = folder / 'one', folder / 'two'
        for path in paths:
            path.write_text(path.name)
        return paths
    monkeypatch.setattr(export, 'export_float', made)
    export.float_bundle(shipped, tmp_path)
    assert (tmp_path / IMAGE_ENCODER).read_text() == 'one'
    assert (tmp_path / ANSWERER).read_text() == 'two'
    manifest, _ = bundle.read_manifest(tmp_path)
    assert set(manifest.files) == {IMAGE_ENCODER, ANSWERER}
    assert manifest.answers == shipped.manifest.answers


@pytest.mark.parametrize('evidence', [True, False])
def test_the_float_graphs_of_a_bundle_are_those_of_its_weights(
        shipped, tmp_path, monkeypatch, evidence):
    seen = []
    monkeypatch.setattr(export, 'export_graphs', lambda *given: seen.append(given))
    manifest = SimpleNamespace(evidence='words' if evidence else None, max_tokens=9,
                               preprocess=PREPROCESS)
    monkeypatch.setattr(export, 'load_model', lambda of: of.weights)
    export.export_float(SimpleNamespace(manifest=manifest, weights='w'), tmp_path)
    assert seen == [('w', PREPROCESS, 9, tmp_path, evidence)]


def test_a_manifest_names_size_and_digest_of_the_files_and_of_no_other(shipped, tmp_path):
    for name in (IMAGE_ENCODER, ANSWERER, 'float.onnx'):
        (tmp_path / name).write_text(name)
    export.write_manifest(tmp_path, shipped.manifest, (IMAGE_ENCODER, ANSWERER))
    manifest, _ = bundle.read_manifest(tmp_path)
    assert {name: (entry.bytes, entry.sha256) for name, entry in manifest.files.items()} == {
        name: (len(name), hashlib.sha256(name.encode()).hexdigest())
        for name in (IMAGE_ENCODER, ANSWERER)}
    assert len(list(tmp_path.iterdir())) == 4  # nothing half-written


def test_weights_are_those_of_the_model(model, tmp_path):
    export.save_weights(model, tmp_path)
    tensors, _ = checkpoint.load_tensors(tmp_path / WEIGHTS)
    assert tensors.keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in model.state_dict().items())
