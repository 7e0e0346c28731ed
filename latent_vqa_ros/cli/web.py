"""The verb `web`: the page without ROS; look at pictures and ask about them in a browser.

examples:
  latent_vqa web                                  # pictures that you upload
  latent_vqa web --folder photos
  latent_vqa web --bag test/data/episode          # with a time line
  latent_vqa web --host 0.0.0.0 --token "$(openssl rand -hex 16)"

Answers come from the model in this process. The page beside a running node is vqa_web
(docs/page.md). It stops at Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from latent_vqa_ros.cli.common import add_json, add_model, add_verb, one_document, whole

if TYPE_CHECKING:
    from latent_vqa_ros.web.stills import Reel

log = logging.getLogger(__name__)

PORT = 8080
LAST_PORT = 65535


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `web` to the command line."""
    parser = add_verb(subparsers, 'web', 'show pictures and ask about them in a browser', __doc__)
    add_model(parser)
    parser.add_argument('--bag', metavar='BAG', type=Path, help='show the pictures of a bag')
    parser.add_argument('--folder', metavar='DIR', type=Path, help='show the pictures of a folder')
    parser.add_argument('--host', default='127.0.0.1', metavar='ADDRESS',
                        help='address to listen on (default %(default)s); another needs a token')
    parser.add_argument('--port', default=PORT, type=port, metavar='N',
                        help='port to listen on (default %(default)s); 0: any')
    parser.add_argument('--token', default='', metavar='TEXT',
                        help='what a browser must show once; 16 characters are hard to guess')
    add_json(parser, '{"url"}, once the page is served')
    parser.set_defaults(run=run, fail=parser.error)


def port(text: str) -> int:
    """Read the number of a port; 0: any."""
    value = whole(text)
    if value > LAST_PORT:
        raise argparse.ArgumentTypeError(f'expected a port from 0 to {LAST_PORT}, not {text!r}')
    return value


def run(args: argparse.Namespace) -> int:
    """Serve the page until a signal ends it; 0. Exits with 2 for a host that needs a token."""
    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.web.safety import Safety, SafetyError
    from latent_vqa_ros.web.server import serve
    from latent_vqa_ros.web.stills import Stills

    try:
        safety = Safety(args.host, args.token)
    except SafetyError as error:
        args.fail(str(error))
    if safety.warning:
        log.warning(safety.warning)
    pipeline = open_pipeline(args.model)
    source = Stills(lambda: pipeline, reels(args))
    asyncio.run(serve(source, safety, args.port, on_open=partial(say, args.json)))
    return 0


def reels(args: argparse.Namespace) -> list[Reel]:
    """Return what is shown from the start; BagError, OSError."""
    from latent_vqa_ros.web.stills import bag_reels, folder_reel

    return [*(bag_reels(args.bag) if args.bag else []),
            *([folder_reel(args.folder)] if args.folder else [])]


def say(as_json: bool, address: str) -> None:
    """Tell people, or a program, how to open the page."""
    print(one_document({'url': address}) if as_json else
          f'open {address} in a browser; Ctrl-C ends it', flush=True)
