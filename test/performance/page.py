"""The page: what it costs, how old its picture is, how soon it is there.

    python test/performance/page.py --out docs/results/page.json

One camera process (640x480 bgr8, 15 Hz), one node and ``vqa_web`` run throughout. The CPU time of
node and page (/proc/PID/stat) is taken over 20 s each: nobody looks, then one browser (Debian's
chromium, headless) looks. From the stamp of a frame, set as it is published, to the moment at
which the browser has drawn it: measured in the browser, same clock. The first view: bytes over
the wire, first paint, first picture. ``--minutes 30`` streams to a client that acknowledges each
picture, and tells the page's memory once a minute. Missed targets are told, not hidden; exit
status 1 where no picture came.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.rig import MODEL, Asker, Child, node_command, until
from helpers.page import ADDRESS, Link
from helpers.screen import chromium
from performance.common import CAMERA, Machine, finish, own_cpu_s, parser, quantiles, ros

NAMESPACE, RATE, SIZE = '/page', 15.0, '640x480'
SETTLE = 4.0  # s until a measurement begins
TARGETS = {'idle_share': 0.01, 'viewer_share': 0.15, 'age_p95_ms': 150.0, 'first_view_ms': 1000.0,
           'first_view_bytes': 300_000}
WATCH = """
window.ages = []; window.firstPicture = null;
addEventListener('DOMContentLoaded', () => {
  const canvas = document.getElementById('canvas');
  new MutationObserver(() => {
    window.firstPicture ??= performance.now();
    if (canvas.dataset.age) window.ages.push(Number(canvas.dataset.age));
  }).observe(canvas, {attributes: true, attributeFilter: ['data-pictures']});
});
"""
WEIGHT = """
const all = ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind));
return {bytes: all.reduce((sum, entry) => sum + entry.transferSize, 0), files: all.length,
  first_paint_ms: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null,
  first_picture_ms: window.firstPicture};
"""


class Page(Child):
    """``vqa_web`` with what ``Link`` needs."""

    @property
    def port(self) -> int:
        return int(until(lambda: ADDRESS.search(self.said()), 'the address')[1])

    @property
    def host(self) -> str:
        return f'127.0.0.1:{self.port}'

    def connect(self):
        import socket

        return socket.create_connection(('127.0.0.1', self.port), 30)


def share(children: dict[str, Child], seconds: float) -> dict[str, float]:
    """Return each process's share of a core over the next seconds."""
    before, start = {name: child.cpu_s() for name, child in children.items()}, time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - start
    return {name: round((child.cpu_s() - before[name]) / elapsed, 5)
            for name, child in children.items()}


def look(page: Page, node: Child, folder: Path, seconds: float) -> dict:
    """Let one browser look; return shares, ages and the weight of the first view."""
    with chromium(folder / 'profile') as driver:
        driver.execute_cdp_cmd('Page.addScriptToEvaluateOnNewDocument', {'source': WATCH})
        driver.get(f'http://{page.host}/')
        until(lambda: driver.execute_script('return window.firstPicture'), 'a picture')
        first = driver.execute_script(WEIGHT)
        time.sleep(SETTLE)
        driver.execute_script('window.ages.length = 0')
        start = time.monotonic()
        used = share({'vqa_web': page, 'node': node}, seconds)
        ages = driver.execute_script('return window.ages')
        elapsed = time.monotonic() - start
    return {'share_of_a_core': used, 'pictures_per_s': round(len(ages) / elapsed, 2),
            'published_to_drawn_ms': quantiles(ages),
            'first_view': {key: value and round(value) for key, value in first.items()}}


def stream(page: Page, minutes: float) -> dict:
    """Look through a client that acknowledges; return the page's memory once a minute, MB."""
    memory, pictures = [page.memory_mb()['rss_mb']], 0
    with Link(page, {}) as link:
        link.say({'do': 'watch', 'camera': '', 'width': 640})
        start = time.monotonic()
        while time.monotonic() - start < 60 * minutes:
            link.until('picture')
            link.say({'do': 'drawn'})
            pictures += 1
            if time.monotonic() - start > 60 * len(memory):
                memory.append(page.memory_mb()['rss_mb'])
    memory.append(page.memory_mb()['rss_mb'])
    warm = memory[min(2, len(memory) - 1):]
    return {'minutes': minutes, 'pictures': pictures, 'rss_mb': memory,
            'rss_growth_mb': round(max(warm) - warm[0], 3)}


def measure(folder: Path, seconds: float, minutes: float) -> dict:
    """Run camera, node and page; return the document of --json."""
    machine, begun, own = Machine(), time.time(), own_cpu_s()
    camera = [sys.executable, str(CAMERA), NAMESPACE, '--rate', str(RATE), '--size', SIZE]
    web = [sys.executable, '-m', 'latent_vqa_ros.ros.page_main', '--ros-args', '-r',
           f'__ns:={NAMESPACE}', '-p', 'port:=0']
    with (Child(camera, folder / 'camera.txt') as eye,
          Child(node_command(NAMESPACE, model=MODEL), folder / 'node.txt') as node):
        with Asker(NAMESPACE) as asker:
            asker.greet()
        time.sleep(SETTLE)
        found = {'nobody_and_no_page': share({'node': node}, seconds)}
        with Page(web, folder / 'page.txt') as page:
            until(lambda: page.port, 'the page')
            time.sleep(SETTLE)
            found['nobody_looks'] = share({'vqa_web': page, 'node': node}, seconds)
            found['one_looks'] = look(page, node, folder, seconds)
            if minutes:
                found['stream'] = stream(page, minutes)
            ours_s = sum(child.cpu_s() for child in (eye, node, page)) + own_cpu_s() - own
    return {'camera': {'size': SIZE, 'encoding': 'bgr8', 'rate': RATE},
            'machine': machine.document(time.time() - begun, ours_s), **found, **judge(found)}


def judge(found: dict) -> dict:
    """Return the targets, which were met, and the claims that do not hold."""
    one = found['one_looks']
    values = {'idle_share': found['nobody_looks']['vqa_web'],
              'viewer_share': one['share_of_a_core']['vqa_web'],
              'age_p95_ms': one['published_to_drawn_ms'].get('p95', float('inf')),
              'first_view_ms': one['first_view']['first_picture_ms'],
              'first_view_bytes': one['first_view']['bytes']}
    met = {name: values[name] <= limit for name, limit in TARGETS.items()}
    few = one['pictures_per_s'] < 1
    return {'targets': TARGETS, 'values': values, 'met': met,
            'failed': ['pictures come'] if few else []}


def main() -> int:
    made = parser(__doc__)
    made.add_argument('--seconds', type=float, default=20.0, help='of each measurement')
    made.add_argument('--minutes', type=float, default=0.0, help='of streaming, for the memory')
    args = made.parse_args()
    with ros() as folder:
        document = measure(folder, args.seconds, args.minutes)
    one, values = document['one_looks'], document['values']
    lines = [
        f'node alone, nobody asks               {100 * document["nobody_and_no_page"]["node"]:.2f}'
        ' % of a core',
        f'node beside the page, nobody looks    {100 * document["nobody_looks"]["node"]:.2f} %',
        f'vqa_web, nobody looks                 {100 * values["idle_share"]:.2f} %',
        f'vqa_web, one browser looks            {100 * values["viewer_share"]:.2f} %, '
        f'{one["pictures_per_s"]:.1f} pictures a second',
        'published → drawn in the browser      p50 {p50:.0f} ms   p95 {p95:.0f} ms   '
        'max {max:.0f} ms'.format(**one['published_to_drawn_ms']),
        f'first view                            {values["first_view_bytes"] / 1e3:.0f} kB, first '
        f'paint {one["first_view"]["first_paint_ms"]} ms, first picture '
        f'{values["first_view_ms"]} ms',
        *(['{minutes:g} minutes of streaming           {pictures} pictures, memory '
           'grew by {rss_growth_mb:.1f} MB'.format(**document['stream'])]
          if 'stream' in document else []),
        f'missed targets: {", ".join(k for k, ok in document["met"].items() if not ok) or "none"}',
        f'meanwhile {document["machine"]["cores_busy_with_other_work"]} cores were busy with '
        'other work']
    return finish(document, args, lines)


if __name__ == '__main__':
    sys.exit(main())
