"""export: both graphs, whole, or none; what was there before stays until then."""

import pytest

pytest.importorskip('onnxscript', reason='needs what trains: pip install .[train]')

from latent_vqa_ros.cli.main import main
from latent_vqa_ros.training import export


def test_both_graphs_are_written_and_nothing_else(tmp_path, capsys):
    assert main(['export', '--model', 'easy_vqa', '--out', str(tmp_path / 'out')]) == 0
    assert 'bytes' in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        'answerer.float.onnx', 'image_encoder.float.onnx']


def test_graphs_that_fail_their_check_replace_none(tmp_path, monkeypatch):
    (tmp_path / 'image_encoder.float.onnx').write_text('of before')

    def differ(*given):
        raise export.ExportError('they differ')

    monkeypatch.setattr(export, 'check_graphs', differ)
    assert main(['export', '--model', 'easy_vqa', '--out', str(tmp_path)]) == 1
    assert [path.read_text() for path in tmp_path.iterdir()] == ['of before']


def test_a_model_that_is_none_leaves_no_folder(tmp_path):
    assert main(['export', '--model', 'nope', '--out', str(tmp_path / 'out')]) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_that_answers_nothing_leaves_no_folder(tmp_path, caplog):
    assert main(['export', '--model', 'lite0', '--out', str(tmp_path / 'out')]) == 1
    assert 'of kind features' in caplog.text
    assert list(tmp_path.iterdir()) == []
