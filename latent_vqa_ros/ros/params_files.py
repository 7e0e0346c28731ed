"""Parameter files in which nothing is meant for this node: ROS ignores them without a word.

    for line in unread(sys.argv, '/vqa'): warn(line)

The usual slip is the executable's name, ``vqa_node:``, where the node's belongs, ``vqa:``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1 << 20
PAGE = 'vqa_web'  # the page beside the node takes its parameters from the same file


def unread(argv: Sequence[str], node: str) -> Iterator[str]:
    """Yield a line for each ``--params-file`` that has nothing for the node of this full name.

    One without a word of the page is nothing that the page misses.
    """
    page = node.endswith(f'/{PAGE}')
    files = [file for option, file in zip(argv, argv[1:], strict=False)
             if option == '--params-file']
    for file in files:
        names = [name for name in _nodes(_read(Path(file)))
                 if name.endswith(f'/{PAGE}') == page]
        if names and not any(_matches(name, node) for name in names):
            yield (f'{file} has parameters for {", ".join(names[:3])} and none for {node}: they '
                   f'are ignored; write /**/{node.rpartition("/")[2]}: or /**: above them')


def _read(file: Path) -> Any:
    """Return what stands in a file, None where that cannot be read: ROS has said so."""
    try:
        with file.open(encoding='utf-8') as opened:
            return yaml.safe_load(opened.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None


def _nodes(document: Any, above: str = '') -> Iterator[str]:
    """Yield the names, wildcards included, that have parameters; namespaces may be nested."""
    for key, value in document.items() if isinstance(document, dict) else ():
        name = f'{above}/{str(key).strip("/")}'
        if isinstance(value, dict) and 'ros__parameters' in value:
            yield name
        else:
            yield from _nodes(value, name)


def _matches(pattern: str, node: str) -> bool:
    """Tell whether ``*`` for one name and ``**`` for any number of them make the node's name."""
    parts = [{'**': '(/[^/]+)*', '*': '/[^/]+'}.get(part, f'/{re.escape(part)}')
             for part in pattern.strip('/').split('/')]
    return re.fullmatch(''.join(parts), node) is not None
