"""How much do the pictures tell? The recipe rooms.yaml, with and without them, three seeds.

    python test/performance/rooms.py DIR --out docs/results/rooms.json

DIR is DAQUAR's folder. Trains config/train/rooms.yaml, and the same once more on one small grey
picture in place of all: what a network learns from the questions alone. Then the int8 graphs
answer validation and test. A finished run stays in the folder, and a killed one goes on. Knows
nothing of ROS.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'test')]

from performance.latent import keep, processor, spread, write_bundle  # noqa: E402

if TYPE_CHECKING:
    from latent_vqa_ros.training.config import Recipe
    from latent_vqa_ros.training.data import Data

VIEWS = ('pictures', 'grey')
SEEDS = (0, 1, 2)
SPLITS = {'validation': 'fitted', 'test': 'test'}  # with the questions that cannot be right
RECIPE = ROOT / 'config' / 'train' / 'rooms.yaml'
SIDE = 64  # pixels of the grey picture
RESULT = 'result.json'  # in a run's folder
Json = dict[str, Any]


def recipe_of(view: str, seed: int, folder: Path) -> Recipe:
    """Return the recipe of a run."""
    from latent_vqa_ros.training.config import AugmentConfig, load_recipe

    found = replace(load_recipe(RECIPE), name=f'{view}_{seed}', seed=seed, data=str(folder),
                    threads=1)
    if view == 'pictures':
        return found
    return replace(found, augment=AugmentConfig(mirror=True, noise=0, gain=0, blur=0),
                   preprocess=replace(found.preprocess, height=SIDE, width=SIDE))


def without_pictures(data: Data, place: Path) -> Data:
    """Return the data, with one grey picture in place of all."""
    import cv2
    import numpy as np

    path = place / 'grey.png'
    cv2.imwrite(str(path), np.full((SIDE, SIDE, 3), 128, np.uint8))
    return replace(data, **{split: tuple(replace(record, image=path)
                                         for record in getattr(data, split))
                            for split in ('train', 'val', *SPLITS.values())})


def train(recipe: Recipe, view: str, place: Path) -> Json:
    """Train one run and answer with its int8 graphs."""
    import torch

    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.evaluation import evaluate
    from latent_vqa_ros.training import loop
    from latent_vqa_ros.training import run as stages
    from latent_vqa_ros.training.data import load_data

    data = load_data(recipe)
    if view == 'grey':
        data = without_pictures(data, place)
    model = stages.run(recipe, data, place, torch.device('cpu'))
    write_bundle(recipe, data, model, place / 'bundle')
    opened = open_pipeline(str(place / 'bundle'))
    found = {}
    for split, name in SPLITS.items():
        records = getattr(data, name)
        told = evaluate.predict(opened.backend, opened.bundle.manifest, records, view)
        report = evaluate.report(told, opened.bundle.manifest, records, data.blind, view, split)
        found[split] = {key: report[key] for key in ('accuracy', 'blind_accuracy', 'groups')}
    return {'seconds': round(sum(row['seconds'] for row in loop.Metrics.read(place)), 1), **found}


def result_of(view: str, seed: int, args: argparse.Namespace) -> Json:
    """Return what a run found, after training it where it is not finished."""
    from latent_vqa_ros.core.config import ConfigError
    from latent_vqa_ros.datasets.record import DatasetError

    recipe = recipe_of(view, seed, args.data)
    place = args.folder / recipe.name
    path = place / RESULT
    trained = {key: value for key, value in recipe.trains.items() if key != 'data'}
    if not path.is_file():
        place.mkdir(parents=True, exist_ok=True)
        try:
            told = train(recipe, view, place)
        except (ConfigError, DatasetError) as error:  # such as a begun run of another recipe
            sys.exit(f'rooms.py: {error}')
        keep(path, {'view': view, 'seed': seed, **told, 'trained': trained})
    found: Json = json.loads(path.read_text())
    if found.pop('trained') != trained:
        sys.exit(f'{path}: of another recipe; name another --folder')
    return found


def table(runs: list[Json]) -> str:
    """Return a line per kind of question: means over seeds, and the range, in percent."""
    lines = [['', 'questions', *VIEWS, 'blind'], ['---'] * (len(VIEWS) + 3)]
    for split in SPLITS:
        of = [[run[split] for run in runs if run['view'] == view] for view in VIEWS]
        first = runs[0][split]
        asked = sum(told['n'] for told in first['groups'].values())
        lines.append([split, str(asked), *(spread([each['accuracy'] for each in found])
                                           for found in of), spread([first['blind_accuracy']])])
        lines += [[f'{split}, {name}', str(told['n']),
                   *(spread([each['groups'][name]['accuracy'] for each in found])
                     for found in of), spread([told['blind']])]
                  for name, told in first['groups'].items()]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def main() -> int:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument('data', type=Path, metavar='DIR', help="DAQUAR's folder")
    made.add_argument('--folder', type=Path, default=ROOT / 'runs' / 'rooms_seeds', metavar='DIR',
                      help='where runs are kept (default runs/rooms_seeds)')
    made.add_argument('--out', type=Path, metavar='FILE', help='write the result there as well')
    args = made.parse_args()
    args.data = args.data.resolve()
    os.environ['OMP_NUM_THREADS'] = '1'
    runs = [result_of(view, seed, args) for seed in SEEDS for view in VIEWS]
    if args.out:
        keep(args.out, {'command': 'python test/performance/rooms.py DIR --out '
                                   'docs/results/rooms.json',
                        'processor': processor(), 'runs': runs})
    print(table(runs))
    return 0


if __name__ == '__main__':
    sys.exit(main())
