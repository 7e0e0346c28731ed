"""The verb `export`: the float ONNX graphs of a bundle, checked against torch.

example:
  latent_vqa export --model easy_vqa --out float_graphs

Writes image_encoder.float.onnx and answerer.float.onnx, the twins of the bundle's int8 graphs,
from its model.safetensors. Refuses when a graph differs from torch by more than 1e-4.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from latent_vqa_ros.cli.common import add_json, add_model, add_verb


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `export` to the command line."""
    parser = add_verb(subparsers, 'export', 'write the float ONNX graphs of a bundle', __doc__)
    add_model(parser)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR')
    add_json(parser, '{"files": {name: bytes}}')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export and name the files."""
    from latent_vqa_ros.core.bundle import load
    from latent_vqa_ros.core.manifest import VQA
    from latent_vqa_ros.core.models import find_model
    from latent_vqa_ros.training.export import export_float

    bundle, sizes = load(find_model(args.model)), {}
    bundle.require(VQA)
    args.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix='.export-', dir=args.out) as scratch:  # both, whole, or none
        for path in export_float(bundle, Path(scratch)):
            whole = path.replace(args.out / path.name)
            sizes[str(whole)] = whole.stat().st_size
    if args.json:
        print(json.dumps({'files': sizes}))
    else:
        print('\n'.join(f'{name}  {size:,} bytes' for name, size in sizes.items()))
    return 0
