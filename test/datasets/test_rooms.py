"""Drawn rooms: what is there is not drawn again, and needs no right to write."""

from pathlib import Path

from latent_vqa_ros.datasets import rooms


def test_rooms_that_are_there_need_no_writable_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    folder = rooms.images.cache() / f'rooms-{rooms.VERSIONS["rooms"]}'
    folder.mkdir(parents=True)
    for number in range(2):
        (folder / f'{number:04d}.jpg').touch()
    monkeypatch.setattr(Path, 'open', None)  # fails where it is called
    assert [path.name for path in rooms.ready(2)] == ['0000.jpg', '0001.jpg']
    assert len([*folder.iterdir()]) == 2
