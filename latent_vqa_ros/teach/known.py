"""A taught question as it lies on disk, read without trust.

    known = read(folder / 'is-the-tray-empty');  known.broken
    known = meant(all_known, Question('is the tray empty?'))    # which one that text means

Refuses to write.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from latent_vqa_ros.core.bundle import BundleError, read_bounded
from latent_vqa_ros.core.process import one_line
from latent_vqa_ros.teach import shots
from latent_vqa_ros.teach.question import NAMELESS, Question, TeachError, check_region, normal
from latent_vqa_ros.teach.shots import Shot

QUESTION, LINES, ACTIVE, VERSIONS = 'question.yaml', 'questions.jsonl', 'active', 'versions'
MAX_SMALL = 1 << 20  # bytes of the files that are text


@dataclass(frozen=True)
class Active:
    """Which version answers (None: none) and, newest last, which ones answered before."""

    version: int | None = None
    forced: bool = False
    before: tuple[tuple[int, bool], ...] = ()


@dataclass(frozen=True)
class Known:
    """A taught question as it lies on disk; ``broken`` says why it cannot be used, if so."""

    path: Path
    question: Question
    shots: tuple[Shot, ...] = ()
    versions: tuple[int, ...] = ()
    active: Active = Active()
    broken: str = ''
    last_shot: int = 0  # the highest number that a shot ever had, so that none is used twice
    unread: bool = False  # the texts that ask it are not known: ``question`` is a guess

    @property
    def slug(self) -> str:
        """The name of its folder."""
        return self.path.name

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers in the order in which they were first shown."""
        return tuple(dict.fromkeys(shot.answer for shot in self.shots))

    def moments(self) -> list[int]:
        """Return the number of each shot's moment."""
        return shots.moments(self.shots)

    def counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many shots and moments each answer has."""
        of_answer: dict[str, list[int]] = {answer: [] for answer in self.answers}
        for shot, moment in zip(self.shots, self.moments(), strict=True):
            of_answer[shot.answer].append(moment)
        return ({answer: len(found) for answer, found in of_answer.items()},
                {answer: len(set(found)) for answer, found in of_answer.items()})


def is_there(path: Path) -> bool:
    """Return whether a file is there, or may be: behind a closed door, on a broken disk."""
    try:
        return path.exists()
    except OSError:
        return True  # who reads it says what is wrong


def is_question(path: Path) -> bool:
    """Return whether a folder is one of a question, of one that is damaged too."""
    return is_there(path / QUESTION) or is_there(path / ACTIVE)


def read(path: Path) -> Known:
    """Return a question from its folder; what is wrong stands under ``broken``."""
    name = ''.join(sign for sign in path.name if sign.isprintable()).strip()
    known = Known(path, _told_by_shots(path / LINES) or Question(name[:60] or NAMELESS),
                  unread=True)
    try:
        question, last_shot = _question(path / QUESTION)
        known = Known(path, question, last_shot=last_shot)
        known = replace(known, shots=_shots(path / LINES), versions=_versions(path / VERSIONS))
        active = active_of(path / ACTIVE)
        if active.version is not None and active.version not in known.versions:
            raise TeachError(f'{path / ACTIVE}: version {active.version} is not there')
        return replace(known, active=active)
    except (TeachError, BundleError, OSError) as error:
        return replace(known, broken=one_line(error))


def _question(path: Path) -> tuple[Question, int]:
    try:
        document = yaml.safe_load(read_bounded(path, MAX_SMALL))
        if not isinstance(document, dict):
            raise TeachError('expected a mapping with question, wordings, camera and region')
        region = document['region']
        question = Question(document['question'], document['camera'],
                            None if region is None else check_region(region),
                            tuple(document['wordings']))
        return question, int(document.get('last_shot', 0))
    except TeachError as error:
        raise TeachError(f'{path}: {error}') from None
    except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, OverflowError,
            RecursionError) as error:
        raise TeachError(f'{path}: cannot be read: {one_line(error)}') from None


def _told_by_shots(path: Path) -> Question | None:
    """Return the question that the lines of its shots name, None where they cannot be read."""
    try:
        line = read_bounded(path, MAX_SMALL).decode().partition('\n')[0]
        return Question(json.loads(line)['question'])
    except (BundleError, TeachError, OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _shots(path: Path) -> tuple[Shot, ...]:
    if not path.exists():
        return ()
    try:
        lines = read_bounded(path, MAX_SMALL).decode().split('\n')
    except (TeachError, UnicodeDecodeError) as error:
        raise TeachError(f'{path}: {error}') from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found += [shots.parse(line)] if line.strip() else []
        except TeachError as error:
            raise TeachError(f'{path}, line {number}: {error}') from None
    return tuple(found)


def _versions(path: Path) -> tuple[int, ...]:
    if not path.is_dir():
        return ()
    return tuple(sorted(int(entry.name) for entry in os.scandir(path)
                        if entry.name.isascii() and entry.name.isdecimal()
                        and len(entry.name) < 10 and entry.is_dir()))


def active_of(path: Path) -> Active:
    """Return which version answers, as the file says; TeachError, BundleError or OSError."""
    if not path.exists():
        return Active()
    try:
        document = json.loads(read_bounded(path, MAX_SMALL))
        version, before = document['version'], document['before']
        pairs = tuple((int(number), bool(forced)) for number, forced in before)
        return Active(None if version is None else int(version), bool(document['forced']), pairs)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise TeachError(f'{path}: cannot be read: {error}') from None


def meant(all_known: Sequence[Known], question: Question) -> Known | None:
    """Return the question that has this slug, or else this text, or one of these wordings."""
    here = [one for one in all_known if question.camera == one.question.camera]
    asked = [one for one in all_known if normal(question.text) in one.question.keys]
    if not question.camera and not set(asked) & set(here):
        if len(asked) > 1:
            raise TeachError(f'{question.text[:80]!r} is taught for several cameras; name one: '
                             + ', '.join(one.question.camera for one in asked))
        here += asked  # whoever names no camera means the only question of this text
    return _of_slug(all_known, question) or next((
        one for keys in ({normal(question.text)}, question.keys) for one in here
        if keys & one.question.keys), None)


def _of_slug(all_known: Sequence[Known], question: Question) -> Known | None:
    """Return the question whose slug is the text: its camera is known, or any will do."""
    for known in all_known:
        camera = known.question.camera
        if question.text == known.slug and (not question.camera
                                            or camera in ('', question.camera)):
            return known
        if question.text == known.slug and not question.keys & known.question.keys:
            raise TeachError(f'{known.slug} is taught for the camera {camera!r}')
    return None
