"""The head: from features to an answer, fitted in closed form to a few shots.

    shown = Shown(x_nd, answer_n, moment_n)         # features, answers and moments as numbers
    fitted = fit(shown, count, layout, generic_mk)
    scores_c = fitted.head.scores(x_d)

Groups of features are weighted by how well their kernel is aligned with the answers (Cristianini
et al. 2001; Cortes et al. 2012), then ridge regression, its strength by the closed-form
leave-one-out error. Refuses to know files and frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.answer import softmax
from latent_vqa_ros.teach.features import Layout

Array = NDArray[Any]
STRENGTHS = (.003, .01, .03, .1, .3, 1., 3., 10.)
POWER = 4  # of a group's alignment
PLAIN = .75  # plain averages are taken where they have less than this share of the error
FOLDS = 20  # moments left out, at most
BIAS = 100.  # weight of the constant feature: nearly free
SCALES = np.geomspace(1, 40, 40)  # of scores before softmax
LEAST_LIMIT = .006  # of distances: shots that hardly differ do not make all else unfamiliar
USUAL_SCALE, SPREAD = 5., .36  # the prior: log-normal, variance of the logarithm


@dataclass(frozen=True, eq=False)
class Shown:
    """What was shown: features (n, channels), answers (n,) and moments (n,) as numbers."""

    x_nd: Array
    answer_n: Array
    moment_n: Array

    def some(self, rows: Array) -> Shown:
        """Return only some of the shots."""
        return Shown(self.x_nd[rows], self.answer_n[rows], self.moment_n[rows])


@dataclass(frozen=True, eq=False)
class Head:
    """What answers: linear in the features, with a limit beyond which it does not know them."""

    weights_cd: Array
    bias_c: Array
    scale: float
    near_nk: Array  # the averages of the shots
    limit: float

    def scores(self, x_d: Array) -> Array:
        """Return a score per answer (answers,)."""
        return np.asarray(self.weights_cd @ x_d + self.bias_c)

    def probabilities(self, x_d: Array) -> Array:
        """Return a probability per answer (answers,)."""
        return softmax(self.scores(x_d), 1 / self.scale)

    def distance(self, near_k: Array) -> float:
        """Return how far a picture is from the nearest shot: 1 - cosine of the averages."""
        return float(1 - (self.near_nk @ near_k).max())


@dataclass(frozen=True, eq=False)
class Fitted:
    """A head with what is said of each shot where that one, or its moment, is left out.

    ``moment_out_nc`` comes from heads that were fitted to the other moments alone; NaN where an
    answer has no shot in them. ``far_n`` is each shot's distance from those of other moments.
    """

    head: Head
    shot_out_nc: Array
    moment_out_nc: Array
    far_n: Array


def fit(shown: Shown, count: int, layout: Layout, generic_mk: Array,
        breathe: Callable[[], object] = lambda: None) -> Fitted:
    """Fit a head for ``count`` answers; every answer has at least one shot.

    ``breathe`` is called between two moments that are left out.
    """
    targets_nc = np.eye(count)[shown.answer_n]
    shots = Kernels(shown.x_nd, folds(shown), layout)
    found, moment_out_nc = solve(shots, targets_nc), leave_out(
        shots, targets_nc, breathe)
    ridge = found.ridge
    known = np.where(np.isfinite(moment_out_nc), moment_out_nc, ridge.shot_out_nc)
    near_nk = layout.near(shown.x_nd)
    far_n = distances(near_nk, shown.moment_n)
    head = Head(_primal(ridge, found.weights_g, shown.x_nd, layout), ridge.bias_c,
                fit_scale(known, shown.answer_n), near_nk, limit(far_n, near_nk, generic_mk))
    return Fitted(head, ridge.shot_out_nc, moment_out_nc, far_n)


def folds(shown: Shown) -> Array:
    """Return which moments are left out together (n,), FOLDS groups at most.

    The moments in turn; where that puts all of an answer into one group, those of each answer in
    turn, the one with the fewest first.
    """
    numbers = np.unique(shown.moment_n, return_inverse=True)[1]
    fold_n = numbers % FOLDS
    moments = {c: np.unique(numbers[shown.answer_n == c]) for c in np.unique(shown.answer_n)}
    if all(len(np.unique(own % FOLDS)) > 1 or len(own) < 2 for own in moments.values()):
        return np.asarray(fold_n)
    chosen: dict[int, int] = {}
    for own in sorted(moments.values(), key=len):
        taken = {chosen[number] for number in own if number in chosen}
        free = [fold for fold in range(FOLDS) if fold not in taken] or list(range(FOLDS))
        left = [int(number) for number in own if number not in chosen]
        chosen |= {number: free[turn % len(free)] for turn, number in enumerate(left)}
    return np.array([chosen[number] for number in numbers])


def solve(shots: Kernels, targets_nc: Array, fold: int | None = None) -> Solution:
    """Fit to all shots, or to those outside a fold."""
    rows = np.flatnonzero(shots.fold_n != fold)
    weights_g = shots.alignment_weights(targets_nc, fold)
    kernels_nn = [np.tensordot(weights_g, shots.kernels_gnn, 1), *shots.plain_nn]
    ridges = [Ridge(kernel_nn[rows[:, None], rows], targets_nc[rows]) for kernel_nn in kernels_nn]
    best = 0
    for index in (1, 2):
        if ridges[index].error < PLAIN * ridges[best].error:
            best = index
    return Solution((weights_g, *shots.plain_g)[best], ridges[best], kernels_nn[best], rows)


def leave_out(shots: Kernels, targets_nc: Array, breathe: Callable[[], object]) -> Array:
    """Return scores (n, answers) by heads fitted without a shot's moment; NaN where none can be.

    More than FOLDS moments are left out several at a time.
    """
    out_nc = np.full(targets_nc.shape, np.nan)
    for fold in np.unique(shots.fold_n):
        breathe()
        left = np.flatnonzero(shots.fold_n == fold)
        if np.delete(targets_nc, left, 0).any(0).all():
            found = solve(shots, targets_nc, int(fold))
            out_nc[left] = found.ridge.scores(found.kernel_nn[left[:, None], found.rows])
    return out_nc


@dataclass(frozen=True, eq=False)
class Solution:
    """The weight of each group, the regression on the weighted sum of kernels, and that sum.

    ``rows`` are the shots that it was fitted to.
    """

    weights_g: Array
    ridge: Ridge
    kernel_nn: Array
    rows: Array


class Kernels:
    """The products of each unit vector of a shot with those of the others, (groups, n, n).

    Sums over folds are made once, so that leaving one out takes no copy of them.
    """

    def __init__(self, x_nd: Array, moment_n: Array, layout: Layout) -> None:
        self.kernels_gnn = np.stack([x_nd[:, part] @ x_nd[:, part].T for part in layout.parts])
        self.fold_n = np.unique(moment_n, return_inverse=True)[1] % FOLDS
        member_nf = np.eye(int(self.fold_n.max()) + 1, dtype=np.float32)[self.fold_n]
        self._rows_gnf = self.kernels_gnn @ member_nf
        self._squares_gff = np.stack([member_nf.T @ (kernel ** 2) @ member_nf
                                      for kernel in self.kernels_gnn]).astype(float)
        self._own_gn = np.einsum('gii->gi', self.kernels_gnn)
        self.plain_g = plain_weights(layout)
        self.plain_nn = [np.tensordot(weights_g, self.kernels_gnn, 1)
                         for weights_g in self.plain_g]

    def alignment_weights(self, targets_nc: Array, fold: int | None = None) -> Array:
        """Return a weight per group (groups,), summing to 1: alignment ** POWER over spread.

        Of all shots, or of those outside a fold. Kernels are centred within the sums (Cortes et
        al. 2012, sec. 2): the centred targets need none but themselves.
        """
        inside = self.fold_n != fold
        folds = [f for f in range(self._rows_gnf.shape[2]) if f != fold]
        n = int(inside.sum())
        targets_nc = np.where(inside[:, None], targets_nc - targets_nc[inside].mean(0), 0)
        wanted_nn = (targets_nc @ targets_nc.T).astype(np.float32)
        rows_gn = self._rows_gnf[:, inside][:, :, folds].sum(2, dtype=float)
        total_g = rows_gn.sum(1)
        square_g = (self._squares_gff[:, folds][:, :, folds].sum((1, 2))
                    - 2 / n * (rows_gn ** 2).sum(1) + (total_g / n) ** 2)
        together_g = self.kernels_gnn.reshape(len(total_g), -1) @ wanted_nn.ravel()
        size_g = np.sqrt(np.maximum(square_g, 0) * float((wanted_nn ** 2).sum())) + 1e-9
        spread_g = (self._own_gn[:, inside].sum(1) - total_g / n) / n
        weights_g = np.maximum(together_g / size_g, 0) ** POWER / (np.maximum(spread_g, 0) + 1e-6)
        total = weights_g.sum()
        return np.asarray(weights_g / total if total > 0
                          else np.full(len(weights_g), 1 / len(weights_g)))


def plain_weights(layout: Layout) -> tuple[Array, Array]:
    """Return the weights of the averages of all blocks, and of the first block alone."""
    both = np.zeros((2, len(layout.parts)))
    both[0, list(layout.averages)] = 1 / len(layout.averages)
    both[1, layout.averages[0]] = 1
    return both[0], both[1]


class Ridge:
    """Kernel ridge regression (n, n) to targets (n, answers), its strength by leave-one-out."""

    def __init__(self, kernel_nn: Array, targets_nc: Array) -> None:
        n = len(kernel_nn)
        centred = kernel_nn - kernel_nn.mean(0) - kernel_nn.mean(1)[:, None] + kernel_nn.mean()
        self.spread = max(float(np.trace(centred)) / n, 1e-6)
        shift = BIAS - float(kernel_nn.mean()) / self.spread
        values, vectors = np.linalg.eigh(kernel_nn.astype(np.float64) / self.spread + shift)
        values, turned = np.maximum(values, 0), vectors.T @ targets_nc
        self.error = np.inf
        for strength in STRENGTHS:
            shrunk = 1 / (values + strength)
            duals_nc = vectors @ (shrunk[:, None] * turned)
            residual_nc = duals_nc / ((vectors ** 2) @ shrunk)[:, None]
            error = float((residual_nc ** 2).mean())
            if error < self.error:
                self.error, self.duals_nc = error, duals_nc
                self.shot_out_nc = targets_nc - residual_nc
        self.bias_c = shift * self.duals_nc.sum(0)

    def scores(self, kernel_mn: Array) -> Array:
        """Return scores (m, answers) of others by their products with the shots (m, n)."""
        return np.asarray(kernel_mn @ self.duals_nc / self.spread + self.bias_c)


def _primal(ridge: Ridge, weights_g: Array, x_nd: Array, layout: Layout) -> Array:
    """Return the regression as a product with features (answers, layout.size)."""
    weights_cd = ridge.duals_nc.T.astype(np.float32) @ x_nd
    for weight, part in zip(weights_g, layout.parts, strict=True):
        weights_cd[:, part] *= weight / ridge.spread
    return np.asarray(weights_cd)


def fit_scale(scores_nc: Array, answer_n: Array) -> float:
    """Return the scale of scores that makes the answers likeliest, near USUAL_SCALE."""
    cost = []
    for scale in SCALES:
        p_nc = softmax(scores_nc, 1 / scale)
        p_n = np.maximum(p_nc[np.arange(len(answer_n)), answer_n], 1e-12)
        cost.append(-np.log(p_n).sum() + np.log(scale / USUAL_SCALE) ** 2 / (2 * SPREAD))
    return float(SCALES[int(np.argmin(cost))])


def distances(near_nk: Array, moment_n: Array) -> Array:
    """Return each shot's distance from the nearest of other moments, of all others if none."""
    apart_nn = 1 - near_nk @ near_nk.T
    other_nn = moment_n[:, None] != moment_n
    if not other_nn.any(1).all():
        other_nn = ~np.eye(len(near_nk), dtype=bool)
    return np.asarray(np.where(other_nn, apart_nn, 2.).min(1))


def limit(far_n: Array, near_nk: Array, generic_mk: Array) -> float:
    """Return the distance beyond which a picture is unfamiliar.

    Between the shots' own distances and those of pictures of anything.
    """
    own = float(np.quantile(far_n, .9))
    anything = float(np.quantile((1 - generic_mk @ near_nk.T).min(1), .05))
    return max(LEAST_LIMIT, min(1.5 * own, max(own, float(np.sqrt(max(own * anything, 0))))))
