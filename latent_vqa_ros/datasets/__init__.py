"""One adapter per file; every adapter yields the same records."""

from __future__ import annotations

from pathlib import Path

from latent_vqa_ros.datasets.record import Dataset, DatasetError


def load(name_or_path: str) -> Dataset:
    """Return a dataset by name (``easy_vqa``) or from a folder with ``questions.jsonl``."""
    if name_or_path == 'easy_vqa':
        from latent_vqa_ros.datasets import easy_vqa
        return easy_vqa.load()
    folder = Path(name_or_path).expanduser()
    if (folder / 'questions.jsonl').is_file():
        from latent_vqa_ros.datasets import folder as adapter
        return adapter.load(folder)
    raise DatasetError(f'no data {name_or_path!r}: neither easy_vqa nor a folder with '
                       'questions.jsonl')
