"""The dispatcher: exit codes, one-line errors, and help that is worth reading."""

import os
import signal
import subprocess
import sys

import pytest

from latent_vqa_ros.cli import main as cli

COMMAND = [sys.executable, '-m', 'latent_vqa_ros.cli.main']


def test_help_lists_every_verb(latent_vqa):
    code, out, _ = latent_vqa('--help')
    assert code == 0
    assert len(cli.VERBS) >= 6
    for verb in cli.VERBS:
        assert f'\n    {verb}' in out


@pytest.mark.parametrize('verb', cli.VERBS)
def test_each_verb_has_help(latent_vqa, verb):
    code, out, _ = latent_vqa(verb, '--help')
    assert code == 0
    assert f'latent_vqa {verb}' in out


@pytest.mark.parametrize('verb', sorted({*cli.VERBS} - {'simulate', 'teach'}))  # these have verbs
def test_each_verb_offers_a_document(latent_vqa, verb):  # the verbs' own tests read it
    assert '--json' in latent_vqa(verb, '--help')[1]


@pytest.mark.parametrize('argv', [(), ('no_such_verb',), ('ask',), ('ask', 'picture.png')])
def test_bad_usage_exits_with_2(latent_vqa, argv):
    assert latent_vqa(*argv)[0] == 2


def test_a_bug_keeps_its_traceback(monkeypatch, latent_vqa, bundle, picture):
    monkeypatch.setattr('latent_vqa_ros.cli.ask.answer', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        latent_vqa('ask', picture, 'what', '--model', bundle)


def test_a_package_that_does_not_load_is_one_line(tmp_path, bundle, picture):
    (tmp_path / 'cv2.py').write_text('raise ImportError("numpy.core.multiarray failed")')
    done = subprocess.run([*COMMAND, 'ask', picture, 'what', '--model', bundle], text=True,
                          capture_output=True, env={**os.environ, 'PYTHONPATH': str(tmp_path)})
    assert (done.returncode, done.stdout) == (1, '')
    assert 'multiarray failed; on a robot: rosdep' in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_module_of_our_own_that_is_missing_is_a_bug(monkeypatch, latent_vqa, bundle, picture):
    def fail(*_):
        raise ImportError('no module', name='latent_vqa_ros.core.nothing')
    monkeypatch.setattr('latent_vqa_ros.cli.ask.answer', fail)
    with pytest.raises(ImportError):
        latent_vqa('ask', picture, 'what', '--model', bundle)


def test_an_interrupt_exits_with_130(monkeypatch, latent_vqa, bundle, picture):
    def stop(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr('latent_vqa_ros.cli.ask.answer', stop)
    assert latent_vqa('ask', picture, 'what', '--model', bundle)[0] == 130


def test_a_reader_that_leaves_early_is_no_error(bundle):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMMAND, 'questions', '--model', str(bundle)], stdout=writer,
                          stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, '')


def test_help_loads_nothing_heavy():
    code = ('import sys; from latent_vqa_ros.cli.main import make_parser; make_parser(); '
            'print([m for m in ("numpy", "cv2", "yaml", "onnxruntime", "torch", "rclpy")'
            ' if m in sys.modules])')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == '[]\n'
