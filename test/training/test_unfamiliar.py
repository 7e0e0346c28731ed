"""What a recipe calls unfamiliar is refused, though one Gaussian takes it for familiar."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='needs torch: pip install torch')

from latent_vqa_ros.core.config import PreprocessConfig  # noqa: E402
from latent_vqa_ros.core.preprocess import GREY  # noqa: E402
from latent_vqa_ros.datasets.record import DatasetError, Record  # noqa: E402
from latent_vqa_ros.evaluation import familiarity  # noqa: E402
from latent_vqa_ros.model.config import ModelConfig  # noqa: E402
from latent_vqa_ros.model.vqa import NEW_BUFFERS, STRANGE, LatentVqa  # noqa: E402
from latent_vqa_ros.simulation.world.wide.sources import Sources  # noqa: E402
from latent_vqa_ros.training import calibrate, unfamiliar  # noqa: E402
from latent_vqa_ros.training.config import Recipe  # noqa: E402

ALARMS = 0.1
SEEN = PreprocessConfig(height=32, width=32)
CONFIG = ModelConfig(width=16, latent_dim=8, stem_channels=(8, 16), stem_residuals=(0, 0),
                     image_blocks=1)


def spread(seed, many, *far):
    """Return points (many, 6) about the origin, moved by so much along some axes."""
    points = np.random.default_rng(seed).normal(size=(many, 6)) * (4, 1, 1, 1, 1, 1)
    return torch.from_numpy(points + np.pad(far, (0, 6 - len(far))))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LatentVqa(CONFIG, SEEN, 10, 3).eval()


def pictures(seed, many, across):
    """Return pictures of stripes, some across, some down."""
    rng = np.random.default_rng(seed)
    wave = np.sin(np.arange(32) * 0.8 + rng.uniform(0, 6, (many, 1)))[..., None, None]
    light = 128 + 100 * wave + rng.normal(0, 9, (many, 32, 32, 3))
    return np.clip(light if across else light.transpose(0, 2, 1, 3), 0, 255).astype(np.uint8)


def test_few_strange_pictures_are_told_apart_as_many_are():
    familiar = spread(0, 500)
    for many in (20, 2000):
        direction, bias = unfamiliar.separate(familiar, spread(1, many, 0, 5))
        assert ((spread(2, 200, 0, 5) @ direction + bias) > 0).double().mean() > 0.9
        assert ((spread(3, 200) @ direction + bias) < 0).double().mean() > 0.9


def test_what_must_be_refused_is_and_what_is_familiar_is_not(model):
    means = calibrate.fit_familiarity(model, [pictures(0, 300, across=True)])
    strange = pictures(1, 100, across=False)
    bright = np.clip(pictures(3, 100, across=True).astype(int) + 60, 0, 255).astype(np.uint8)
    with torch.no_grad():
        unfamiliar.fit(model, means, [strange[:50], bright[:50]], ALARMS)
        familiar, *others = (model.distance(calibrate.mean_tokens(model, images)[:, None].float())
                             for images in (pictures(2, 300, across=True), strange[50:],
                                            bright[50:]))
    limit = float(np.quantile(familiar, 1 - ALARMS))
    assert all((other > limit).double().mean() > 0.95 for other in others)
    assert float(familiar.median()) == pytest.approx(1, abs=0.3)


def test_weights_of_before_keep_their_distances(model):
    calibrate.fit_familiarity(model, [pictures(0, 100, across=True)])
    tokens = torch.randn(20, 4, 16)
    old = {name: tensor for name, tensor in model.state_dict().items() if name not in NEW_BUFFERS}
    again = LatentVqa(CONFIG, SEEN, 10, 3)
    again.load_state_dict(old)
    whitened = (tokens.mean(dim=1) - model.feature_mean) @ model.feature_whiten
    assert torch.allclose(again.distance(tokens), whitened.square().mean(dim=-1).sqrt())
    del old['feature_mean']
    with pytest.raises(RuntimeError, match='feature_mean'):
        again.load_state_dict(old)


def test_a_folder_of_pictures_and_each_damage_are_kinds_of_their_own(tmp_path):
    for number in range(4):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((20, 30, 3), 60 * number, np.uint8))
    recipe = Recipe('x', 'x', unfamiliar=str(tmp_path), preprocess=SEEN)
    found = list(unfamiliar.kinds(recipe, written(tmp_path / 'seen', 25)))
    assert [images.shape for images in found] == [
        (12, 32, 32, 3), *[(5, 32, 32, 3)] * len(familiarity.DAMAGES)]
    assert sorted(int(image.mean()) for image in found[0][:4]) == [0, 60, 120, 180]


def test_each_kind_has_a_direction_and_what_is_held_out_has_none():
    assert 1 + len(familiarity.DAMAGES) == STRANGE
    assert not {*familiarity.HELD_OUT} & {*familiarity.DAMAGES}


def test_a_damage_of_the_frame_spares_the_bars_beside_it(tmp_path):
    cv2.imwrite(str(tmp_path / '0.png'), np.full((20, 40, 3), 60, np.uint8))
    recipe = Recipe('x', 'x', unfamiliar=str(tmp_path),
                    preprocess=replace(SEEN, resize='letterbox'))
    damaged = list(unfamiliar.kinds(recipe, written(tmp_path / 'seen', 25, (16, 32))))[1:]
    for images in damaged:
        assert (images[:, :8] == GREY).all()
        assert (images[:, 24:] == GREY).all()
        assert (images[:, 8:24] != GREY).mean() > 0.4


def written(folder, many, shape=(32, 32)):
    """Return records of pictures of stripes, of this height and width."""
    folder.mkdir()
    found = [Record(folder / f'{number}.png', 'train', ()) for number in range(many)]
    for record, image in zip(found, pictures(0, many, across=True), strict=True):
        cv2.imwrite(str(record.image), image[:shape[0], :shape[1]])
    return found


def test_white_tables_are_found_among_the_others(tmp_path, model):
    records = written(tmp_path / 'seen', 20)
    for number in (3, 8, 9):  # a tenth of it white, as a table in the sun
        image = cv2.imread(str(records[number].image))
        image[:4] = 250
        cv2.imwrite(str(records[number].image), image)
    found = unfamiliar.white_tables(records, SEEN)
    assert len(found) == 3
    assert (found[:, :4] == 250).all()
    none = unfamiliar.white_tables(records[:3], SEEN)
    assert calibrate.mean_tokens(model, none).shape == (0, CONFIG.width)


def test_a_picture_that_cannot_be_read_is_named_before_training(tmp_path):
    written(tmp_path / 'x', 3)
    unfamiliar.check(str(tmp_path / 'x'))
    (tmp_path / 'x' / '1.png').write_bytes(b'')
    with pytest.raises(DatasetError, match='1.png'):
        unfamiliar.check(str(tmp_path / 'x'))


def test_a_folder_without_pictures_is_named_before_training(tmp_path):
    with pytest.raises(DatasetError, match=f'{tmp_path}: holds no pictures'):
        unfamiliar.paths(str(tmp_path))
    with pytest.raises(DatasetError, match='~nobody_here/x: '):
        unfamiliar.paths('~nobody_here/x')
    with pytest.raises(DatasetError, match='~nobody_here/x: '):
        Sources.of('~nobody_here/x', '')


def test_what_is_unfamiliar_decides_nothing_about_the_weights_that_are_trained():
    assert Recipe('x', 'x', unfamiliar='rooms').trains == Recipe('x', 'x').trains
