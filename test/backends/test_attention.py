"""A backend says where each token looked, where the bundle promises it, and is refused if not."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import fake_bundle

from latent_vqa_ros import backends
from latent_vqa_ros.backends.network import Network
from latent_vqa_ros.core import bundle
from latent_vqa_ros.core.bundle import MANIFEST, BundleError, describe_file
from latent_vqa_ros.core.config import to_mapping
from latent_vqa_ros.core.manifest import WEIGHTS, EvidenceConfig
from latent_vqa_ros.model.config import ModelConfig

ROWS, COLUMNS = fake_bundle.GRID
FEATURES = np.zeros((1, 3), np.float32)
TOKENS = np.arange(1, 6)


def test_onnx_gives_logits_and_the_graphs_attention(tmp_path):
    folder = fake_bundle.write_looking(tmp_path / 'm')
    logits, attention_tn = backends.load(bundle.load(folder)).answer(FEATURES, TOKENS)
    assert logits.shape == (len(fake_bundle.ANSWERS),)
    assert attention_tn.shape == (len(TOKENS), ROWS * COLUMNS)
    assert np.allclose(attention_tn.sum(axis=1), 1)


def test_onnx_gives_no_attention_where_the_graph_has_none(tmp_path):
    folder = fake_bundle.write(tmp_path / 'm')
    logits, attention_tn = backends.load(bundle.load(folder)).answer(FEATURES, TOKENS)
    assert logits.shape == (len(fake_bundle.ANSWERS),)
    assert attention_tn is None


@pytest.mark.parametrize(('looking', 'grid'), [
    (False, (ROWS, COLUMNS)), (True, (ROWS, COLUMNS - 1)), (True, (ROWS * COLUMNS, COLUMNS))])
def test_a_graph_that_does_not_keep_the_manifests_promise_is_refused(tmp_path, looking, grid):
    folder = fake_bundle.write(tmp_path / 'm', fake_bundle.answerer(looking),
                               evidence=EvidenceConfig(grid, fake_bundle.WORDS))
    with pytest.raises(BundleError, match='attention'):
        backends.load(bundle.load(folder))


def test_torch_looks_only_where_it_is_told_to():
    torch = pytest.importorskip('torch', reason='needs torch: pip install torch')
    from latent_vqa_ros.backends.torch_backend import TorchBackend

    class Model(torch.nn.Module):  # answers like any model, and looks
        def answer(self, features_nc, ids_t):
            return torch.ones(3)

        def look(self, features_nc, ids_t):
            return torch.ones(3), torch.full((len(ids_t), 32), 1 / 32)

    executor = TorchBackend(Model(), device='cpu')
    assert Network('torch', executor).answer(FEATURES, TOKENS)[1] is None
    logits, attention_tn = Network('torch', executor, looks=True).answer(FEATURES, TOKENS)
    assert logits.shape == (3,)
    assert isinstance(attention_tn, np.ndarray)
    assert attention_tn.shape == (len(TOKENS), 32)


@pytest.mark.parametrize(('grid', 'fits'), [((8, 8), True), ((8, 4), False)])
def test_a_torch_bundle_looks_at_the_grid_that_it_promises_or_is_refused(tmp_path, grid, fits):
    folder = torch_bundle(tmp_path / 'm', EvidenceConfig(grid, fake_bundle.WORDS))
    if not fits:
        with pytest.raises(BundleError, match='evidence.*attention .tokens, 32'):
            backends.load(bundle.load(folder), 'torch')
        return
    backend = backends.load(bundle.load(folder), 'torch')
    features_nc, _ = backend.encode(np.zeros((64, 64, 3), np.uint8))
    attention_tn = backend.answer(features_nc, TOKENS)[1]
    assert attention_tn.shape == (len(TOKENS), 64)
    assert np.allclose(attention_tn.sum(axis=1), 1, atol=1e-5)


def torch_bundle(folder, evidence):
    """Write a bundle with the random weights of a small model; its graphs are another's."""
    pytest.importorskip('torch', reason='needs torch: pip install torch')
    save = pytest.importorskip('safetensors.torch', reason='needs safetensors').save
    from latent_vqa_ros.model.vqa import LatentVqa

    config = ModelConfig(width=16, latent_dim=8, heads=2, stem_channels=(8, 8, 8),
                         stem_residuals=(0, 0, 0), image_blocks=1, embed_dim=8)
    fake_bundle.write(folder, architecture=to_mapping(config), evidence=evidence)
    manifest = bundle.load(folder).manifest
    model = LatentVqa(config, manifest.preprocess, manifest.tokenizer.size, len(manifest.answers))
    (folder / WEIGHTS).write_bytes(save(model.state_dict()))
    files = {**manifest.files, WEIGHTS: describe_file(folder / WEIGHTS)}
    (folder / MANIFEST).write_text(replace(manifest, files=files).to_yaml())
    return folder
