"""The head is the regression it says it is, and the judge promises no more than it measured."""

import numpy as np
import pytest

from latent_vqa_ros.teach import head, judge
from latent_vqa_ros.teach.features import layout_of

LAYOUT = layout_of({'low_1': np.zeros((1, 4)), 'low_2': np.zeros((4, 4)), 'top_1': np.zeros((1, 6))
                    })
GENERIC = np.eye(10)[:3].astype(np.float32)


def shown(n=12, moments=3, seed=0, told=1.0, count=2):
    """Return shots whose second group tells the answer, as clearly as ``told``."""
    rng = np.random.default_rng(seed)
    answer_n = np.arange(n) % count
    x_nd = rng.normal(0, 0.3, (n, LAYOUT.size))
    x_nd[:, LAYOUT.parts[1]] += told * np.eye(4)[answer_n]
    for part in LAYOUT.parts:
        x_nd[:, part] /= np.linalg.norm(x_nd[:, part], axis=1, keepdims=True)
    return head.Shown(x_nd.astype(np.float32), answer_n, np.arange(n) // count % moments)


def test_a_leave_one_out_score_is_that_of_a_regression_without_the_shot():
    kernel_nn, targets_nc = np.cov(np.random.default_rng(0).normal(size=(9, 20))), np.eye(3)[
        np.arange(9) % 3]
    ridge = head.Ridge(kernel_nn, targets_nc)
    spread = ridge.spread
    shifted = kernel_nn / spread + head.BIAS - kernel_nn.mean() / spread
    strength = next(s for s in head.STRENGTHS if np.allclose(
        np.linalg.solve(shifted + s * np.eye(9), targets_nc), ridge.duals_nc, atol=1e-6))
    for i in range(9):
        rest = np.delete(np.arange(9), i)
        duals = np.linalg.solve(shifted[np.ix_(rest, rest)] + strength * np.eye(8),
                                targets_nc[rest])
        np.testing.assert_allclose(ridge.shot_out_nc[i], shifted[i, rest] @ duals, atol=1e-6)


def test_a_heads_product_is_its_kernel_regression():
    few = shown()
    fitted = head.fit(few, 2, LAYOUT, GENERIC)
    found = head.solve(head.Kernels(few.x_nd, few.moment_n, LAYOUT), np.eye(2)[few.answer_n])
    wanted = found.ridge.scores(found.kernel_nn)
    got = np.stack([fitted.head.scores(x) for x in few.x_nd])
    np.testing.assert_allclose(got, wanted, atol=1e-3)


def test_a_moment_is_judged_by_a_head_that_never_saw_it():
    few = shown()
    out = head.fit(few, 2, LAYOUT, GENERIC).moment_out_nc
    rest = few.some(np.flatnonzero(few.moment_n != 1))
    without = head.fit(rest, 2, LAYOUT, GENERIC).head
    for i in np.flatnonzero(few.moment_n == 1):
        np.testing.assert_allclose(out[i], without.scores(few.x_nd[i]), atol=1e-3)


def test_the_group_that_tells_the_answer_gets_the_weight():
    few = shown(24)
    shots, targets_nc = head.Kernels(few.x_nd, few.moment_n, LAYOUT), np.eye(2)[few.answer_n]
    weights = shots.alignment_weights(targets_nc)
    assert weights.argmax() == 1
    assert weights[1] > 0.9


@pytest.mark.parametrize('fold', [None, 0, 2])
def test_a_groups_weight_is_the_alignment_of_its_centred_kernel(fold):
    few = shown(24, 4)
    shots, rows = head.Kernels(few.x_nd, few.moment_n, LAYOUT), few.moment_n != fold
    targets_nc = np.eye(2)[few.answer_n]
    centre = np.eye(rows.sum()) - 1 / rows.sum()
    wanted = centre @ targets_nc[rows] @ targets_nc[rows].T @ centre
    weights = []
    for part in LAYOUT.parts:
        kernel = centre @ few.x_nd[rows][:, part] @ few.x_nd[rows][:, part].T @ centre
        alignment = (kernel * wanted).sum() / np.linalg.norm(kernel) / np.linalg.norm(wanted)
        weights.append(max(alignment, 0) ** 4 / (np.trace(kernel) / rows.sum()))
    np.testing.assert_allclose(shots.alignment_weights(targets_nc, fold),
                               np.array(weights) / sum(weights), rtol=1e-3, atol=1e-6)


def test_what_tells_nothing_is_not_trusted():
    few = shown(40, 10, told=0.0)
    verdict = judge.judge(few, ('a', 'b'), head.fit(few, 2, LAYOUT, GENERIC))
    assert not verdict.trusted
    assert verdict.by == 'moment'
    assert 'in moments left out' in verdict.reason


def test_what_tells_the_answer_is_trusted_once_shots_and_moments_suffice():
    few = shown(40, 5, told=3.0)
    verdict = judge.judge(few, ('a', 'b'), head.fit(few, 2, LAYOUT, GENERIC))
    assert verdict.trusted, verdict.reason
    assert (verdict.right, verdict.n) == (1, 40)


@pytest.mark.parametrize('frames', [2, 8])
def test_more_frames_of_the_same_moments_do_not_raise_the_lower_bound(frames):
    few = shown(10 * frames, 5, told=3.0)
    verdict = judge.judge(few, ('a', 'b'), head.fit(few, 2, LAYOUT, GENERIC))
    moments = len(np.unique(few.moment_n))
    assert (verdict.right, verdict.n) == (1, 10 * frames)
    assert verdict.lower_bound == judge.wilson(1, moments)


@pytest.mark.parametrize(('n', 'moments', 'said'), [
    (18, 3, "shots: 9 of 10 for 'a'"), (20, 2, "moments: 2 of 3 for 'a'")])
def test_too_few_shots_or_moments_are_named(n, moments, said):
    few = shown(n, moments, told=3.0)
    verdict = judge.judge(few, ('a', 'b'), head.fit(few, 2, LAYOUT, GENERIC))
    assert (verdict.trusted, verdict.reason) == (False, said)


def test_one_moment_per_answer_is_judged_by_shots_and_never_trusted():
    few = shown(24, 1, told=3.0)
    few = head.Shown(few.x_nd, few.answer_n, few.answer_n)
    verdict = judge.judge(few, ('a', 'b'), head.fit(few, 2, LAYOUT, GENERIC))
    assert (verdict.by, verdict.trusted) == ('shot', False)


@pytest.mark.parametrize(('right', 'n', 'bound'), [
    (1.0, 20, 0.8808), (0.95, 20, 0.8040), (0.5, 10, 0.2693), (0.0, 5, 0.0)])
def test_the_bound_is_wilsons(right, n, bound):
    assert judge.wilson(right, n) == pytest.approx(bound, abs=2e-3)


def test_a_wrong_label_is_the_most_doubtful_shot():
    few = shown(24, 4, told=3.0)
    answer_n = few.answer_n.copy()
    answer_n[7] = 1 - answer_n[7]
    few = head.Shown(few.x_nd, answer_n, few.moment_n)
    margin_n, other_n = judge.margins(few, head.fit(few, 2, LAYOUT, GENERIC))
    assert margin_n.argmin() == 7
    assert margin_n[7] < 0
    assert other_n[7] == 1 - answer_n[7]


def test_shots_that_are_all_alike_do_not_make_the_next_one_unfamiliar():
    two = shown(2, told=3.0).x_nd
    few = head.Shown(np.tile(two, (10, 1)), np.arange(20) % 2, np.arange(20) // 2)
    found = head.fit(few, 2, LAYOUT, GENERIC).head
    seen = two[0] + np.random.default_rng(9).normal(0, 5e-3, LAYOUT.size).astype(np.float32)
    for part in LAYOUT.parts:
        seen[part] /= np.linalg.norm(seen[part])
    assert 1e-5 < found.distance(LAYOUT.near(seen)) <= found.limit


def test_a_part_of_the_shots_comes_from_all_moments():
    few = shown(40, 5)
    part = few.some(judge.spread(few, 5))
    assert [len(set(part.moment_n[part.answer_n == c])) for c in (0, 1)] == [5, 5]


def test_many_moments_of_one_answer_leave_those_of_another_apart():
    answer_n = np.r_[np.zeros(60, int), np.ones(12, int)]
    few = shown(72, told=3.0)
    moment_n = np.r_[[m for m in range(1, 62) if m not in (1, 21, 41)][:58], 58, 59,
                     np.tile([1, 21, 41], 4)]
    few = head.Shown(few.x_nd, answer_n, moment_n)
    own = head.folds(few)
    assert len(set(own[60:])) == 3
    assert len(set(own)) <= head.FOLDS
    assert np.isfinite(head.fit(few, 2, LAYOUT, GENERIC).moment_out_nc).all()


def test_what_could_not_be_left_out_is_never_trusted():
    few = shown(40, 5, told=3.0)
    fitted = head.fit(few, 2, LAYOUT, GENERIC)
    fitted.moment_out_nc[3] = np.nan
    verdict = judge.judge(few, ('a', 'b'), fitted)
    assert (verdict.by, verdict.trusted) == ('shot', False)
    assert 'left out' in verdict.reason


def test_a_rare_answer_that_is_often_wrong_is_not_trusted():
    answer_n = np.r_[np.zeros(60, int), np.ones(10, int)]
    few = shown(70, 5, told=3.0)
    few = head.Shown(few.x_nd, answer_n, few.moment_n)
    fitted = head.fit(few, 2, LAYOUT, GENERIC)
    fitted.moment_out_nc[:] = np.eye(2)[answer_n]
    fitted.moment_out_nc[-3:] = [1, 0]
    verdict = judge.judge(few, ('a', 'b'), fitted)
    assert verdict.right > judge.GATE
    assert (verdict.trusted, verdict.reason[:20]) == (False, "'b' is right in 70 %")


def test_the_figures_are_counted_over_shots_in_moments_left_out():
    few = shown(40, 5, told=3.0)
    fitted = head.fit(few, 2, LAYOUT, GENERIC)
    fitted.moment_out_nc[:] = 9.0 / fitted.head.scale * np.eye(2)[few.answer_n]
    fitted.moment_out_nc[:3] = fitted.moment_out_nc[:3, ::-1]  # surely wrong: a, b, a
    fitted.moment_out_nc[4:10] /= 9  # right, and unsure
    fitted.far_n[:], fitted.far_n[10] = 0, np.inf  # the one: right, and unfamiliar
    verdict = judge.judge(few, ('a', 'b'), fitted, [(2, 0.7)])
    assert verdict.per_answer == {'a': {'n': 20, 'right': 0.9}, 'b': {'n': 20, 'right': 0.95}}
    assert (verdict.n, verdict.right, verdict.gate) == (40, 0.925, 0.95)
    assert verdict.curve == ((2, 0.7),)
    assert (verdict.answered, verdict.right_when_answered) == (33 / 40, 30 / 33)
    assert verdict.reason == 'right 92 % in moments left out, at least 55 %; 95 % are needed'
    fitted.far_n[:] = np.inf
    assert judge.judge(few, ('a', 'b'), fitted).right_when_answered is None


def test_the_curve_has_a_point_for_each_number_of_shots_that_is_there():
    curve = judge.learning_curve(shown(40, 5, told=3.0), 2, LAYOUT, GENERIC)
    assert [shots for shots, _ in curve] == [2, 5, 10, 20]
    assert [right for _, right in curve][1:] == [1, 1, 1]
    assert [shots for shots, _ in judge.learning_curve(
        shown(22, 5, told=3.0), 2, LAYOUT, GENERIC)] == [2, 5, 10]
    poor = judge.learning_curve(shown(40, 5, told=0.0), 2, LAYOUT, GENERIC)
    assert all(right < 0.9 for _, right in poor)


def test_the_limits_of_trust_are_those_that_were_measured():
    assert (judge.GATE, judge.CONFIDENCE, judge.NEEDED) == (
        0.95, 0.9, {'shots': 10, 'moments': 3})  # docs/results/teaching.json
