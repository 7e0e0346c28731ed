"""Reads the sources without importing them: which module imports what, and where."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'latent_vqa_ros'
# of rclpy, without an underscore: documented nowhere
UNDOCUMENTED = {'handle', 'take_message', 'event_handlers', 'take_data'}


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


def edges(path: Path, modules: set[str]) -> Iterator[str]:
    """Yield those of our modules that a file imports anywhere, type checking included."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            full = (f'{node.module}.{alias.name}' for alias in node.names)
            yield from (name if name in modules else node.module for name in full)


def module_name(path: Path) -> str:
    """Return the name that a file of the package is imported by."""
    parts = path.relative_to(PACKAGE.parent).with_suffix('').parts
    return '.'.join(parts).removesuffix('.__init__')


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return one way round for each edge that closes a circle, found depth first."""
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> None:
        if name in way:
            found.append([*way[way.index(name):], name])
        elif name not in done:
            for other in sorted(graph[name]):
                visit(other, [*way, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    return found


def third_party(path: Path) -> set[str]:
    """Return the top-level names that are neither ours nor the standard library's."""
    tops = {name.partition('.')[0] for name in imports(path)}
    return tops - set(sys.stdlib_module_names) - {'latent_vqa_ros'}


def private_of_others(path: Path) -> set[str]:
    """Return the attributes that a file takes from inside another object: _x of no self."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
             if isinstance(node, ast.Attribute)]
    return {node.attr for node in nodes
            if (node.attr.startswith('_') and not node.attr.startswith('__')
                and not (isinstance(node.value, ast.Name) and node.value.id in ('self', 'cls')))
            or node.attr in UNDOCUMENTED}
