"""`bench` measures the runtime's own road and leaves out what cannot run."""

import pytest

from latent_vqa_ros.cli import bench


def test_the_document_has_every_step_ratio_and_the_memory(latent_vqa_json, bundle):
    code, document = latent_vqa_json('bench', '--model', bundle, '--repeat', '5')
    assert code == 0
    assert document['input'] == [480, 640]
    assert document['threads'] == 1
    run = document['runs']['int8']
    for p in ('p50_ms', 'p95_ms', 'p99_ms'):
        assert set(run[p]) == {'decode', 'encode', 'answer', 'total'}
        assert all(value > 0 for value in run[p].values())
    assert document['ratios']['second_question/first'] > 0
    assert document['rss_mb'] > 10


def test_without_float_weights_float_and_torch_are_left_out_and_stderr_says_so(
        latent_vqa, bundle):
    code, out, err = latent_vqa('bench', '--model', bundle, '--repeat', '2')
    assert code == 0
    assert 'float and torch are left out' in err
    assert not {'int8/float', 'int8/torch'} & set(out.split())


def test_runs_are_kept_apart():
    times = {'int8': bench.Times(), 'float': bench.Times()}
    for name, total in (('int8', 1.0), ('float', 4.0)):
        times[name].steps['total'] += [total] * 3
    times['int8'].second += [0.25] * 3
    times['int8'].many += [3.0] * 3
    assert bench.ratios(times) == {
        'int8/float': 0.25, 'second_question/first': 0.25, 'ten_questions/one': 3.0}


def test_another_bundle_takes_its_turns_and_the_ratio_is_of_encode_and_answer():
    times = {'int8': bench.Times(), 'other': bench.Times()}
    for name, encode, answer in (('int8', 3.0, 1.0), ('other', 1.5, 0.5)):
        times[name].steps['encode'] += [encode] * 3
        times[name].steps['answer'] += [answer] * 3
        times[name].steps['total'] += [9.0] * 3
        times[name].second += [1.0] * 3
        times[name].many += [1.0] * 3
    assert bench.ratios(times)['encode+answer/other'] == 2.0


def test_beside_runs_the_other_bundle(latent_vqa_json, bundle):
    code, document = latent_vqa_json('bench', '--model', bundle, '--beside', 'easy_vqa',
                                     '--repeat', '2')
    assert code == 0
    assert document['runs']['easy_vqa']['p50_ms']['total'] > 0
    assert document['ratios']['encode+answer/easy_vqa'] > 0


@pytest.mark.parametrize('wrong', ['0', '-3', 'many', '1.5'])
def test_an_impossible_number_of_repetitions_is_bad_usage(latent_vqa, bundle, wrong):
    code, _, err = latent_vqa('bench', '--model', bundle, '--repeat', wrong)
    assert code == 2
    assert '--repeat' in err
