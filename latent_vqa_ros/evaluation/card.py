"""The model card: ``README.md`` and its pictures beside the bundle's files.

Every figure on it comes from the report and stands below the command that prints it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from latent_vqa_ros.core.manifest import ANSWERER, IMAGE_ENCODER, WEIGHTS, Manifest
from latent_vqa_ros.datasets.mixture import PLUS
from latent_vqa_ros.evaluation import evaluate, mistakes, plots

RELIABILITY, WRONG = 'reliability.png', 'wrong.png'
_WORST = 5  # weights named with their rounding error; groups named as the worst

Json = dict[str, Any]


def write(out: Path, manifest: Manifest, report: Json, training: str = '') -> None:
    """Write the card and its pictures; ``training`` is that section, where it is known."""
    plots.draw_reliability(report['reliability'], out / RELIABILITY)
    (out / WRONG).unlink(missing_ok=True)
    if report['mistakes']:
        plots.draw_wrong(report['mistakes'], out / WRONG)
    parts = (_head(manifest), training or _training(manifest, report), _accuracy(manifest, report),
             _more(manifest, report), _wrong(manifest, report), _quantization(report),
             _size(out, manifest, report))
    (out / 'README.md').write_text('\n\n'.join(filter(None, parts)) + '\n', encoding='utf-8')


def training_of(folder: Path) -> str:
    """Return the section about the training of a bundle's card; empty where there is none."""
    path = folder / 'README.md'
    text = path.read_text('utf-8') if path.is_file() else ''
    found = re.search(r'^## Training$.*?(?=^## |\Z)', text, re.MULTILINE | re.DOTALL)
    return found[0].strip() if found else ''


def _head(manifest: Manifest) -> str:
    return (f'# {manifest.name} {manifest.version}\n\n'
            f'A latent CLIP-VQA model for pictures of {manifest.preprocess.width}x'
            f'{manifest.preprocess.height} pixels, licence {manifest.license}. It answers with '
            f'one of {len(manifest.answers)} words: {", ".join(manifest.answers)}.\n'
            f'`latent_vqa questions --model {manifest.name}` lists what it can be asked.')


def _training(manifest: Manifest, report: Json) -> str:
    trained = manifest.training
    kinds = [kind for kind, n in report['counts']['train'].items() if n]
    data = _table(('split', *kinds), ((name, *(f'{counts[kind]:,}' for kind in kinds))
                                      for name, counts in report['counts'].items()))
    return (f'## Training\n\nOn `{trained["data"]}` with seed {trained["seed"]}, by\n\n'
            f'{_recipe(manifest, "train")}\n\nwhich also prints or writes what is below.'
            f'{_start(manifest)}{_sources(manifest)}\n\n{_stages(report["stages"])}'
            f'The weights learn from `train` alone; {_fitted(manifest)} fits the temperature and '
            'the limit of `unfamiliar_image`; the rest is answered once, at the end.\n\n'
            f'{data}')


def _start(manifest: Manifest) -> str:
    start = manifest.training.get('start')
    share = manifest.training.get('start_share')
    mixed = (f' The bundle has the mean of the weights it began with ({share:.0%}) and of the '
             f'trained ones ({1 - share:.0%}), whose validation stands below.') if share else ''
    chain = _repeatable(manifest)
    hours = sum(stage['seconds'] for each in chain
                for stage in each.get('stages', {}).values()) / 3600
    whole = f' The whole chain trained for {hours:.1f} hours.' if len(chain) > 1 else ''
    return f' Training began with the weights of {start}.{mixed}{whole}' if start else ''


def _sources(manifest: Manifest) -> str:
    """Name what others made and the model is made with, and its licence."""
    found = dict.fromkeys(f'{each["what"]} of {each["name"]} ({each["licence"]})'
                          for link in _chain(manifest) for each in link.get('sources', ()))
    return f' Made with {"; ".join(found)}.' if found else ''


def _stages(stages: Json) -> str:
    if not stages:
        return ''
    return (_table(('stage', 'epochs', 'seconds', 'processes', 'validation'), (
        (name, f'{s["epochs"]}', f'{s["seconds"]:,.0f}', f'{s["processes"]}',
         f'{s["validation"]:.2%}') for name, s in stages.items()))
        + f'\n\nThe machine that wrote this card has {os.cpu_count()} CPU cores.\n\n')


def _accuracy(manifest: Manifest, report: Json) -> str:
    found = report['int8']
    return ('## Accuracy on the test split\n\nint8, as shipped, printed by\n\n'
            f'{_evaluate(manifest)}\n\n```\n{evaluate.table(found)}\n```\n\n'
            f'{_floors(manifest, report)}\n\n{_looked(found)}{_worst(found)}'
            'The float graphs, in the same run of the recipe:\n\n'
            f'```\n{evaluate.table(report["float"])}\n```\n\n'
            f'![Reliability before and after temperature scaling]({RELIABILITY})\n\n'
            f'Temperature {manifest.temperature:g}, fitted on {_fitted(manifest)}. An image '
            f'farther than {manifest.max_distance:g} from the training images is '
            f'`unfamiliar_image`: {manifest.training["false_alarms"]:.1%} of these '
            'images with their augmented copies and these as a camera would send them are, and '
            f'{found["unfamiliar"]:.1%} of the test images.')


def _fitted(manifest: Manifest) -> str:
    """Return the split that limits are fitted on: of the first data set, where there are more."""
    first, plus, _ = manifest.training['data'].partition(PLUS)
    return f'`val` of `{first}`' if plus else '`val`'


def _floors(manifest: Manifest, report: Json) -> str:
    text = ('Blind is a model that never sees the picture: it gives the answer that is most '
            f'frequent for the same question (or else its group) in `{report["blind"]}`.')
    if PLUS in manifest.training['data']:
        text += (' It has learnt from all data sets here, and from one where '
                 '`latent_vqa evaluate` is given one, so that its column differs a little.')
    if any('shortcut' in group for group in report['int8']['groups'].values()):
        text += (' Shortcut is one guess of one who knows which things are in the picture, but '
                 'not where: most of them, or yes. What is above both took looking.')
    return text


def _looked(found: Json) -> str:
    if 'pointing' not in found:
        return ''
    pointing = found['pointing']
    return (f'Where it looked: of {pointing["n"]:,} phrases that name one thing, '
            f'{pointing["accuracy"]:.2%} attend most to a cell of the image that touches the '
            'box of that thing. How sure it is: the tenth of the answers with the lowest '
            f'confidence left out, {found["accuracy_surest_90"]:.2%} are right instead of '
            f'{found["accuracy"]:.2%}.\n\n')


def _worst(found: Json) -> str:
    groups = sorted(found['groups'].items(), key=lambda item: item[1]['accuracy'])[:_WORST]
    if len(found['groups']) <= _WORST:
        return ''
    return ('The worst groups: '
            + ', '.join(f'{name} {group["accuracy"]:.2%}' for name, group in groups) + '.\n\n')


def _more(manifest: Manifest, report: Json) -> str:
    if not report['more']:
        return ''
    tables = (f'{_evaluate(manifest, name)}\n\n```\n{evaluate.table(found)}\n```'
              for name, found in report['more'].items())
    return '## Accuracy on further splits\n\n' + '\n\n'.join(tables)


def _wrong(manifest: Manifest, report: Json) -> str:
    shown = len(report['mistakes'])
    if not shown:
        return '## Wrong answers\n\nNone on the test split.'
    text = ('## Wrong answers\n\nWritten with this card, and again from the bundle, without '
            'training, by\n\n'
            f'{_recipe(manifest, "quantize")} --model models/{manifest.name}\n\n'
            f'![Wrong answers]({WRONG})\n\n'
            f'Shown: the {shown} wrong answers of the test split with the highest confidence, at '
            f'most {mistakes.PER_GROUP} of a group.')
    titles = {'things': 'things in the picture', 'pixels': 'smallest thing named, in pixels'}
    for key, title in titles.items():
        if report['causes'][key]:
            rows = ((row['name'], f'{row["n"]:,}', f'{row["wrong"]:.2%}')
                    for row in report['causes'][key])
            text += '\n\n' + _table((title, 'questions', 'wrong'), rows)
    if report['causes']['pixels']:
        text += ('\n\nPixels are the side of a square as large as the box of what is seen of the '
                 "thing, at the size of the model's input.")
    return text


def _quantization(report: Json) -> str:
    worst = list(report['weight_errors'].items())[:_WORST]
    return ('## int8 against float\n\nThe last line is printed by `latent_vqa train` and '
            '`latent_vqa quantize`, on the test split.\n\n'
            + _table(('group', 'answers that differ'), (
                (name, f'{share:.3%}') for name, share in report['disagreement'].items()))
            + '\n\nThe weights with the largest rounding error (norm of the error by norm of the '
            'weight):\n\n'
            + _table(('weight', 'error'), ((f'`{name}`', f'{error:.4f}')
                                           for name, error in worst)))


def _size(out: Path, manifest: Manifest, report: Json) -> str:
    return (f'## Size\n\nPrinted by\n\n    latent_vqa inspect --model models/{manifest.name}\n\n'
            + _table(('file', 'bytes'), ((f'`{name}`', f'{(out / name).stat().st_size:,}')
                                         for name in (IMAGE_ENCODER, ANSWERER, WEIGHTS)))
            + '\n\nOne image and one question of at most eight tokens:\n\n'
            + _table(('module', 'parameters', 'multiply-accumulates'), (
                (m['name'], f'{m["parameters"]:,}', f'{m["macs"]:,}') for m in report['modules'])))


def _evaluate(manifest: Manifest, split: str = 'test') -> str:
    of, _, split = split.rpartition('/')  # a mixture calls the test of one data set NAME/test
    data = of or manifest.training['data']
    return (f'    latent_vqa evaluate --model models/{manifest.name} --data '
            + (f'"{data}"' if ' ' in data else data)
            + ('' if split == 'test' else f' --split {split}'))


def _recipe(manifest: Manifest, verb: str) -> str:
    names = [each['recipe'] for each in _repeatable(manifest)] if verb == 'train' else [
        manifest.training['recipe']]
    return f'    latent_vqa {verb} ' + ' '.join(f'config/train/{name}' for name in names)


def _repeatable(manifest: Manifest) -> list[Json]:
    """Return the trainings of a chain that began with random weights, else the last one alone."""
    found = _chain(manifest)
    return found[-1:] if 'start' in found[0] else found


def _chain(manifest: Manifest) -> list[Json]:
    """Return what is told of each training of a chain, the first one first."""
    found = [dict(manifest.training)]
    while 'data_sha256' in (before := found[0].get('before', {})):
        found.insert(0, before)
    return found


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (titles, ['---'] * len(titles), *rows)
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
