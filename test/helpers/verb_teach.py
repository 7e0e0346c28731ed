"""The verb teach as a test types it: each call returns its document."""

import json

from latent_vqa_ros.cli.main import main


def call(capsys, *arguments, code=0):
    """Run a verb with --json; return its document."""
    assert main([*map(str, arguments), '--json']) == code
    return json.loads(capsys.readouterr().out)


def teach(capsys, folder, what, *arguments, code=0):
    return call(capsys, 'teach', what, *arguments, '--folder', folder, code=code)
