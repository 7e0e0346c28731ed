"""The folder of taught questions on disk; every change is whole or not at all.

    folder = Folder('~/.ros/latent_vqa_ros/taught')
    known, shot = folder.add(Question('is the tray empty?'), 'yes', jpeg, stamp_ns)
    folder.known()      # all questions, each as a Known

    SLUG/question.yaml      text, wordings, camera, region
    SLUG/questions.jsonl    a line per shot: what counts as shown
    SLUG/shots/*.jpg        whole frames; one without its line was never acknowledged
    SLUG/versions/N/        what one fit made
    SLUG/active             which version answers, and which did before

Refuses to know features and heads.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import yaml

from latent_vqa_ros.core.process import some
from latent_vqa_ros.teach import files, shots
from latent_vqa_ros.teach.known import (
    ACTIVE,
    LINES,
    QUESTION,
    VERSIONS,
    Active,
    Known,
    is_question,
    is_there,
    meant,
    read,
)
from latent_vqa_ros.teach.question import (
    MAX_ANSWERS,
    MAX_QUESTIONS,
    Question,
    TeachError,
    check_answer,
    check_moment,
    normal,
)
from latent_vqa_ros.teach.shots import SHOTS, Shot

CHANGED = '.changed'  # its inode tells readers that something was written
MAX_SHOTS, MAX_ANSWER_SHOTS = 300, 60  # of a question, of one answer
MAX_BYTES = 128 << 20  # that the shots of a question may take
MAX_SHOT_BYTES = 16 << 20
ALREADY = 'this very picture is a shot'  # what a refusal of such a one begins with
MAX_VERSIONS = 20  # kept; the oldest goes first


class Folder:
    """All taught questions under one path. Any process and thread may use it at any time."""

    def __init__(self, path: str | os.PathLike[str],
                 breathe: Callable[[], object] = lambda: None) -> None:
        """``path`` may begin with ~; TeachError where that has no meaning.

        ``breathe`` is called while another writer is waited for; what it raises ends that.
        """
        self._breathe = breathe
        if not os.fspath(path):
            raise TeachError('the folder of what is taught has no name')
        try:
            self.path = Path(path).expanduser()
        except RuntimeError:  # no HOME, ~nobody
            raise TeachError(f'{path}: there is no such home folder; give the whole path'
                             ) from None

    def change(self) -> tuple[int, ...]:
        """Return what differs once somebody has written here, or moved a question in or out."""
        found = []
        for path in (self.path, self.path / CHANGED):
            try:
                stat = os.stat(path)
                found += [stat.st_ino, stat.st_mtime_ns]
            except OSError:
                found += [0, 0]
        return tuple(found)

    def known(self) -> list[Known]:
        """Return all questions, by slug; one that cannot be read says why."""
        return list(map(read, self.paths()))

    def paths(self) -> list[Path]:
        """Return the folder of each question, by slug."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.path)
                           if not entry.name.startswith('.')
                           and (entry.is_symlink() or entry.is_dir()))  # neither looks behind
        except FileNotFoundError:
            return []
        except OSError as error:
            raise TeachError(f'{self.path}: {error.strerror}') from error
        return [self.path / name for name in names[:2 * MAX_QUESTIONS]
                if is_question(self.path / name)]

    def find(self, text: str, camera: str | None = None) -> Known:
        """Return the question with this text, wording or slug; TeachError where there is none.

        ``camera`` None takes the question of any camera; TeachError where several have one.
        """
        known = self.known()
        found = [one for one in known if camera in (None, one.question.camera)
                 and (normal(text) in one.question.keys or text == one.slug)]
        found = [one for one in found if text == one.slug] or found
        if len(found) > 1:
            raise TeachError(f'{text[:80]!r} is taught for several cameras; name one by its '
                             f'folder: {", ".join(one.slug for one in found)}')
        if found:
            return found[0]
        raise TeachError(f'no taught question {text[:80]!r}; there are: '
                         + (some([one.slug for one in known]) or 'none'))

    def meant(self, question: Question) -> Known | None:
        """Return the question to which ``add`` adds a shot; None where it makes a new one."""
        return meant(self.known(), question)

    def add(self, question: Question, answer: str, jpeg: bytes, stamp_ns: int,
            moment: str = '', source: str = '') -> tuple[Known, Shot]:
        """Store a shot; once this returns it is on the disk. TeachError changes nothing.

        A question of another text is made; one that is known, by its text or its slug, takes
        the new region and further wordings, where there are some.
        """
        answer, moment = check_answer(answer), check_moment(moment)
        if not 0 < len(jpeg) <= MAX_SHOT_BYTES:
            raise TeachError(f'a shot of {len(jpeg)} bytes, at most {MAX_SHOT_BYTES}')
        with self._writing():
            known = self._wanted(question)
            answer = _as_before(answer, known.answers)
            shot = Shot(_next_name(known), answer, stamp_ns, hashlib.sha256(jpeg).hexdigest(),
                        moment, known.question.region, source)
            _check_room(known, shot, len(jpeg))
            known = replace(known, shots=(*known.shots, shot))
            files.make_folder(known.path / SHOTS)
            files.write_all({known.path / SHOTS / shot.name: jpeg,
                             known.path / LINES: _lines(known),
                             known.path / QUESTION: _yaml(known)})
        return known, shot

    def drop(self, known: Known, name: str) -> Known:
        """Remove a shot; TeachError where there is none of that name."""
        with self._writing():
            known = self._again(known)
            left = tuple(shot for shot in known.shots if shot.name != name)
            if len(left) == len(known.shots):
                raise TeachError(f'{known.slug} has no shot {name[:80]!r}')
            known = replace(known, shots=left)
            files.write_whole(known.path / LINES, _lines(known))
            with files.one_line(known.path):
                (known.path / SHOTS / name).unlink(missing_ok=True)
        return known

    def forget(self, known: Known) -> None:
        """Remove a question with all it has."""
        with self._writing():
            files.remove_folder(known.path)

    def add_version(self, known: Known, make: Callable[[int], Mapping[str, bytes]]
                    ) -> tuple[Known, int]:
        """Store what ``make(number)`` returns, contents by file name; return its number, too."""
        with self._writing():
            fitted, known = known.shots, self._again(known)
            if fitted and not set(fitted) & set(known.shots):
                raise TeachError(f'{known.slug}: none of the shots that were fitted is there any '
                                 'more; fit it again')
            number = max(known.versions, default=0) + 1
            folder = known.path / VERSIONS
            files.write_folder(folder / str(number), make(number))
            kept = {known.active.version, *(before for before, _ in known.active.before[-2:])}
            idle = [old for old in known.versions if old not in kept]
            for old in idle[:max(0, len(known.versions) + 1 - MAX_VERSIONS)]:
                files.remove_folder(folder / str(old))
        return read(known.path), number

    def switch(self, known: Known, version: int | None, forced: bool = False,
               instead_of: Active | None = None) -> Known:
        """Let a version answer, or none, unless another one does than ``instead_of``."""
        with self._writing():
            known = self._again(known)
            if instead_of not in (None, known.active):
                return known
            if version is not None and version not in known.versions:
                raise TeachError(f'{known.slug} has no version {version}')
            old, before = known.active, known.active.before
            if old.version is not None and old.version != version:
                before = (*before, (old.version, old.forced))[-MAX_VERSIONS:]
            while before and before[-1][0] == version:  # off and on again is no step to go back
                before = before[:-1]
            known = replace(known, active=Active(version, forced, before))
            _write_active(known)
        return known

    def rollback(self, known: Known) -> Known:
        """Let the version answer that did before; TeachError where there is none."""
        with self._writing():
            known = self._again(known)
            before = [pair for pair in known.active.before if pair[0] in known.versions]
            if not before:
                raise TeachError(f'{known.slug} has no version that answered before')
            version, forced = before.pop()
            known = replace(known, active=Active(version, forced, tuple(before)))
            _write_active(known)
        return known

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with files.lock(self.path, breathe=self._breathe):
            with files.one_line(self.path):
                for entry in os.scandir(self.path):
                    if entry.name.startswith(files.PART) and entry.is_dir():  # interrupted
                        files.sweep(Path(entry.path))
            yield
            files.write_whole(self.path / CHANGED, b'')

    def _again(self, known: Known) -> Known:
        """Return the question as it is on disk now; TeachError where it is gone or broken."""
        if not is_there(known.path / QUESTION):
            raise TeachError(f'{known.slug} was forgotten')
        known = read(known.path)
        if known.broken:
            raise TeachError(known.broken)
        return known

    def _wanted(self, question: Question) -> Known:
        """Return the question to which a shot is added, as it is to be; writes nothing."""
        all_known = self.known()
        known = meant(all_known, question)
        if known is not None:
            if known.broken:
                raise TeachError(known.broken)
            told = known.question
            wanted = replace(told, region=question.region or told.region,
                             wordings=_merged(told, question, known.slug))
            _check_apart(wanted.keys - told.keys, known, all_known)
            return replace(known, question=wanted)
        if len(all_known) >= MAX_QUESTIONS:
            raise TeachError(f'{len(all_known)} questions are taught, at most {MAX_QUESTIONS}: '
                             'forget one')
        path = self.path / question.slug
        for number in range(2, 2 * MAX_QUESTIONS):
            if not is_question(path):
                break
            if (other := read(path)).unread:  # perhaps the same one
                raise TeachError(f'{other.slug}: {other.broken}')
            path = self.path / f'{question.slug}-{number}'
        return Known(path, question)


def _as_before(answer: str, known: Sequence[str]) -> str:
    """Return an answer as it was spelled before: "Yes" is no other one than "yes"."""
    same = [one for one in known if normal(one) == normal(answer)]
    return answer if answer in same or not same else same[0]


def _check_apart(new: Set[str], known: Known, all_known: Sequence[Known]) -> None:
    """Raise TeachError where a new wording of a question asks another one of its camera."""
    for other in all_known:
        same = new & other.question.keys
        if same and other.path != known.path and (
                other.question.camera == known.question.camera):
            raise TeachError(f'{min(same)!r} asks {other.slug} already')


def _merged(told: Question, new: Question, slug: str) -> tuple[str, ...]:
    """Return the wordings of both, without those that ask the same, and without the slug."""
    known = {normal(told.text), normal(slug)}
    merged = []
    for text in (*told.wordings, new.text, *new.wordings):
        if normal(text) not in known:
            known.add(normal(text))
            merged.append(text)
    return tuple(merged)


def _last_number(known: Known) -> int:
    return max([0, known.last_shot, *(int(shot.name[:6]) for shot in known.shots)])


def _next_name(known: Known) -> str:
    name = f'{_last_number(known) + 1:06d}.jpg'
    if len(name) > len('000001.jpg'):
        raise TeachError(f'{known.slug}: no number is left for a shot; teach it anew')
    return name


def _check_room(known: Known, shot: Shot, size: int) -> None:
    """Raise TeachError where a shot is there already or has no room."""
    for other in known.shots:
        if (other.digest, other.answer) == (shot.digest, shot.answer):
            raise TeachError(f'{ALREADY} of {shot.answer!r} already: '
                             f'{other.name}')
    if shot.answer not in known.answers and len(known.answers) >= MAX_ANSWERS:
        raise TeachError(f'{known.slug} has {MAX_ANSWERS} answers, no more are taken')
    same = sum(other.answer == shot.answer for other in known.shots)
    if same >= MAX_ANSWER_SHOTS or len(known.shots) >= MAX_SHOTS:
        raise TeachError(f'{known.slug} has {same} shots of {shot.answer!r} and '
                         f'{len(known.shots)} in all, at most {MAX_ANSWER_SHOTS} and '
                         f'{MAX_SHOTS}: forget some')
    folder = known.path / SHOTS
    with files.one_line(folder):
        taken = sum(entry.stat().st_size for entry in os.scandir(folder)) if known.shots else 0
    if taken + size > MAX_BYTES:
        raise TeachError(f'the shots of {known.slug} take {taken / 1e6:.0f} MB, at most '
                         f'{MAX_BYTES / 1e6:.0f}: forget some')


def _lines(known: Known) -> bytes:
    text = ''.join(shot.line(known.question.text, split) + '\n' for shot, split in zip(
        known.shots, shots.splits(known.shots, known.moments()), strict=True))
    return text.encode()


def _write_active(known: Known) -> None:
    active = known.active
    document = {'version': active.version, 'forced': active.forced, 'before': active.before}
    files.write_whole(known.path / ACTIVE, json.dumps(document).encode())


def _yaml(known: Known) -> bytes:
    question = known.question
    document = {'question': question.text, 'wordings': list(question.wordings),
                'camera': question.camera,
                'region': None if question.region is None else list(question.region),
                'last_shot': _last_number(known)}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
