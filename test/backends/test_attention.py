"""A backend says where each token looked, where the bundle promises it, and is refused if not."""

import fake_bundle
import numpy as np
import pytest

from latent_vqa_ros import backends
from latent_vqa_ros.backends.onnx_backend import OnnxBackend
from latent_vqa_ros.core import bundle
from latent_vqa_ros.core.bundle import BundleError, EvidenceConfig

ROWS, COLUMNS = fake_bundle.GRID
FEATURES = np.zeros((1, 3), np.float32)
TOKENS = np.arange(1, 6)


def test_onnx_gives_logits_and_the_graphs_attention():
    logits, attention_tn = OnnxBackend(
        fake_bundle.image_encoder(), fake_bundle.answerer(looking=True)).answer(FEATURES, TOKENS)
    assert logits.shape == (len(fake_bundle.ANSWERS),)
    assert attention_tn.shape == (len(TOKENS), ROWS * COLUMNS)
    assert np.allclose(attention_tn.sum(axis=1), 1)


def test_onnx_gives_no_attention_where_the_graph_has_none():
    logits, attention_tn = OnnxBackend(
        fake_bundle.image_encoder(), fake_bundle.answerer()).answer(FEATURES, TOKENS)
    assert logits.shape == (len(fake_bundle.ANSWERS),)
    assert attention_tn is None


@pytest.mark.parametrize(('looking', 'grid'), [
    (False, (ROWS, COLUMNS)), (True, (ROWS, COLUMNS - 1)), (True, (ROWS * COLUMNS, COLUMNS))])
def test_a_graph_that_does_not_keep_the_manifests_promise_is_refused(tmp_path, looking, grid):
    folder = fake_bundle.write(tmp_path / 'm', fake_bundle.answerer(looking),
                               evidence=EvidenceConfig(grid, fake_bundle.WORDS))
    with pytest.raises(BundleError, match=f'evidence.*attention .tokens, {grid[0] * grid[1]}'):
        backends.load(bundle.load(folder))


def test_torch_looks_only_where_it_is_told_to():
    torch = pytest.importorskip('torch', reason='needs torch: pip install torch')
    from latent_vqa_ros.backends.torch_backend import TorchBackend

    class Model(torch.nn.Module):
        def answer(self, features_nc, ids_t):
            return torch.ones(3)

        def look(self, features_nc, ids_t):
            return torch.ones(3), torch.full((len(ids_t), 32), 1 / 32)

    cpu = torch.device('cpu')
    assert TorchBackend(Model(), cpu).answer(FEATURES, TOKENS)[1] is None
    logits, attention_tn = TorchBackend(Model(), cpu, looks=True).answer(FEATURES, TOKENS)
    assert logits.shape == (3,)
    assert isinstance(attention_tn, np.ndarray)
    assert attention_tn.shape == (len(TOKENS), 32)
