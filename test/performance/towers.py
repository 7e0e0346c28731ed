"""Which image tower begins the default model better? Two of them, short trainings, three seeds.

    python test/performance/towers.py --photographs DIR --out docs/results/towers.json
    python test/performance/towers.py --tower conv_stem

Trains config/train/towers.yaml with fewer scenes and epochs: `efficientnet_lite0` as that
recipe says, from ImageNet's weights and at a third of the learning rate; `conv_stem` from random
weights at the whole rate; all else is equal. Then the int8 graphs answer the test splits of both
worlds and a folder of photographs in the folder format. A finished run stays in the folder, and
a killed one goes on, so that one process may train each tower. Knows nothing of ROS.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'test')]

from performance.latent import keep, processor, spread, write_bundle  # noqa: E402

if TYPE_CHECKING:
    from latent_vqa_ros.training.config import Recipe

TOWERS = ('conv_stem', 'efficientnet_lite0')
SEEDS = (0, 1, 2)
RECIPE = ROOT / 'config' / 'train' / 'towers.yaml'
LIMIT = (6000, 3000)  # scenes of the wide world, of the workcell
EPOCHS = {'pretrain': 1, 'finetune': 2}
RESULT = 'result.json'  # in a run's folder
Json = dict[str, Any]


def recipe_of(tower: str, seed: int) -> Recipe:
    """Return the shortened recipe of a run."""
    from latent_vqa_ros.model.config import ModelConfig
    from latent_vqa_ros.training.config import load_recipe

    found = load_recipe(RECIPE)
    own: Json = {}
    if tower == 'conv_stem':  # as in default_1.yaml
        own = {'image_tower': tower, 'stem_channels': (32, 64, 128), 'stem_residuals': (1, 4, 3)}
    model: ModelConfig = replace(found.model, **own)
    return replace(
        found, name=f'{tower}_{seed}', seed=seed, limit=LIMIT, model=model, unfamiliar='',
        **{stage: replace(getattr(found, stage), epochs=epochs, **({'parts': {}} if own else {}))
           for stage, epochs in EPOCHS.items()})


def train(recipe: Recipe, place: Path, photographs: Path | None) -> Json:
    """Train one run and answer with its int8 graphs."""
    import torch

    from latent_vqa_ros import datasets
    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.evaluation import evaluate
    from latent_vqa_ros.training import loop
    from latent_vqa_ros.training import run as stages
    from latent_vqa_ros.training.data import load_data

    data = load_data(recipe)
    model = stages.run(recipe, data, place, torch.device('cpu'))
    write_bundle(recipe, data, model, place / 'bundle')
    opened = open_pipeline(str(place / 'bundle'))
    asked = {'simulated': (data.test, data.blind)}
    if photographs is not None:
        theirs = datasets.load(str(photographs))
        records = theirs.split('test')
        asked['photographs'] = records, theirs.blind_records or records
    found = {}
    for name, (records, blind) in asked.items():
        told = evaluate.predict(opened.backend, opened.bundle.manifest, records, name)
        report = evaluate.report(told, opened.bundle.manifest, records, blind, name, 'test')
        found[name] = {key: report[key] for key in ('accuracy', 'blind_accuracy', 'groups')}
    rows = loop.Metrics.read(place)
    return {'seconds': round(sum(row['seconds'] for row in rows), 1), **found,
            'validation': [[row['stage'], row['score']] for row in rows]}


def result_of(tower: str, seed: int, folder: Path, photographs: Path | None) -> Json:
    """Return what a run found, after training it where it is not finished."""
    from latent_vqa_ros.core.config import ConfigError
    from latent_vqa_ros.datasets.record import DatasetError

    recipe = recipe_of(tower, seed)
    place = folder / recipe.name
    path = place / RESULT
    if not path.is_file():
        place.mkdir(parents=True, exist_ok=True)
        try:
            told = train(recipe, place, photographs)
        except (ConfigError, DatasetError) as error:  # such as a begun run of another recipe
            sys.exit(f'towers.py: {error}')
        keep(path, {'tower': tower, 'seed': seed, **told, 'trained': recipe.trains})
    found: Json = json.loads(path.read_text())
    if found.pop('trained') != recipe.trains:
        sys.exit(f'{path}: of another recipe; name another --folder')
    return found


def table(runs: list[Json]) -> str:
    """Return a line per kind of question: means over seeds, and the range, in percent."""
    lines = [['', *TOWERS, 'blind'], ['---'] * (len(TOWERS) + 2)]
    for data in ('simulated', 'photographs'):
        if not all(data in run for run in runs):
            continue
        of = {tower: [run[data] for run in runs if run['tower'] == tower] for tower in TOWERS}
        first = runs[0][data]
        lines.append([data, *(spread([each['accuracy'] for each in found])
                              for found in of.values()), spread([first['blind_accuracy']])])
        lines += [[f'{data}, {name}',
                   *(spread([each['groups'][name]['accuracy'] for each in found])
                     for found in of.values()), spread([told['blind']])]
                  for name, told in first['groups'].items()]
    lines.append(['seconds', *(f'{statistics.mean(times):.0f}' if times else '' for times in (
        [run['seconds'] for run in runs if run['tower'] == tower] for tower in TOWERS)), ''])
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def main() -> int:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument('--folder', type=Path, default=ROOT / 'runs' / 'towers', metavar='DIR',
                      help='where runs are kept (default runs/towers)')
    made.add_argument('--photographs', type=Path, metavar='DIR',
                      help='photographs in the folder format, never trained on')
    made.add_argument('--tower', choices=TOWERS, help='train this one alone')
    made.add_argument('--out', type=Path, metavar='FILE', help='write the result there as well')
    args = made.parse_args()
    os.environ['OMP_NUM_THREADS'] = '1'
    runs = []
    for seed in SEEDS:
        for tower in (args.tower,) if args.tower else TOWERS:
            runs.append(result_of(tower, seed, args.folder, args.photographs))
    if args.out:
        keep(args.out, {'command': 'python test/performance/towers.py ' + ' '.join(sys.argv[1:]),
                        'processor': processor(), 'limit': LIMIT, 'epochs': EPOCHS, 'runs': runs})
    print(table(runs))
    return 0


if __name__ == '__main__':
    sys.exit(main())
