"""Write the end of docs/performance.md, about the node, from the results in docs/results.

    python test/performance/report.py
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / 'docs' / 'results'
PAGE = ROOT / 'docs' / 'performance.md'
NAMES = ('idle', 'load', 'soak')
GROWTH_MB = 5.0  # target of the soak
MARK = '<!-- below this line: written by test/performance/report.py -->\n\n'
STEADY = '`/diagnostics` once a second included'


def results() -> dict[str, dict]:
    """Return the recorded documents by name."""
    return {name: json.loads((RESULTS / f'{name}.json').read_text()) for name in NAMES}


def page(found: dict[str, dict]) -> str:
    """Return the page: what is written by hand as it is, then the recorded results."""
    by_hand, mark, _ = PAGE.read_text().partition(MARK)
    return by_hand + mark + '\n'.join([
        'Each figure was printed by the command above it and is recorded in `docs/results`; '
        '`python test/performance/report.py` writes this part of the page from there. Run the '
        'commands in an environment in which `make test` passes, on a quiet machine: what else '
        'ran meanwhile stands beside the figures.', '',
        *idle(found['idle']), *load(found['load']), *soak(found['soak'])])


def head(title: str, document: dict) -> list[str]:
    machine = document['machine']
    return [f'### {title}', '', f'    {document["command"]}', '',
            f'{machine["cpu"]}, {machine["cores"]} cores, Python {machine["python"]}; other work '
            f'kept {machine["cores_busy_with_other_work"]} cores busy meanwhile.', '']


def idle(document: dict) -> list[str]:
    camera, share, spread = (document[key] for key in ('camera', 'share_of_a_core', 'spread'))
    names = {'ours': 'this node, no questions', 'receive': 'a node that receives each frame',
             'receive_kept': 'the same, its allocator told to keep memory',
             'infer': 'a node that infers on each frame'}
    rows = [f'| {name} | {100 * share[role]:.2f} % | '
            f'{100 * spread[role][0]:.2f} to {100 * spread[role][1]:.2f} % |'
            for role, name in names.items()]
    return [*head('A camera that nobody asks about', document),
            f'One {camera["size"]} {camera["encoding"]} camera at {camera["rate"]:g} Hz '
            f'throughout; {100 * document["received_of_published"]:.0f} % of its frames reached '
            'the receiver.', '',
            f'| CPU, {STEADY} | of a core, median | rounds |', '|---|---|---|', *rows, '',
            f'Ours takes {document["ours_to_receive"]:.3f} of receiving each frame and '
            f'{document["ours_to_infer"]:.3f} of inferring on each (medians); the target of '
            f'{document["target"]["ours_to_receive_at_most"]} of receiving each was '
            f'{"met" if document["target"]["met"] else "missed"} in this run. '
            f'{100 * document["ours_of_it_middleware"]:.2f} % of a core of ours is the '
            "middleware's own thread, which receives each frame. What a "
            'receiver pays varies: most of it '
            'is the memory of its 2.7 MB messages: the C allocator gives it back '
            'and the kernel clears it anew for each frame (`page_faults_per_s` in the record). A '
            'receiver whose allocator keeps it, by settings or now and then by luck, is much '
            f'cheaper; ours takes {document["ours_to_receive_kept"]:.2f} of that one.', '']


def load(document: dict) -> list[str]:
    rows = [row(f'this node, `queue_depth` {each["queue_depth"]}', each)
            for each in document['node']]
    same = document['echo']['at_half_of_node']
    return [*head('Questions a second on one core', document),
            'Highest rate at which each question got its answer and none was `overloaded`, in '
            f'bursts of {document["burst_s"]:g} s, with a 30 Hz camera of 640x480; the node on '
            'one core, asker and camera on the rest. Beside it, a process that only echoes a '
            'String.', '',
            '| | highest rate | p50 at half | p95 at half |', '|---|---|---|---|', *rows,
            row('echo of a String', document['echo']), '',
            f'The echo at {same["rate"]:g}/s: p95 {same["latency_ms"]["p95"]:.2f} ms. '
            f'The node serves {document["ratio_node_to_echo"]:.2f} of what the echo does; with '
            'the default queue a pause of the machine of a few milliseconds is enough for '
            '`overloaded`. Above what one core can take in, the middleware drops questions before '
            'the node sees them (its history holds 1,000): those get no detail (`missing` in the '
            'record).', '']


def row(name: str, found: dict) -> str:
    half = found['at_half']['latency_ms']
    return (f'| {name} | {found["highest_rate"]:.0f}/s | {half["p50"]:.2f} ms '
            f'| {half["p95"]:.2f} ms |')


def soak(document: dict) -> list[str]:
    latency = document['latency_ms']
    warm = [each for each in document['timeline'] if each['s'] >= document['warm_up_s']]
    anonymous = max(each['anon_mb'] for each in warm) - warm[0]['anon_mb']
    met = 'met' if document['rss_growth_mb'] < GROWTH_MB else 'missed'
    ok = document['statuses'].get('ok', 0)
    return [*head('Soak', document),
            f'{document["minutes"]:g} minutes, camera {document["size"]} at '
            f'{document["camera_rate"]:g} Hz, {document["question_rate"]:g} questions a second; '
            'broken questions, broken frames and silent periods mixed in.', '',
            '| | |', '|---|---|',
            f'| questions | {document["questions"]} |',
            f'| without exactly one detail | {len(document["wrongly_counted"])} |',
            f'| answered with a word (`ok`) | {ok} |',
            f'| `stale_image` while the camera was silent | '
            f'{document["statuses"].get("stale_image", 0)} |',
            f'| latency p50, p95, p99 | {latency["p50"]:.2f}, {latency["p95"]:.2f}, '
            f'{latency["p99"]:.2f} ms |',
            f'| RSS, largest after {document["warm_up_s"] / 60:g} minutes less the one then | '
            f'{document["rss_growth_mb"]:+.2f} MB |',
            f'| of it memory of the node alone (anonymous) | {anonymous:+.2f} MB |',
            f'| RSS at the end | {document["rss_end_mb"]:.1f} MB |', '',
            f'The target, RSS growth below {GROWTH_MB:g} MB, was {met} in this run. RSS also '
            'counts the pages of `/dev/shm/fastrtps_*`, where the camera puts its frames, as far '
            'as the node has touched them (RssShmem in `/proc/PID/status`): a step of whole '
            'frames while the machine is busy is most likely that segment, which has an end. '
            'What the node itself holds is the anonymous part.', '',
            '![memory and latency over time](results/soak.png)', '']


def main() -> int:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    PAGE.write_text(page(results()))
    print(PAGE.relative_to(ROOT))
    return 0


if __name__ == '__main__':
    sys.exit(main())
