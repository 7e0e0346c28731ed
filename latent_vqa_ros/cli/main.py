"""The command latent_vqa: parse, run the verb, turn what went wrong into one line.

    latent_vqa VERB …        or  python3 -m latent_vqa_ros.cli.main VERB …

Each verb is a module with add_parser(subparsers) and run(args) → exit code. Results go to stdout,
logs to stderr. Exit codes: 0 done, 1 failed, 2 bad usage, 128 + signal when stopped. It knows no
verb's business; what a verb needs is imported when it runs.
"""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence

from latent_vqa_ros import __version__
from latent_vqa_ros.core.process import one_line

VERBS = ('ask', 'questions', 'inspect', 'evaluate', 'bench', 'replay', 'answer-bag', 'demo',
         'simulate', 'train', 'quantize', 'export', 'teach', 'web')
EPILOG = "latent_vqa VERB --help shows a verb's options and an example."

log = logging.getLogger('latent_vqa')


def make_parser() -> argparse.ArgumentParser:
    """Return the parser with a subparser per verb."""
    parser = argparse.ArgumentParser(
        prog='latent_vqa', description='Ask camera pictures questions, on board.', epilog=EPILOG)
    parser.add_argument('--version', action='version', version=f'latent_vqa_ros {__version__}')
    subparsers = parser.add_subparsers(metavar='VERB', required=True)
    for verb in VERBS:
        module = f'latent_vqa_ros.cli.{verb.replace("-", "_")}'
        importlib.import_module(module).add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # what it cannot encode it may still show
        sys.stdout.reconfigure(errors='backslashreplace')
    args = make_parser().parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format='%(message)s')
    try:
        code: int = args.run(args)
        if sys.stdout:  # None where it was closed before
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except ImportError as error:  # not there, or built for another NumPy
        if (error.name or '').startswith('latent_vqa_ros'):
            raise
        log.error('latent_vqa: %s; on a robot: rosdep install --from-paths src, else: '
                  'pip install -r requirements/demo.txt (train.txt to train)', one_line(error))
        return 1
    except _user_errors() as error:
        log.error('latent_vqa: %s', one_line(error))
        return 1
    return code


def _user_errors() -> tuple[type[Exception], ...]:
    """Return what bad input raises; anything else is a bug and shows its traceback."""
    from latent_vqa_ros.bags import BagError
    from latent_vqa_ros.core.bundle import BundleError
    from latent_vqa_ros.core.config import ConfigError
    from latent_vqa_ros.core.image_formats import ImageError
    from latent_vqa_ros.datasets.record import DatasetError
    from latent_vqa_ros.teach.question import TeachError

    return BagError, BundleError, ConfigError, DatasetError, ImageError, TeachError, OSError


if __name__ == '__main__':
    sys.exit(main())
