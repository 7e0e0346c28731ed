"""The command in this process: what it prints and returns, without a start of seconds."""

from __future__ import annotations

import io
import logging
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess

from latent_vqa_ros.cli.main import main


def latent_vqa(*arguments: object) -> CompletedProcess[str]:
    """Return what became of the command."""
    out, err, root = io.StringIO(), io.StringIO(), logging.getLogger()
    log, level = logging.StreamHandler(err), root.level  # main leaves pytest's handlers alone
    root.addHandler(log)
    root.setLevel(logging.INFO)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(each) for each in arguments])
    except SystemExit as stop:  # bad usage
        code = int(stop.code or 0)
    finally:
        root.removeHandler(log)
        root.setLevel(level)
    return CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
