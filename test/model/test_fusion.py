import pytest

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')

from latent_vqa_ros.model.config import ModelConfig  # noqa: E402
from latent_vqa_ros.model.fusion import CellCount, Fusion, coordinates  # noqa: E402
from latent_vqa_ros.model.packing import Packing  # noqa: E402

GRID = 3, 4
CONFIG = {'width': 16, 'latent_dim': 8, 'heads': 2, 'stem_channels': (8, 16),
          'stem_residuals': (0, 1), 'fusion_blocks': 3}


def fusion(**changes):
    torch.manual_seed(0)
    made = Fusion(ModelConfig(**{**CONFIG, **changes}), GRID).eval()
    made.reset_place()
    return made


def test_coordinates_are_the_centers_of_the_cells_row_by_row():
    found = coordinates(2, 4)
    assert found[:, 0].tolist() == [-0.75, -0.25, 0.25, 0.75] * 2
    assert found[:, 1].tolist() == [-0.5] * 4 + [0.5] * 4


@torch.no_grad()
def test_with_coordinates_the_same_token_has_another_key_in_each_cell():
    same = torch.randn(16).expand(12, 16)
    keys = fusion(coordinates=True).compress(same)
    apart = torch.cdist(keys, keys) + torch.eye(12)
    assert apart.min() > 0.01
    plain = fusion().compress(same)
    assert torch.allclose(plain, plain[:1].expand_as(plain), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize('coordinates', [True, False])
def test_several_questions_at_once_are_answered_look_and_count_as_one_at_a_time(coordinates):
    made = fusion(coordinates=coordinates, count_dim=4)
    words = torch.tensor([[7, 3, 4, 5, 6], [2, 7, 7, 1, 3]])
    packing = Packing(words)
    image, text = torch.randn(2, 12, 16), torch.randn(2, 25, 16)
    features = made.compress(image)
    many, looked, counted = made(text, features, packing)
    assert [each.shape for each in looked] == [(2, 25, 12)] * 3
    for b in range(2):
        for q in range(5):
            own = slice(packing.first_bq[b, q], packing.first_bq[b, q] + words[b, q])
            one, attention, count = made(text[b, own], features[b])
            assert torch.allclose(many[b, q], one, atol=1e-5)
            assert torch.allclose(counted[b, q], count, atol=1e-5)
            for several, single in zip(looked, attention, strict=True):
                assert torch.allclose(several[b, own], single, atol=1e-6)


@torch.no_grad()
def test_attention_is_a_share_of_the_cells_in_every_block():
    made = fusion()
    _, looked, counted = made(torch.randn(7, 16), made.compress(torch.randn(12, 16)))
    for each in looked:
        assert each.min() >= 0
        assert torch.allclose(each.sum(-1), torch.ones(7), atol=1e-5)
    assert counted is None


@torch.no_grad()
def test_the_same_things_twice_count_twice_which_attention_cannot_tell():
    made = fusion(count_dim=4)
    summary, image = torch.randn(1, 16), torch.randn(12, 16)
    key, twice = made.count.key(image), made.count.key(torch.cat([image, image]))
    (_, once), (_, double) = made.count(summary, key), made.count(summary, twice)
    assert torch.allclose(double, 2 * once)
    assert torch.allclose(made(summary, made.compress(image))[1][0] / 2,
                          made(summary, made.compress(torch.cat([image, image])))[1][0][:, :12],
                          atol=1e-6)


def test_what_to_count_is_learned_from_numbers_alone():
    """Cells hold one of four things, a question asks for one of them, nobody says where it is."""
    torch.manual_seed(0)
    count, things = CellCount(16, 8), torch.randn(4, 16)
    optimizer = torch.optim.Adam(count.parameters(), 0.02)
    told = torch.zeros(())
    for _ in range(300):
        cells, asked = torch.randint(4, (64, 12)), torch.randint(4, (64, 1))
        truth = (cells == asked).sum(1)
        told, counted = count(things[asked], count.key(things[cells]))
        loss = torch.nn.functional.smooth_l1_loss(counted[:, 0], truth.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (counted[:, 0].round() == truth).float().mean() > 0.95
    assert torch.equal(told, things[asked])  # nobody has said yet what a number means


def test_how_a_number_is_told_learns_from_the_first_step():
    count = CellCount(16, 8)
    with torch.no_grad():
        count.fits += 4  # so that some number is near
    told, _ = count(torch.randn(3, 16), count.key(torch.randn(12, 16)))
    told.sum().backward()
    assert count.value.grad.abs().max() > 0


def test_more_than_the_last_number_is_told_as_the_last():
    torch.manual_seed(0)
    count = CellCount(16, 8)
    torch.nn.init.normal_(count.value)
    with torch.no_grad():
        count.fits += 40  # every cell fits
    asked, cells = torch.randn(1, 16), torch.randn(12, 16)
    told, counted = count(asked, count.key(cells))
    six, _ = count(asked, count.key(cells[:6]))
    assert counted.round() == 12
    assert torch.allclose(told, six, atol=1e-3)
    assert (told - asked).abs().max() > 0.1
