import math

import pytest

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')

from latent_vqa_ros.model.latent_attention import (  # noqa: E402
    LatentAttention,
    LatentCrossAttention,
    LatentTower,
    Pool,
    attend,
)

torch.manual_seed(0)


def written_out(q, k, v, heads):
    """Attend as eq. 1 of Vaswani et al. 2017 says, with loops."""
    out = torch.zeros_like(q)
    size = q.shape[-1] // heads
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for row in range(len(q)):
            weights = torch.stack([q[row, part] @ key[part] / math.sqrt(size) for key in k])
            weights = weights.exp() / weights.exp().sum()
            out[row, part] = sum(w * value[part] for w, value in zip(weights, v, strict=True))
    return out


@pytest.mark.parametrize('heads', [1, 2, 4])
def test_attention_is_the_equation_written_out(heads):
    q, k, v = torch.randn(3, 8), torch.randn(5, 8), torch.randn(5, 8)
    expected = written_out(q, k, v, heads)
    assert torch.allclose(attend(q, k, v, heads)[0], expected, atol=1e-6)


def test_masked_keys_count_for_nothing():
    q, k, v = torch.randn(2, 3, 8), torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    mask = torch.tensor([[True, True, False, True, False], [True] * 5])
    got = attend(q, k, v, 2, mask)[0]
    assert torch.allclose(got[0], attend(q[0], k[0][mask[0]], v[0][mask[0]], 2)[0], atol=1e-6)
    assert torch.allclose(got[1], attend(q[1], k[1], v[1], 2)[0], atol=1e-6)


def test_queries_keys_and_values_are_all_compressed():
    layer = LatentAttention(width=64, latent=16, heads=4)
    assert layer.compress.weight.shape == (3 * 16, 64)
    assert layer.expand.weight.shape == (64, 16)
    cross = LatentCrossAttention(width=64, latent=16, heads=4)
    assert cross.compress_context.weight.shape == (2 * 16, 64)
    assert cross.compress_query.weight.shape == (16, 64)


def test_the_dense_twin_attends_in_full_width_and_has_more_weights():
    latent, dense = (sum(p.numel() for p in LatentAttention(64, r, 4).parameters())
                     for r in (16, None))
    assert LatentAttention(64, None, 4).compress.weight.shape == (3 * 64, 64)
    assert dense > 3 * latent


def test_stem_placement_compresses_once_and_its_blocks_are_narrow():
    tower = LatentTower(64, 16, 4, 2, blocks=3, placement='stem')
    assert tower.compress.weight.shape == (16, 64)
    assert {block.attention.compress.weight.shape for block in tower.blocks} == {(48, 16)}
    assert tower(torch.randn(2, 5, 64)).shape == (2, 5, 64)


def test_leading_dimensions_do_not_change_the_result():
    layer = LatentAttention(16, 8, 2)
    x = torch.randn(2, 3, 5, 16)
    assert torch.allclose(layer(x)[1, 2], layer(x[1, 2]), atol=1e-6)


@torch.no_grad()
def test_pooled_keys_and_values_are_means_over_squares_of_the_grid():
    rows, columns, side = 4, 6, 2
    layer = LatentAttention(16, 8, 2, Pool((rows, columns), side))
    x = torch.randn(rows * columns, 16)
    q, k, v = layer.compress(x).chunk(3, dim=-1)

    def means(cells):
        return torch.stack([torch.stack([cells[row * columns + column]
                                         for row in range(top, top + side)
                                         for column in range(left, left + side)]).mean(0)
                            for top in range(0, rows, side) for left in range(0, columns, side)])

    wanted = layer.expand(attend(q, means(k), means(v), 2)[0])
    assert torch.allclose(layer(x), wanted, atol=1e-6)
    assert torch.allclose(layer(torch.stack([x, -x]))[0], wanted, atol=1e-6)
