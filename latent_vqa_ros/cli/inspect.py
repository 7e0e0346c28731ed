"""The verb `inspect`: what a bundle holds, and whether its files are whole.

example:
  latent_vqa inspect --model models/easy_vqa

Prints the manifest, the size of each file, and parameters and multiply-accumulates (MACs, one
image and one question) per module. Compares every file with its sha256; exit code 1 when one is
missing or differs. It runs nothing and needs no torch.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.common import add_json, add_model, add_verb, one_document

if TYPE_CHECKING:
    from latent_vqa_ros.core.manifest import FileEntry, Manifest


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `inspect` to the command line."""
    parser = add_verb(subparsers, 'inspect', 'print a model bundle and check its files', __doc__)
    add_model(parser)
    add_json(parser, '{"path", "sha256", "manifest", "files", "modules"}')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a bundle; return 0 when every file is what the manifest says."""
    from latent_vqa_ros.core.models import find_model

    document = inspect(find_model(args.model))
    if args.json:
        print(one_document(finite(document), default=str))
    else:
        print(render(document))
    return 0 if all(file['check'] == 'ok' for file in document['files'].values()) else 1


def inspect(folder: Path) -> dict[str, Any]:
    """Return all that is known about a bundle; BundleError when its manifest cannot be read."""
    import yaml

    from latent_vqa_ros.core.bundle import read_manifest

    manifest, sha256 = read_manifest(folder)
    shown = yaml.safe_load(manifest.to_yaml())
    metrics = shown.get('metrics', {})
    return {
        'path': str(folder), 'sha256': sha256,
        'files': {name: check(folder / name, entry) for name, entry in manifest.files.items()},
        'modules': modules(manifest), 'manifest': shown | {
            'metrics': {key: metrics[key] for key in metrics if key != 'modules'}},
    }


def finite(value: Any) -> Any:
    """Return a document with null for numbers that JSON has not: NaN and infinities."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check(path: Path, entry: FileEntry) -> dict[str, Any]:
    """Compare one file with its entry: {"bytes", "sha256", "check"}, the check ok or why not."""
    import hashlib

    if not path.is_file():
        verdict = 'missing'
    elif path.stat().st_size != entry.bytes:
        verdict = f'has {path.stat().st_size} bytes instead'
    else:
        with path.open('rb') as file:
            whole = hashlib.sha256(file.read()).hexdigest() == entry.sha256
        verdict = 'ok' if whole else 'another sha256'
    return {'bytes': entry.bytes, 'sha256': entry.sha256, 'check': verdict}


def modules(manifest: Manifest) -> list[dict[str, Any]]:
    """Return name, parameters and macs of each module, as counted when the bundle was made."""
    rows = manifest.metrics.get('modules', ())
    try:
        return [{'name': str(row['name']), 'parameters': int(row['parameters']),
                 'macs': None if row['macs'] is None else int(row['macs'])} for row in rows]
    except (LookupError, TypeError, ValueError, OverflowError):
        return []  # whoever wrote it counted something else


def render(document: dict[str, Any]) -> str:
    """Return the document for a reader."""
    import yaml

    manifest = {key: value for key, value in document['manifest'].items()
                if key not in ('files', 'evidence')}
    parts = [f'# {document["path"]} (sha256 {document["sha256"]})',
             yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=99,
                            default_flow_style=None)]
    for name, file in document['files'].items():
        parts.append(f'{name:24}{file["bytes"]:>12,} bytes  {file["sha256"][:16]}…  '
                     f'{file["check"]}')
    if evidence := document['manifest'].get('evidence'):
        rows, columns = evidence['grid']
        parts.append(f'\nevidence: {len(evidence["words"])} words get a place on a grid of '
                     f'{rows} rows x {columns} columns')
    if document['modules']:
        parts.append(f'\n{"module":32}{"parameters":>14}{"MACs":>16}')
        parts += [_row(row) for row in document['modules']]
    return '\n'.join(parts)


def _row(row: dict[str, Any]) -> str:
    macs = '' if row['macs'] is None else f'{row["macs"]:,}'
    return f'{row["name"]:32}{row["parameters"]:>14,}{macs:>16}'
