"""Flags are hidden where they are said to be; answers of other bundles are not compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from performance import cpu_kinds

from latent_vqa_ros.core import bundle
from latent_vqa_ros.core.models import find_model

SCRIPT = Path(cpu_kinds.__file__)
PAGE = cpu_kinds.ROOT / 'docs/computers.md'
RECORD = json.loads((cpu_kinds.ROOT / 'docs/results/cpu_kinds.json').read_text())
FLAGS = Path('/proc/cpuinfo').read_text()


@pytest.mark.skipif('cpuid_fault' not in FLAGS or 'avx2' not in FLAGS,
                    reason='needs a processor with CPUID faulting and AVX2')
@pytest.mark.parametrize(('kind', 'sees'), [('AVX2', ['AVX2']), ('SSE4', [])])
def test_numpy_does_not_see_what_is_hidden(ros_environment, tmp_path, kind, sees):
    done = subprocess.run(
        [sys.executable, SCRIPT, '--answers', 'out.json', '--kind', kind, '--models', 'easy_vqa',
         '--pictures', '2'], cwd=tmp_path, env=ros_environment, capture_output=True, text=True,
        timeout=100)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / 'out.json').read_text())
    assert found['sees'] == sees
    assert len(found['models']['easy_vqa']['said']) >= 10


def answers(words, confidence, digest='1'):
    return {'processor': 'a processor', 'sees': [], 'models': {'easy_vqa': {
        'graphs': {'answerer.onnx': digest}, 'right': 1, 'words': words, 'said': words,
        'confidence': confidence}}}


def test_answers_that_differ_are_counted():
    first = answers(['red', 'yes', 'no'], [0.9, 0.8, 0.7])
    row = cpu_kinds.compare('AVX2', answers(['red', 'no', 'no'], [0.9, 0.75, 0.7]), first)
    assert row['models']['easy_vqa'] == {
        'questions': 3, 'right': 1, 'other_words': 1, 'other_said': 1,
        'confidence_apart': pytest.approx(0.05)}


@pytest.mark.parametrize('other', [answers(['red'], [0.9], 'another'),
                                   answers(['red', 'no'], [0.9, 0.8])])
def test_answers_of_another_bundle_or_to_other_questions_are_not_compared(other):
    with pytest.raises(SystemExit, match='pi: easy_vqa is another bundle there'):
        cpu_kinds.compare('pi', other, answers(['red'], [0.9]))


@pytest.mark.parametrize('model', cpu_kinds.MODELS)
def test_the_record_is_of_the_shipped_graphs(model):
    manifest = bundle.read_manifest(find_model(model))[0]
    assert RECORD['graphs'][model] == cpu_kinds.graphs(manifest), (
        f'{model} has other graphs now: {RECORD["command"]}')


def test_the_node_says_the_same_on_all_kinds_of_x86():
    qemu = '--qemu' in RECORD['command']  # a hundred times slower
    assert [row['kind'] for row in RECORD['kinds']] == cpu_kinds.kinds(qemu)
    for row in RECORD['kinds']:
        assert set(row['models']) == set(cpu_kinds.MODELS)
        for found in row['models'].values():
            assert found['questions'] >= (1000 if qemu else 5000)
            assert found['other_said'] == 0
            # without AVX floats are added in another order: two guesses may change places
            assert found['other_words'] <= (1 if row['kind'] == 'SSE4' else 0)


def test_the_page_says_what_was_recorded():
    assert cpu_kinds.table(RECORD) in PAGE.read_text()
    assert RECORD['command'] in PAGE.read_text()
