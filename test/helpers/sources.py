"""Reads the sources without importing them: which module imports what, and where."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'latent_vqa_ros'


def python_files(folder: Path) -> list[Path]:
    """Return the Python files below a folder, build and cache folders left out."""
    return sorted(path for path in folder.rglob('*.py') if '__pycache__' not in path.parts)


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of each module imported anywhere in a file, type checking included."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f'{path}: relative import'
            yield node.module
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def third_party(path: Path) -> set[str]:
    """Return the top-level names that are neither ours nor the standard library's."""
    tops = {name.partition('.')[0] for name in imports(path)}
    return tops - set(sys.stdlib_module_names) - {'latent_vqa_ros'}
