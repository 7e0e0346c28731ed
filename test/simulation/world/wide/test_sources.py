"""What nobody drew: a user's photographs and meshes, and the package of textures."""

import copy
import math
from importlib import metadata

import cv2
import numpy as np
import pytest

from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation.world.wide import kinds, sources, surfaces
from latent_vqa_ros.simulation.world.wide.cell import WideCell
from latent_vqa_ros.simulation.world.wide.clutter import PROP_SIZES
from latent_vqa_ros.simulation.world.wide.sources import Sources


def test_photographs_of_a_folder_are_used_and_every_fifth_is_held_out(tmp_path):
    for number in range(10):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((40, 500, 3), 20 * number, np.uint8))
    found = Sources(photos_at=tmp_path)
    held_out = [int(one[0, 0, 0]) for one in found.photos(True)]
    assert held_out == [0, 100]
    assert sorted(held_out + [int(one[0, 0, 0]) for one in found.photos(False)]) == list(
        range(0, 200, 20))
    assert all(max(one.shape) <= 320 for one in found.photos(False))


def test_of_too_many_photographs_some_are_taken_from_all(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, 'MOST', 10)
    for number in range(25):
        cv2.imwrite(str(tmp_path / f'{number:02}.png'), np.full((9, 9, 3), 10 * number, np.uint8))
    found = Sources(photos_at=tmp_path)
    levels = sorted(int(one[0, 0, 0]) // 10 for held in (True, False)
                    for one in found.photos(held))
    assert levels == [0, 2, 5, 7, 10, 12, 15, 17, 20, 22]
    assert len(list(found.files())) == 10


@pytest.mark.parametrize(('given', 'said'), [
    ({'photos_at': 4}, '4 photographs .* at least 5'), ({'photos_at': 0}, '0 photographs'),
    ({'meshes_at': 4}, 'no meshes')])
def test_a_folder_with_too_little_is_one_line_before_anything_is_drawn(tmp_path, given, said):
    (where, count), = given.items()
    for number in range(count):
        (tmp_path / f'{number}.png').touch()
    with pytest.raises(DatasetError, match=said) as caught:
        Sources(**{where: tmp_path}).check()
    assert '\n' not in str(caught.value)


def test_prints_are_photographs_half_of_the_time_and_drawn_without_any(wide_studio):
    bank = copy.copy(wide_studio.bank)
    bank.drawn, bank.photos = ([np.full((kinds.SIDE, kinds.SIDE, 3), level, np.uint8)]
                               for level in (0, 200))
    rng = np.random.default_rng(0)
    levels = [int(bank.photo(rng, 8, 8)[0, 0, 0]) for _ in range(400)]
    assert levels.count(0) + levels.count(200) == 400
    assert 150 < levels.count(200) < 250
    bank.photos = []
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    bank.photo(one, 8, 8)
    surfaces._cut(other, surfaces.pick(other, bank.drawn), 0.2)
    assert one.bit_generator.state == other.bit_generator.state  # scenes of before stay


TETRAHEDRON = 'v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 1 4 3\n'


def test_a_user_s_mesh_lies_about_at_its_size(tmp_path):
    (tmp_path / 'tool.obj').write_text(TETRAHEDRON)
    cell = WideCell(Sources(meshes_at=tmp_path))
    assert cell.props == len(sources.MESHES) + 1
    for size, metres in enumerate(PROP_SIZES):
        mesh = cell.model.mesh(f'prop{cell.props - 1}_{size}')
        start, count = int(mesh.vertadr[0]), int(mesh.vertnum[0])
        points = cell.model.mesh_vert[start:start + count]
        edges = np.linalg.norm(points[:, None] - points[None], axis=-1)
        assert edges.max() == pytest.approx(metres * math.sqrt(2), rel=1e-4)


def test_meshes_are_found_in_folders_and_those_of_one_name_are_all_there(tmp_path):
    written = {}
    for name, size in (('025_mug/textured.obj', 1), ('035_drill/textured.obj', 2), ('TOP.OBJ', 3)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        written[TETRAHEDRON.replace('1', str(size), 3)] = path.with_suffix('.PNG')
        path.write_text(TETRAHEDRON.replace('1', str(size), 3))
    picture = tmp_path / '035_drill' / 'textured.PNG'
    cv2.imwrite(str(tmp_path / 'x.png'), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / 'x.png').rename(picture)
    found = Sources(meshes_at=tmp_path)
    found.check()
    mine = list(found.meshes())[len(sources.MESHES):]
    assert len({name for name, *_ in mine}) == 3
    assert {content.decode(): has for _, content, has in mine} == {
        text: picture.read_bytes() if path == picture else None for text, path in written.items()}
    assert len(list(found.files())) == 4
    assert WideCell(found).props == len(sources.MESHES) + 3


@pytest.mark.parametrize('content', ['', 'v a b c', 'v 0 0 0\n', 'v 0 0 0\nv 1 0 0\nv 0 1 0\n',
                                     TETRAHEDRON.replace('f 1 3 2', 'f 1 9 2')])
def test_what_is_no_mesh_is_one_line(tmp_path, content):
    (tmp_path / 'tool.obj').write_text(content)
    with pytest.raises(DatasetError, match='mesh') as caught:
        WideCell(Sources(meshes_at=tmp_path))
    assert '\n' not in str(caught.value)


def test_a_missing_package_of_pictures_is_one_line_that_names_the_command(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, 'distribution', missing)
    with pytest.raises(DatasetError, match='pip install --no-deps robosuite==1.5.2') as caught:
        sources.assets()
    assert '\n' not in str(caught.value)
