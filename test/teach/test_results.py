"""The recorded result of the recipe keeps what docs/teaching.md promises and quotes."""

import json
import re
from pathlib import Path

import pytest

from latent_vqa_ros.core import bundle
from latent_vqa_ros.core.manifest import IMAGE_ENCODER
from latent_vqa_ros.core.models import find_model
from latent_vqa_ros.teach.judge import CONFIDENCE, GATE, SURER

ROOT = Path(__file__).parents[2]
RESULT = json.loads((ROOT / 'docs/results/teaching.json').read_text())
TEXT = (ROOT / 'docs/teaching.md').read_text()


def test_the_result_is_of_the_shipped_encoder_and_the_present_limits():
    manifest = bundle.read_manifest(find_model('lite0'))[0]
    assert RESULT['encoder'] == manifest.files[IMAGE_ENCODER].sha256
    assert (RESULT['confidence'], RESULT['gate'], RESULT['draws']) == (CONFIDENCE, GATE, 20)


@pytest.mark.parametrize(('family', 'shots', 'key', 'least'), [
    ('signs', '5', 'right', .98), ('signs', '10', 'right', .99),
    ('vegetables', '10', 'right', .85), ('vegetables', '10', 'right_when_answered', .94),
    ('tray', '10', 'right', .92), ('tray', '10', 'right_when_answered', .95)])
def test_what_is_asked_of_each_task_is_reached(family, shots, key, least):
    assert RESULT['tasks'][family][shots][key] >= least


def test_few_moments_are_worth_less_and_the_lower_bound_holds():
    rows = re.findall(r'^\| (\d+ x \d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| '
                      r'([\d.]+) \| ([\d.]+) \|$', TEXT, re.M)
    found = RESULT['moments']
    assert [row[0] for row in rows] == list(found)
    for name, *shown in rows:
        trusted = found[name]['trusted'] / found[name]['draws']
        assert shown == [f'{100 * value:.1f}' for value in (trusted, *(
            found[name][key] for key in ('right', 'answered', 'right_when_answered', 'bound',
                                         'bound_holds')))]
        assert found[name]['bound_holds'] >= 0.95
    assert found['3 x 4']['right'] < found[f'{SURER} x 2']['right']
    assert min(figures['bound_holds'] for part in RESULT['tasks'].values()
               for figures in part.values()) >= 0.85


def test_the_gripper_is_said_not_to_be_learnt():
    gripper = RESULT['tasks']['gripper']['10']
    assert gripper['right'] >= .65 or gripper['trusted'] < .05


def test_what_passes_the_gate_is_right_and_the_judge_does_not_promise_more():
    assert RESULT['gate_passed']['all']['right_when_answered'] >= .98
    assert RESULT['judge_promises_more_by']['mean'] <= .03


def test_other_worlds_are_refused():
    worst = [figures['other_worlds_worst'] for part in RESULT['tasks'].values()
             for figures in part.values()]
    assert len(worst) >= 14
    assert max(worst) <= .02


def test_the_table_of_the_document_is_that_of_the_result():
    rows = re.findall(r'^\| (\w+) \| (2|5|10|20) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| '
                      r'([\d.–]+) \| ([\d.]+) \|$', TEXT, re.M)
    assert len(rows) == sum(map(len, RESULT['tasks'].values()))
    for family, shots, *shown in rows:
        found = RESULT['tasks'][family][shots]
        wanted = [found[key] for key in ('right', 'answered', 'right_when_answered', 'promised',
                                         'trusted')]
        assert shown == ['–' if value is None else f'{100 * value:.1f}' for value in wanted]
