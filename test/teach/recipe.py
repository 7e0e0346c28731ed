"""How good teaching is: tasks, twenty draws of shots, moments that the shots never share.

    python test/teach/recipe.py --signs DIR --vegetables DIR --rooms DIR \\
        --out docs/results/teaching.json

DIR: folders with questions.jsonl (image, answer, moment, split), and one of photographs of other
worlds. Simulated trays and grippers are drawn (MuJoCo). One thread. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np
from teach import tasks

import latent_vqa_ros
from latent_vqa_ros import backends
from latent_vqa_ros.core.answer import softmax
from latent_vqa_ros.teach.features import RegionEncoder
from latent_vqa_ros.teach.head import Shown, fit
from latent_vqa_ros.teach.judge import CONFIDENCE, GATE, judge, margins

DRAWS, SHOTS = 20, (2, 5, 10, 20)
MOVED = (.08, .2)  # of the frame
MOMENTS = ((3, 4), (6, 2), (10, 1))  # of each answer, and frames of each
ROOMS, NOISE = 60, 12  # pictures of other worlds


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ('signs', 'vegetables', 'rooms', 'out'):
        parser.add_argument(f'--{name}', type=Path, required=True)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    encoder = RegionEncoder(lambda: backends.open_features('lite0'))
    found = [tasks.real(args.signs), tasks.real(args.vegetables), *tasks.simulated()]
    seen = [(task, np.stack([encoder.encode_as_kept(picture, task.region)
                             for picture in task.pictures]))
            for task in found]
    others = elsewhere(encoder, args.rooms)
    rows = [row for number, (task, x_nd) in enumerate(seen)
            for row in measure(task, x_nd, encoder, strangers(seen, number, others))]
    result = {'version': latent_vqa_ros.__version__, 'encoder': encoder.sha256,
              'draws': DRAWS, 'confidence': CONFIDENCE, 'gate': GATE,
              'tasks': summarize(rows), 'gate_passed': passed(rows),
              'moved': moved(seen, encoder), 'wrong_label_named': wrong_labels(seen, encoder),
              'never_taught_answered': never_taught(seen, encoder), 'one_moment': one_moment(
                  seen, encoder), 'moments': few_moments(encoder, others)}
    result['judge_promises_more_by'] = promise(result['tasks'])
    args.out.write_text(json.dumps(result, indent=1) + '\n')
    print(json.dumps(result, indent=1))
    return 0


def elsewhere(encoder, folder):
    """Return features of rooms, noise and flat grey."""
    files = sorted(folder.glob('*.jpg'))
    rooms = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
             for path in files[::max(1, len(files) // ROOMS)][:ROOMS]]
    noise = np.random.default_rng(0).integers(0, 256, (NOISE, 240, 320, 3), dtype=np.uint8)
    flat = [np.full((240, 320, 3), grey, np.uint8) for grey in (0, 60, 128, 255)]
    return np.stack([encoder.encode_as_kept(picture)
                     for picture in (*rooms, *noise, *flat)])


def strangers(seen, number, others):
    """Return features of other worlds: rooms, noise, frames of tasks of other families."""
    rng, own = np.random.default_rng(number), seen[number][0].family
    drawn = {'tray', 'gripper'}
    parts = [x_nd[rng.choice(len(x_nd), 10, replace=False)] for task, x_nd in seen
             if task.family != own and {task.family, own} != drawn]
    return np.concatenate([*parts, others])


def halves(task, draw):
    """Return which pictures may be shown: whole moments."""
    if task.train_n is not None:
        return task.train_n
    moments = np.unique(task.moment_n)
    half = np.random.default_rng(draw).permutation(moments)[:len(moments) // 2]
    return np.isin(task.moment_n, half)


def choose(task, train_n, shots, draw, moments=None):
    """Return rows with so many shots of each answer, from as many moments as there are."""
    rng, chosen = np.random.default_rng((draw, shots)), []
    for answer in np.unique(task.answer_n):
        rows = rng.permutation(np.flatnonzero(train_n & (task.answer_n == answer)))
        if moments is not None:
            rows = rows[np.isin(task.moment_n[rows], np.unique(task.moment_n[rows])[:moments])]
        turn = [int((task.moment_n[rows[:i]] == task.moment_n[row]).sum())
                for i, row in enumerate(rows)]
        chosen.append(rows[np.argsort(turn, kind='stable')][:shots])
        if len(chosen[-1]) < shots and moments is None:
            return None
    return np.concatenate(chosen)


def taught(task, x_nd, rows, encoder):
    """Return what one fit makes, and what it was shown."""
    shown = Shown(x_nd[rows], task.answer_n[rows], task.moment_n[rows])
    count = int(task.answer_n.max()) + 1
    return fit(shown, count, encoder.layout, encoder.generic_mk), shown


def look(head, x_nd, encoder):
    """Return answers, and whether they are given."""
    p_nc = softmax(x_nd @ head.weights_cd.T + head.bias_c, 1 / head.scale)
    far_n = (1 - encoder.layout.near(x_nd) @ head.near_nk.T).min(1)
    return p_nc.argmax(1), (p_nc.max(1) >= CONFIDENCE) & (far_n <= head.limit)


def measure(task, x_nd, encoder, strange_nd):
    """Yield a row per draw and number of shots."""
    for draw in range(DRAWS):
        train_n = halves(task, draw)
        test = np.flatnonzero(~train_n)
        for shots in SHOTS:
            rows = choose(task, train_n, shots, draw)
            if rows is None:
                continue
            yield {'family': task.family, 'shots': shots,
                   **judged(task, x_nd, rows, test, encoder, strange_nd)}


def judged(task, x_nd, rows, test, encoder, strange_nd):
    """Return what a fit on some rows is worth on the test rows, and what its judge says of it."""
    fitted, shown = taught(task, x_nd, rows, encoder)
    answers, given = look(fitted.head, x_nd[test], encoder)
    right = answers == task.answer_n[test]
    verdict = judge(shown, [str(c) for c in range(task.answer_n.max() + 1)], fitted)
    return {'right': np.mean([right[task.answer_n[test] == c].mean()
                              for c in np.unique(task.answer_n)]),
            'answered': given.mean(), 'right_given': (given & right).mean(),
            'strange': look(fitted.head, strange_nd, encoder)[1].mean(),
            'promised': verdict.right if verdict.by == 'moment' else np.nan,
            'bound': verdict.lower_bound, 'trusted': verdict.trusted}


def figures(rows):
    """Return the means over draws and tasks of one family and one number of shots."""
    def mean(key):
        return float(np.nanmean([row[key] for row in rows]))

    answered = mean('answered')
    return {'n': len(rows), 'right': mean('right'), 'answered': answered,
            'right_when_answered': mean('right_given') / answered if answered else None,
            'other_worlds_answered': mean('strange'),
            'other_worlds_worst': float(max(row['strange'] for row in rows)),
            'promised': mean('promised') if rows[0]['shots'] > 2 else None,
            'trusted': mean('trusted'),
            'bound_holds': float(np.mean([row['right'] >= row['bound'] for row in rows]))}


def summarize(rows):
    """Return figures by family and number of shots, shares rounded to four digits."""
    parts = defaultdict(list)
    for row in rows:
        parts[row['family'], row['shots']].append(row)
    return {family: {str(shots): rounded(figures(parts[family, shots])) for shots in SHOTS
                     if (family, shots) in parts} for family in {key[0]: 0 for key in parts}}


def passed(rows):
    """Return how right is what the judge trusts, over all draws of ten shots and more."""
    found = {}
    for family in ('all', *{row['family']: 0 for row in rows}):
        asked = [row for row in rows if row['shots'] >= 10 and family in ('all', row['family'])]
        trusted = [row for row in asked if row['trusted']]
        given = sum(row['answered'] for row in trusted)
        found[family] = rounded({
            'draws': len(asked), 'trusted': len(trusted),
            'right': float(np.mean([row['right'] for row in trusted])) if trusted else None,
            'answered': given / len(trusted) if trusted else None,
            'right_when_answered': sum(row['right_given'] for row in trusted) / given
            if given else None})
    return found


def promise(found):
    """Return by how much the judge's share exceeds the truth, at ten shots; mean of tasks."""
    return rounded({'mean': np.mean([part['10']['promised'] - part['10']['right']
                                     for part in found.values()]),
                    **{family: part['10']['promised'] - part['10']['right']
                       for family, part in found.items()}})


def moved(seen, encoder):
    """Return what is answered, and right, once the camera has moved by a share of the frame."""
    found = {}
    for share in MOVED:
        rows = []
        for task, x_nd in seen:
            if task.family != 'tray':
                continue
            train_n = halves(task, 0)
            fitted, _ = taught(task, x_nd, choose(task, train_n, 10, 0), encoder)
            test = np.flatnonzero(~train_n)
            pictures = [np.roll(task.pictures[i], round(share * tasks.SIDE), 1) for i in test]
            answers, given = look(fitted.head, np.stack(
                [encoder.encode_as_kept(picture, task.region) for picture in pictures]), encoder)
            rows.append((given.mean(), (given & (answers == task.answer_n[test])).mean()))
        given, right = np.mean(rows, 0)
        found[str(share)] = rounded({'answered': given,
                                     'right_when_answered': right / given if given else None})
    return found


def wrong_labels(seen, encoder):
    """Return how often one wrong label among twenty shots is among the three doubtful ones."""
    named = []
    for task, x_nd in seen:
        for draw in range(DRAWS):
            rows = choose(task, halves(task, draw), 10, draw)
            if task.family == 'gripper' or rows is None:
                continue
            wrong = int(np.random.default_rng(draw).integers(len(rows)))
            answer_n = task.answer_n[rows].copy()
            answer_n[wrong] = (answer_n[wrong] + 1) % (answer_n.max() + 1)
            shown = Shown(x_nd[rows], answer_n, task.moment_n[rows])
            fitted = fit(shown, int(answer_n.max()) + 1, encoder.layout, encoder.generic_mk)
            named.append(wrong in np.argsort(margins(shown, fitted)[0])[:3])
    return rounded({'share': float(np.mean(named)), 'n': len(named)})


def never_taught(seen, encoder):
    """Return how often a vegetable that was never shown is answered."""
    task, x_nd = next(pair for pair in seen if pair[0].family == 'vegetables')
    shares = []
    for hidden in np.unique(task.answer_n):
        kept = task.answer_n != hidden
        part = tasks.Task('', '', [], np.unique(task.answer_n[kept], return_inverse=True)[1],
                          task.moment_n[kept], task.train_n[kept])
        fitted, _ = taught(part, x_nd[kept], choose(part, part.train_n, 10, 0), encoder)
        shares.append(look(fitted.head, x_nd[~kept & ~task.train_n], encoder)[1].mean())
    return rounded({'share': float(np.mean(shares)), 'worst': float(np.max(shares))})


def one_moment(seen, encoder):
    """Return how right shots of a single moment are, and how often they are trusted."""
    task, x_nd = next(pair for pair in seen if pair[0].family == 'vegetables')
    rights, trusted = [], []
    for draw in range(DRAWS):
        rows = choose(task, task.train_n, 10, draw, moments=1)
        fitted, shown = taught(task, x_nd, rows, encoder)
        answers, _ = look(fitted.head, x_nd[~task.train_n], encoder)
        rights.append((answers == task.answer_n[~task.train_n]).mean())
        trusted.append(judge(shown, [str(c) for c in range(5)], fitted).trusted)
    return rounded({'right': float(np.mean(rights)), 'trusted': float(np.mean(trusted))})


def few_moments(encoder, others):
    """Return how right trusted draws of few moments are, several frames of each."""
    rows = defaultdict(list)
    most = max(frames for _, frames in MOMENTS)
    for task in tasks.simulated(('tray',), tasks.CAMERAS[:4], most):
        x_nd = np.stack([encoder.encode_as_kept(picture, task.region)
                         for picture in task.pictures])
        for draw in range(DRAWS):
            train_n = halves(task, draw)
            test = np.flatnonzero(~train_n)
            if min(len(np.unique(task.moment_n[train_n & (task.answer_n == answer)]))
                   for answer in (0, 1)) < max(MOMENTS)[0]:
                continue
            for moments, frames in MOMENTS:
                shots = moments * frames
                rows[f'{moments} x {frames}'].append({'shots': shots, **judged(
                    task, x_nd, choose(task, train_n, shots, draw, moments), test, encoder,
                    others)})
    return {name: rounded({
        'draws': len(all_of), **figures(trusted), 'bound': float(np.mean([
            row['bound'] for row in trusted])), 'trusted': len(trusted)})
            for name, all_of in rows.items()
            if (trusted := [row for row in all_of if row['trusted']])}


def rounded(figures):
    """Return a document with its floats rounded to four digits."""
    return {key: round(float(value), 4) if isinstance(value, float) else value
            for key, value in figures.items()}


if __name__ == '__main__':
    started = time.monotonic()
    code = main()
    print(f'{time.monotonic() - started:.0f} s', file=sys.stderr)
    sys.exit(code)
