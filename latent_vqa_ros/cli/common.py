"""What the verbs share: help, the options --model and --json, numbers, progress."""

from __future__ import annotations

import argparse
import json
import logging
import math
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from latent_vqa_ros.core.pipeline import Pipeline

T = TypeVar('T')
log = logging.getLogger(__name__)

TAUGHT = '~/.ros/latent_vqa_ros/taught'  # the node's parameter taught_folder
DEFAULT_MODEL = 'tabletop'  # core.models.DEFAULT_MODEL; copied, so that --help loads no NumPy


def add_verb(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], name: str,
             summary: str, document: str | None) -> argparse.ArgumentParser:
    """Add a verb whose help is its module docstring, the first line replaced by the summary."""
    body = (document or '').partition('\n')[2]
    return subparsers.add_parser(
        name, help=summary, description=f'{summary[0].upper()}{summary[1:]}.\n{body}',
        formatter_class=argparse.RawDescriptionHelpFormatter)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add --model, a bundle's folder or the name of an installed one."""
    parser.add_argument('--model', metavar='DIR', default=DEFAULT_MODEL,
                        help='bundle folder, or the name of a shipped one (default %(default)s)')


def add_taught(parser: argparse.ArgumentParser) -> None:
    """Add --taught, the folder of questions of one's own."""
    parser.add_argument('--taught', metavar='FOLDER',
                        help='answer questions taught there, too (latent_vqa teach)')


def add_taught_camera(parser: argparse.ArgumentParser) -> None:
    """Add --camera, for questions that are taught for several."""
    parser.add_argument('--camera', default='', metavar='NAME',
                        help='with --taught: as this camera, whose questions are meant')


def use_taught(pipeline: Pipeline, folder: str | None) -> Pipeline:
    """Let a pipeline answer what was taught in a folder, None: nothing.

    What of it cannot be answered is logged. TeachError where there is no such folder.
    """
    if folder is not None:
        from latent_vqa_ros import backends
        from latent_vqa_ros.teach.features import ENCODER, RegionEncoder
        from latent_vqa_ros.teach.folder import Folder
        from latent_vqa_ros.teach.question import TeachError
        from latent_vqa_ros.teach.taught import Taught

        taught = Taught(Folder(folder), RegionEncoder(lambda: backends.open_features(ENCODER)))
        if not taught.folder.path.is_dir():
            raise TeachError(f'{folder}: there is no such folder')
        taught.refresh()
        for problem in taught.problems:
            log.warning('cannot be answered as it was taught: %s', problem)
        if not taught.count and not taught.problems:
            log.warning('%s: no question is switched on there; the model answers alone', folder)
        pipeline.taught = taught
    return pipeline


def one_document(document: Any, **how: Any) -> str:
    """Return JSON for stdout, on one line; signs that stdout has not are escaped."""
    utf_8 = (sys.stdout.encoding or '').lower().replace('-', '') == 'utf8'
    return json.dumps(document, ensure_ascii=not utf_8, **how)


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --json."""
    parser.add_argument('--json', action='store_true',
                        help=f'print one JSON document instead: {what}')


class Questions(argparse.Action):
    """Collects questions; refuses one that the shell cut into words because it had no quotes.

    Then each of several is one word; beside a longer one a single word is a question, too.
    """

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: Any, option_string: str | None = None) -> None:
        """Add the questions to those of an earlier option of the same name."""
        if len(values) > 1 and all(len(value.split()) == 1 for value in values):
            parser.error(f'put each question in quotes, as in "{" ".join(values)}"')
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or ()), *values])


def count(text: str) -> int:
    """Read an option that counts: a whole number from 1."""
    value = whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'expected a whole number from 1, not {text!r}')
    return value


def whole(text: str) -> int:
    """Read a whole number from 0."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f'expected a whole number from 0, not {text!r}')
    return int(text)


def positive(text: str) -> float:
    """Read a finite number above 0."""
    value = _number(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f'expected a number above 0, not {text!r}')
    return value


def not_negative(text: str) -> float:
    """Read a finite number from 0."""
    value = _number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f'expected a number of at least 0, not {text!r}')
    return value


def _number(text: str) -> float:
    """Return the number; NaN for text that is no finite number, so that each comparison fails."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def end_cleanly() -> None:
    """Let SIGTERM, and SIGHUP of a lost terminal, end the process as an error would.

    What is half done goes, workers end. Under nohup SIGHUP stays ignored.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda got, _: sys.exit(128 + got))


def progress(items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
    """Return the items, with a bar on stderr where that is a terminal and tqdm is installed.

    ``total`` is how many there are, where they have no length.
    """
    tqdm = _bar()
    return items if tqdm is None else tqdm(items, desc=label, total=total, leave=False)


@contextmanager
def counting(total: int | None, unit: str) -> Iterator[Callable[[int], object]]:
    """Yield a function that is told how many units more are done, for a bar as ``progress`` has.

    ``total`` None: nobody knows how many there will be.
    """
    tqdm = _bar()
    if tqdm is None:
        yield lambda count: None
        return
    with tqdm(total=total, unit=unit, leave=False) as bar:
        yield bar.update


def _bar() -> Any:
    """Return tqdm, None where nobody would see its bar or it is not installed."""
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm


def percentile(values: Iterable[float], p: int) -> float:
    """Return the p-th percentile by nearest rank, rounded to four digits after the point."""
    ordered = sorted(values)
    rank = -(-len(ordered) * p // 100)  # from 1
    return round(ordered[max(rank, 1) - 1], 4)
