"""The model card: ``README.md`` and a reliability diagram beside the bundle's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from latent_vqa_ros.core.bundle import ANSWERER, IMAGE_ENCODER, WEIGHTS, Manifest
from latent_vqa_ros.training import evaluate, plots

RELIABILITY = 'reliability.png'
_WORST = 5  # weights named with their rounding error


def write(out: Path, manifest: Manifest, report: dict[str, Any]) -> None:
    """Write the card; every figure on it comes from the report."""
    plots.draw_reliability(report['reliability'], out / RELIABILITY)
    text = '\n\n'.join((_head(manifest), _accuracy(manifest, report), _quantization(report),
                        _size(out, report)))
    (out / 'README.md').write_text(text + '\n', encoding='utf-8')


def _head(manifest: Manifest) -> str:
    trained = manifest.training
    return (f'# {manifest.name} {manifest.version}\n\n'
            f'A latent CLIP-VQA model for pictures of {manifest.preprocess.width}x'
            f'{manifest.preprocess.height} pixels, licence {manifest.license}. Trained on '
            f'`{trained["data"]}` with seed {trained["seed"]} by\n\n'
            f'    latent_vqa train config/train/{manifest.name}.yaml\n\n'
            f'It answers with one of {len(manifest.answers)} words: '
            f'{", ".join(manifest.answers)}.\n`latent_vqa questions --model {manifest.name}` '
            'lists what it can be asked.')


def _accuracy(manifest: Manifest, report: dict[str, Any]) -> str:
    return ('## Accuracy on the test split\n\nint8, as shipped, printed by\n\n'
            f'    latent_vqa evaluate --model models/{manifest.name} --data '
            f'{manifest.training["data"]}\n\n```\n{evaluate.table(report["int8"])}\n```\n\n'
            'A blind model never sees the picture: it gives the most frequent answer of training '
            'to the same question.\n\nThe float graphs, in the same run of the recipe:\n\n'
            f'```\n{evaluate.table(report["float"])}\n```\n\n'
            f'![Reliability before and after temperature scaling]({RELIABILITY})\n\n'
            f'Temperature {manifest.temperature:g}, fitted on the validation split. An image '
            f'farther than {manifest.max_distance:g} from the training images is '
            f'`unfamiliar_image`: {manifest.training["false_alarms"]:.1%} of the validation '
            f'images are, and {report["int8"]["unfamiliar"]:.1%} of the test images.')


def _quantization(report: dict[str, Any]) -> str:
    rows = '\n'.join(f'| {name} | {share:.3%} |' for name, share in report['disagreement'].items())
    worst = list(report['weight_errors'].items())[:_WORST]
    errors = '\n'.join(f'| `{name}` | {error:.4f} |' for name, error in worst)
    return ('## int8 against float\n\n| group | answers that differ |\n|---|---|\n' + rows
            + '\n\nThe weights with the largest rounding error, relative to their largest '
            'value:\n\n| weight | error |\n|---|---|\n' + errors)


def _size(out: Path, report: dict[str, Any]) -> str:
    files = '\n'.join(f'| `{name}` | {(out / name).stat().st_size:,} |'
                      for name in (IMAGE_ENCODER, ANSWERER, WEIGHTS))
    modules = '\n'.join(f'| {m["name"]} | {m["parameters"]:,} | {m["macs"]:,} |'
                        for m in report['modules'])
    return ('## Size\n\n| file | bytes |\n|---|---|\n' + files
            + '\n\nOne image and one question of eight tokens:\n\n'
            '| module | parameters | multiply-accumulates |\n|---|---|---|\n' + modules)
