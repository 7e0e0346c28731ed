"""Does latent attention pay? Its designs beside the dense twin: accuracy, size and time.

    python test/performance/latent.py --out docs/results/latent.json
    python test/performance/latent.py --out docs/results/latent.json --no-training

Trains each design on EasyVQA with three seeds: config/train/easy_vqa.yaml with fewer epochs, on
one thread. A finished run stays in the folder and is not trained again; a killed one begins anew,
so that its CPU time is whole. The result is written after each run. What a design costs needs no
training: parameters, multiply-accumulates, and the int8 graphs of random weights, which take turns
in this process; in the place of the shipped tabletop and of easy_vqa, whose pictures have a
quarter of the tokens. Times are compared with the dense twin's, never quoted. --no-training
measures costs alone, --no-timing leaves them as they were. Knows nothing of ROS.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from latent_vqa_ros.core.manifest import Manifest
    from latent_vqa_ros.model.vqa import LatentVqa
    from latent_vqa_ros.training.config import Recipe
    from latent_vqa_ros.training.data import Data

DENSE = 'dense'
DESIGNS = {  # name -> latent_dim, placement
    DENSE: (None, 'per_block'),
    **{f'{placement} {r}': (r, placement) for placement in ('per_block', 'stem')
       for r in (64, 32, 16)}}
SEEDS = (0, 1, 2)
RECIPE = ROOT / 'config' / 'train' / 'easy_vqa.yaml'
EPOCHS = {'pretrain': 3, 'finetune': 2}  # instead of the recipe's
SIZES = ('tabletop', 'easy_vqa')  # shipped bundles, in whose place costs are measured
BLOCKS = ('clip.image_encoder.tower', 'clip.text_encoder', 'fusion')  # all but the convolutions
REPEAT = 300
RESULT, COSTS = 'result.json', 'costs.json'  # in a run's folder, in the folder of all
Json = dict[str, Any]


def recipe_of(design: str, seed: int = 0) -> Recipe:
    """Return the shortened recipe of a run."""
    from latent_vqa_ros.training.config import load_recipe

    found, (latent, placement) = load_recipe(RECIPE), DESIGNS[design]
    return replace(
        found, name=f'{design} {seed}'.replace(' ', '_'), seed=seed, threads=1,
        model=replace(found.model, latent_dim=latent, placement=placement),
        **{stage: replace(getattr(found, stage), epochs=epochs, stop_at=None)
           for stage, epochs in EPOCHS.items()})


def shipped(size: str) -> Manifest:
    """Return the manifest of a shipped bundle."""
    from latent_vqa_ros.core.bundle import read_manifest
    from latent_vqa_ros.core.models import find_model

    return read_manifest(find_model(size))[0]


def instead_of(size: str, design: str) -> Recipe:
    """Return a recipe, never trained, whose model is a shipped one but for its attention."""
    from latent_vqa_ros.model.config import architecture
    from latent_vqa_ros.training.config import AugmentConfig

    manifest, (latent, placement) = shipped(size), DESIGNS[design]
    model = replace(architecture(manifest), latent_dim=latent, placement=placement)
    return replace(recipe_of(design), model=model, preprocess=manifest.preprocess,
                   augment=AugmentConfig(), calibration_images=32)


def runs(folder: Path) -> list[tuple[str, Recipe, Json | None]]:
    """Return design, recipe and result of each run, seed by seed; None: not finished."""
    found = []
    for seed in SEEDS:
        for design in DESIGNS:
            recipe = recipe_of(design, seed)
            path = folder / recipe.name / RESULT
            result = json.loads(path.read_text()) if path.is_file() else None
            if result is not None and result['trained'] != recipe.trains:
                sys.exit(f'{path}: of another recipe; name another --folder')
            found.append((design, recipe, result))
    return found


def train_missing(folder: Path, out: Path | None) -> None:
    """Train what has no result yet; write what is known after each run."""
    for design, recipe, result in runs(folder):
        if result is None:
            place = folder / recipe.name
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            keep(place / RESULT, {'design': design, 'seed': recipe.seed, **train(recipe, place),
                                  'trained': recipe.trains})
            write(folder, out)


def train(recipe: Recipe, place: Path) -> Json:
    """Train one run, make its int8 bundle and answer the test split with it."""
    import torch

    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.evaluation import evaluate
    from latent_vqa_ros.training import loop
    from latent_vqa_ros.training import run as stages
    from latent_vqa_ros.training.data import load_data

    data, begun = load_data(recipe), time.process_time()
    model = stages.run(recipe, data, place, torch.device('cpu'))
    cpu_s = time.process_time() - begun
    write_bundle(recipe, data, model, place / 'bundle')
    opened = open_pipeline(str(place / 'bundle'))
    manifest = opened.bundle.manifest
    found = evaluate.predict(opened.backend, manifest, data.test, recipe.name)
    report = evaluate.report(found, manifest, data.test, data.blind, data.name, 'test')
    return {'cpu_s': round(cpu_s, 1), 'accuracy': report['accuracy'],
            'blind': report['blind_accuracy'], 'groups': report['groups'],
            'validation': [[row['stage'], row['score']] for row in loop.Metrics.read(place)]}


def write_bundle(recipe: Recipe, data: Data, model: LatentVqa, folder: Path) -> None:
    """Write the model's int8 graphs as a bundle."""
    from latent_vqa_ros.core.config import to_mapping
    from latent_vqa_ros.core.manifest import ANSWERER, IMAGE_ENCODER, Manifest, vqa_graphs
    from latent_vqa_ros.training import assemble, export
    from latent_vqa_ros.training.run import bank_ids

    folder.mkdir(parents=True, exist_ok=True)
    model.eval().set_bank(bank_ids(data))
    with TemporaryDirectory(prefix='latent_vqa_') as work:
        floats = export.export_graphs(model, recipe.preprocess, recipe.model.max_tokens,
                                      Path(work))
        assemble.quantize_graphs(recipe, data, floats, folder)
    export.write_manifest(folder, Manifest(
        name=recipe.name, version=recipe.version, license=recipe.license,
        preprocess=recipe.preprocess, graphs=vqa_graphs(False),
        max_tokens=recipe.model.max_tokens, vocabulary=data.tokenizer.vocabulary,
        answers=data.answers, questions=assemble.examples(data.questions),
        architecture=to_mapping(recipe.model)), (IMAGE_ENCODER, ANSWERER))


def measure_costs(folder: Path, repeat: int) -> None:
    """Keep in the folder what each design costs in the place of each shipped model.

    Counts come first, then the times, one shipped model after the other.
    """
    found = {'processor': processor(), 'repeat': repeat,
             'sizes': {size: counts(size) for size in SIZES}}
    folder.mkdir(parents=True, exist_ok=True)
    keep(folder / COSTS, found)
    for size, told in found['sizes'].items():
        for design, ratios in times(random_bundles(folder, size), repeat).items():
            told['designs'][design] |= ratios
        keep(folder / COSTS, found)


def counts(size: str) -> Json:
    """Return parameters and multiply-accumulates for an image and a question of 8 tokens."""
    from latent_vqa_ros.model.count import count
    from latent_vqa_ros.model.vqa import LatentVqa

    manifest, found = shipped(size), {}
    for design in DESIGNS:
        recipe = instead_of(size, design)
        rows = count(LatentVqa(recipe.model, recipe.preprocess, manifest.tokenizer.size,
                               len(manifest.answers)).eval(), recipe.preprocess)
        found[design] = {
            'parameters': sum(row['parameters'] for row in rows),
            'macs': sum(row['macs'] for row in rows),
            'block_macs': sum(row['macs'] for row in rows if row['name'] in BLOCKS)}
    seen, (cell, _) = recipe.preprocess, recipe.model.strides
    return {'version': manifest.version, 'pixels': [seen.height, seen.width],
            'tokens': seen.height * seen.width // cell ** 2, 'designs': found}


def random_bundles(folder: Path, size: str) -> dict[str, Path]:
    """Return a bundle of random weights per design, made where it is missing."""
    from latent_vqa_ros.core.bundle import MANIFEST
    from latent_vqa_ros.training import run as stages
    from latent_vqa_ros.training.data import load_data

    found, version = {}, shipped(size).version
    for design in DESIGNS:
        recipe = instead_of(size, design)
        found[design] = folder / 'random' / f'{size}-{version}' / recipe.name
        if not (found[design] / MANIFEST).is_file():
            data = load_data(recipe)  # EasyVQA, for a bundle needs words
            write_bundle(recipe, data, stages.build(recipe, data), found[design])
    return found


def times(bundles: dict[str, Path], repeat: int) -> dict[str, Json]:
    """Return each design's int8 times as ratios of medians to the dense twin's."""
    import cv2

    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.cli import bench

    cv2.setNumThreads(1)
    opened = {design: open_pipeline(str(path)) for design, path in bundles.items()}
    took = {design: {step: statistics.median(of.steps[step]) for step in ('encode', 'answer')}
            for design, of in bench.measure(opened, repeat).items()}
    return {design: {'time': ratio(own, took[DENSE], 'encode', 'answer'),
                     'encode': ratio(own, took[DENSE], 'encode'),
                     'answer': ratio(own, took[DENSE], 'answer')}
            for design, own in took.items()}


def ratio(some: dict[str, float], others: dict[str, float], *steps: str) -> float:
    return round(sum(some[step] for step in steps) / sum(others[step] for step in steps), 3)


def document_of(folder: Path) -> Json:
    """Return what the folder holds: the results of finished runs, and the costs."""
    found = [{key: value for key, value in result.items() if key != 'trained'}
             for _, _, result in runs(folder) if result is not None]
    path = folder / COSTS
    return {'command': 'python test/performance/latent.py ' + ' '.join(sys.argv[1:]),
            'epochs': EPOCHS, 'seeds': list(SEEDS), 'runs': found,
            'costs': json.loads(path.read_text()) if path.is_file() else None}


def write(folder: Path, out: Path | None) -> Json:
    """Write what is known to ``out``; return it."""
    document = document_of(folder)
    if out is not None:
        keep(out, document)
    return document


def keep(path: Path, document: Json) -> None:
    """Write a document in one step, so that a killed process leaves none half written."""
    beside = path.with_name(f'.{path.name}.part')
    beside.write_text(json.dumps(document, indent=1) + '\n')
    os.replace(beside, path)


def table(document: Json) -> str:
    """Return the table of docs/latent.md: a line per design, means over the finished seeds."""
    groups = sorted({name for run in document['runs'] for name in run['groups']})
    sizes = list(document['costs']['sizes'].values()) if document['costs'] else []
    heads = ['design', 'seeds', 'right', *groups, 'CPU s', 'parameters',
             *(f'{size["tokens"]} tokens: {head}' for size in sizes
               for head in ('MACs', 'of blocks', 'int8 time'))]
    lines = [heads, ['---'] * len(heads)]
    for design in DESIGNS:
        done = [run for run in document['runs'] if run['design'] == design]
        lines.append([design, str(len(done)), spread([run['accuracy'] for run in done]),
                      *(spread([run['groups'][name]['accuracy'] for run in done])
                        for name in groups),
                      f'{statistics.mean(run["cpu_s"] for run in done):.0f}' if done else '',
                      *cost_cells([size['designs'][design] for size in sizes])])
    for run in document['runs'][:1]:
        blind = [run['blind'], *(run['groups'][name]['blind'] for name in groups)]
        lines.append(['blind', '', *map(percent, blind), *[''] * (len(heads) - 2 - len(blind))])
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def cost_cells(found: list[Json]) -> list[str]:
    """Return the cells of a design's costs; the parameters are EasyVQA's."""
    return [f'{found[-1]["parameters"] / 1e3:.0f} k' if found else '', *(
        cell for cost in found for cell in (
            f'{cost["macs"] / 1e6:.1f} M', f'{cost["block_macs"] / 1e6:.1f} M',
            f'{cost["time"]:.2f}' if 'time' in cost else ''))]


def spread(shares: list[float]) -> str:
    """Return the mean of shares in percent and, where there are several, the range."""
    if not shares:
        return ''
    ends = f' ({percent(min(shares))} to {percent(max(shares))})' if len(shares) > 1 else ''
    return percent(statistics.mean(shares)) + ends


def percent(share: float) -> str:
    return f'{100 * share:.1f}'


def processor() -> str:
    """Return the processor's name and how many processes wanted it."""
    lines = Path('/proc/cpuinfo').read_text().splitlines()
    name = next((line.partition(':')[2].strip() for line in lines
                 if line.startswith('model name')), 'unknown processor')
    return f'{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}'


def main() -> int:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument('--folder', type=Path, default=ROOT / 'runs' / 'latent', metavar='DIR',
                      help='where runs are kept (default runs/latent)')
    made.add_argument('--out', type=Path, metavar='FILE', help='write the result there as well')
    made.add_argument('--no-training', action='store_true', help='measure the costs only')
    made.add_argument('--no-timing', action='store_true', help='train only')
    made.add_argument('--repeat', type=int, default=REPEAT, metavar='N',
                      help='repetitions of the timing (default %(default)s)')
    args = made.parse_args()
    os.environ['OMP_NUM_THREADS'] = '1'
    if not args.no_training:
        train_missing(args.folder, args.out)
    if not args.no_timing:
        measure_costs(args.folder, args.repeat)
    document = write(args.folder, args.out)
    print(table(document))
    print(f'{len(document["runs"])} of {len(runs(args.folder))} runs are finished')
    return 0


if __name__ == '__main__':
    sys.exit(main())
