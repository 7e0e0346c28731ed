"""Several data sets as one: what a recipe with ``data: [tabletop_wide, tabletop]`` sees.

Their parts train, val and test are put together, one set after the other. Each set's own test, and
its further test splits, stay apart under names such as ``tabletop/test``. A blind
model learns from what each set gives it. Opens no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from latent_vqa_ros.datasets.record import SPLITS, Dataset, DatasetError, Record

PLUS = ' + '  # between the names of a mixture's data sets


def first(dataset: Dataset, limit: int | None) -> Dataset:
    """Return a dataset with at most so many records of each split, the first ones."""
    if limit is None:
        return dataset
    names = sorted({record.split for record in dataset.records})
    kept = (record for name in names for record in dataset.split(name)[:limit])
    return replace(dataset, records=tuple(kept))


def join(datasets: Sequence[Dataset]) -> Dataset:
    """Return several datasets as one, a single one as it is; DatasetError for equal names."""
    if len(datasets) == 1:
        return datasets[0]
    names = [dataset.name for dataset in datasets]
    if len(set(names)) < len(names):
        raise DatasetError(f'data: two data sets have one name: {", ".join(names)}; their tests '
                           'could not be told apart')
    records: list[Record] = []
    for dataset in datasets:
        records += (r for r in dataset.records if r.split in SPLITS)
        records += (replace(r, split=f'{dataset.name}/{r.split}') for r in dataset.records
                    if r.split not in ('train', 'val'))
    floor = tuple(record for dataset in datasets for record in dataset.blind_records)
    return Dataset(PLUS.join(names), tuple(records), floor=floor)
