"""Do all kinds of x86 processors give the same answers? Hide flags of this one and compare.

    python test/performance/cpu_kinds.py --out docs/results/cpu_kinds.json
    python test/performance/cpu_kinds.py --qemu --pictures 20 --questions 1
    python test/performance/cpu_kinds.py --answers pi.json     # on another computer
    python test/performance/cpu_kinds.py --beside pi.json      # here

Each kind is a process in which the CPUID instruction does not show what that kind lacks, so that
NumPy, OpenCV and ONNX Runtime take the code they would take there, at full speed. It needs Linux,
gcc and a processor with CPUID faulting (`cpuid_fault` in /proc/cpuinfo: Intel since 2012). --qemu
emulates processors instead (Debian's qemu-user; slow; it has no AVX-512). Pictures are those of
the test splits of both shipped models' data. Knows nothing of time.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODELS = ('tabletop', 'easy_vqa')  # each is asked about the data of its name
PICTURES = 1000
EAX, EBX, ECX, EDX = range(4)

# Intel's manual, volume 2, CPUID: what tells a kind of processor by (leaf, subleaf, register).
AMX = {(7, 0, EDX): (22, 24, 25)}
AVX_VNNI = {(7, 1, EAX): (4, 23), (7, 1, EDX): (4, 10)}
AVX512_VNNI = {(7, 0, ECX): (11,), (7, 1, EAX): (5,), (7, 0, EDX): (23,)}
AVX512 = {(7, 0, EBX): (16, 17, 21, 26, 27, 28, 30, 31), (7, 0, ECX): (1, 6, 11, 12, 14),
          (7, 0, EDX): (2, 3, 8, 23), (7, 1, EAX): (5,), (7, 1, EDX): (19,)}
AVX = {(1, 0, ECX): (12, 28, 29), (7, 0, EBX): (3, 5, 8)}
KINDS = {  # name: (such as, what it lacks of the newest, its processor in qemu)
    'as it is': ('', (), None),
    'AVX-512 VNNI': ('Cascade Lake, Zen 4', (AMX, AVX_VNNI), None),
    'AVX-512': ('Skylake-X', (AMX, AVX_VNNI, AVX512_VNNI), None),
    'AVX2 and AVX-VNNI': ('Alder Lake', (AMX, AVX512), None),
    'AVX2': ('Haswell, Zen 1 to 3', (AMX, AVX_VNNI, AVX512), 'Haswell-noTSX'),
    'SSE4': ('Nehalem, Celeron J4125', (AMX, AVX_VNNI, AVX512, AVX), 'Nehalem'),
}


class Flags(ctypes.Structure):
    """``struct flags`` of hide_cpu_flags.c."""

    _fields_ = [(name, ctypes.c_uint32) for name in ('leaf', 'subleaf', 'place', 'bits')]


def hide(kind: str) -> None:
    """Hide from this process what the kind lacks; to be called before NumPy is imported."""
    lacks = KINDS[kind][1]
    if not lacks:
        return
    flags = [Flags(*where, sum(1 << bit for bit in bits))
             for group in lacks for where, bits in group.items()]
    source = Path(__file__).with_name('hide_cpu_flags.c')
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / 'hide.so'
        subprocess.run(['gcc', '-O2', '-shared', '-fPIC', '-o', library, source], check=True)
        loaded = ctypes.CDLL(str(library))
    if loaded.hide_flags((Flags * len(flags))(*flags), len(flags)) != 0:
        sys.exit('flags cannot be hidden here (no cpuid_fault in /proc/cpuinfo): use --qemu')


def answers(args: argparse.Namespace) -> dict:
    """Return the answers of this process, by model, and which of these flags NumPy sees."""
    from numpy._core._multiarray_umath import __cpu_features__ as features

    return {'processor': f'{cpu_name()} ({platform.machine()})',
            'sees': [name for name in ('AVX512_ICL', 'AVX512F', 'AVX2', 'SVE', 'ASIMDDP')
                     if features.get(name)],
            'models': {model: ask(model, args.pictures, args.questions) for model in args.models}}


def ask(model: str, pictures: int, questions: int) -> dict:
    """Return each answer of a model, how sure it is, whether it is right, what the node says."""
    from dataclasses import replace

    from latent_vqa_ros import datasets
    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.core.answer import softmax
    from latent_vqa_ros.datasets.record import questions_of
    from latent_vqa_ros.evaluation.evaluate import predict

    pipeline = open_pipeline(model)
    manifest = pipeline.bundle.manifest
    records = [replace(record, questions=record.questions[:questions]) for record in
               datasets.load(model, ('test',), pictures).split('test')[:pictures]]
    found = predict(pipeline.backend, manifest, records)
    confidence = softmax(found.logits, manifest.temperature).max(axis=1)
    words = [manifest.answers[index] for index in found.logits.argmax(axis=1)]
    limit = float('inf') if manifest.max_distance is None else manifest.max_distance
    refused = [not found.distances[index] <= limit for index, _ in questions_of(records)]
    said = ['unfamiliar_image' if strange else word if sure >= manifest.min_confidence
            else 'unsure' for strange, word, sure in zip(refused, words, confidence, strict=True)]
    return {'graphs': graphs(manifest), 'right': int(found.right.sum()), 'words': words,
            'said': said, 'confidence': [round(float(sure), 5) for sure in confidence]}


def graphs(manifest) -> dict[str, str]:
    """Return the SHA-256 of each graph of a bundle."""
    return {name: entry.sha256 for name, entry in manifest.files.items()
            if name.endswith('.onnx')}


def run_kind(kind: str, args: argparse.Namespace, folder: Path) -> dict:
    """Return the answers of a process of that kind."""
    out = folder / f'{kind}.json'
    command = [sys.executable, __file__, '--answers', str(out), '--pictures', str(args.pictures),
               '--questions', str(args.questions), '--models', *args.models]
    if args.qemu and KINDS[kind][2]:
        command = ['qemu-x86_64', '-cpu', KINDS[kind][2], *command]
    else:
        command += ['--kind', kind]
    subprocess.run(command, check=True)
    return json.loads(out.read_text())


def compare(kind: str, found: dict, first: dict) -> dict:
    """Count the answers of a kind that differ from those of this processor as it is."""
    row = {'kind': kind, 'such_as': KINDS[kind][0] if kind in KINDS else found['processor'],
           'sees': found['sees'], 'models': {}}
    for model, own in found['models'].items():
        reference = first['models'][model]
        if (own['graphs'], len(own['words'])) != (reference['graphs'], len(reference['words'])):
            sys.exit(f'{kind}: {model} is another bundle there, or was asked other questions')
        row['models'][model] = {
            'questions': len(own['words']), 'right': own['right'],
            **{f'other_{key}': differ(own[key], reference[key]) for key in ('words', 'said')},
            'confidence_apart': max(abs(a - b) for a, b in zip(
                own['confidence'], reference['confidence'], strict=True))}
    return row


def differ(some: list[str], others: list[str]) -> int:
    return sum(a != b for a, b in zip(some, others, strict=True))


def cpu_name() -> str:
    lines = Path('/proc/cpuinfo').read_text().splitlines()
    return next((line.partition(':')[2].strip() for line in lines
                 if line.startswith('model name')), 'unknown processor')


def table(document: dict) -> str:
    """Return the table of docs/computers.md."""
    lines = ['| kind | such as | model | questions | right | other answer | node says other | '
             'confidence apart |', '|---|---|---|---|---|---|---|---|']
    for row in document['kinds']:
        such_as = row['such_as'] or document['processor']
        lines += [f'| {row["kind"]} | {such_as} | {model} | {n["questions"]} | '
                  f'{100 * n["right"] / n["questions"]:.2f} % | {n["other_words"]} | '
                  f'{n["other_said"]} | {n["confidence_apart"]:.4f} |'
                  for model, n in row['models'].items()]
    return '\n'.join(lines)


def kinds(qemu: bool) -> list[str]:
    """Return the kinds that flags can be hidden for, or those that qemu emulates."""
    return [kind for kind in KINDS if not qemu or kind == 'as it is' or KINDS[kind][2]]


def compare_kinds(args: argparse.Namespace) -> dict:
    """Run each kind and return the document."""
    asked = kinds(args.qemu)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        ran = pool.map(lambda kind: run_kind(kind, args, Path(folder)), asked)
        found = dict(zip(asked, ran, strict=True))
    found |= {path.stem: json.loads(path.read_text()) for path in args.beside}
    first = found['as it is']
    return {'command': 'python test/performance/cpu_kinds.py ' + ' '.join(sys.argv[1:]),
            'processor': first['processor'],
            'graphs': {model: own['graphs'] for model, own in first['models'].items()},
            'kinds': [compare(kind, own, first) for kind, own in found.items()]}


def main() -> int:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument('--pictures', type=int, default=PICTURES, help='of each model')
    made.add_argument('--questions', type=int, default=10, help='about each picture, at most')
    made.add_argument('--models', nargs='+', choices=MODELS, default=MODELS)
    made.add_argument('--qemu', action='store_true', help='emulate processors')
    made.add_argument('--beside', type=Path, nargs='*', default=[], metavar='FILE')
    made.add_argument('--out', type=Path, metavar='FILE', help='write the result there as well')
    made.add_argument('--answers', type=Path, metavar='FILE', help='write the answers of one kind')
    made.add_argument('--kind', choices=KINDS, default='as it is', help='of --answers')
    args = made.parse_args()
    if args.answers:
        hide(args.kind)
        args.answers.write_text(json.dumps(answers(args)))
        return 0
    document = compare_kinds(args)
    if args.out:
        args.out.write_text(json.dumps(document, indent=1) + '\n')
    print(table(document))
    differing = sum(n['other_words'] for row in document['kinds'] for n in row['models'].values())
    return 1 if differing else 0


if __name__ == '__main__':
    sys.exit(main())
