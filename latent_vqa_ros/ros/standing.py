"""Standing questions: asked again and again, published when their answer changes.

The node's timer asks ``requests(settings)`` as one ``Round`` in the worker's queue; ``Memory``
says whether an answer is worth computing and worth publishing, ``Prospects`` which questions get
no answer. Refuses to know topics, cameras and models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from latent_vqa_ros.core import questions
from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.ros.diagnostics import OK, WARN, status
from latent_vqa_ros.ros.parameters import Settings

ALWAYS = 'always'
HOPELESS = (Status.UNKNOWN_WORDS, Status.BAD_QUESTION)  # whatever the frame


@dataclass(frozen=True)
class Round:
    """The standing questions of one tick: one item of the queue, whatever their number."""

    requests: tuple[Request, ...]


def requests(settings: Settings) -> tuple[Request, ...]:
    """Return what is to be asked at each tick; an empty entry asks nothing."""
    return _parsed(settings.standing_questions, settings.camera_names,
                   settings.max_question_length)


@lru_cache(maxsize=1)
def _parsed(entries: tuple[str, ...], cameras: tuple[str, ...],
            max_length: int) -> tuple[Request, ...]:
    return tuple(request for entry in entries if entry.strip()
                 for request in questions.parse(entry, cameras, max_length))


class Prospects:
    """Which standing questions get no answer; the worker's thread writes, others read."""

    def __init__(self, warn: Callable[[str], object]) -> None:
        self._warn = warn
        self._why: dict[Request, str] = {}  # replaced, never changed

    def note(self, request: Request, detail: Detail) -> None:
        """Remember why there is no answer; warn once where there cannot be one."""
        hopeless = detail.status in HOPELESS
        why = (f'{"will get" if hopeless else "gets"} no answer: {detail.status.value}: '
               f'{detail.reason}' if hopeless or detail.status is Status.BAD_IMAGE else '')
        if why == self._why.get(request, ''):
            return
        self._why = {**self._why, request: why}
        if hopeless:
            self._warn(f'standing question {request.question!r} {why}')

    def keep_only(self, asked: tuple[Request, ...]) -> None:
        """Forget questions that stand no longer."""
        if self._why.keys() - set(asked):
            self._why = {one: why for one, why in self._why.items() if one in asked}

    def statuses(self, name: str, asked: Sequence[Request]) -> list[DiagnosticStatus]:
        """Return one status for /diagnostics where anything is asked."""
        known = self._why
        wrong = [*dict.fromkeys(f'{one.question!r} {known[one]}'
                                for one in asked if known.get(one))]
        more = f' (and {len(wrong) - 1} more)' if len(wrong) > 1 else ''
        return [status(name, WARN if wrong else OK, f'{wrong[0]}{more}' if wrong else 'asked', {
            'questions': len(asked), 'problems': '; '.join(wrong)})] if asked else []


class Memory:
    """What each standing question last saw and said; used by the worker's thread alone."""

    def __init__(self) -> None:
        self._views: dict[Request, Any] = {}
        self._said: dict[Request, Any] = {}

    def keep_only(self, asked: tuple[Request, ...]) -> None:
        """Forget questions that stand no longer: asked again later, they are news."""
        for known in (self._views, self._said):
            for request in known.keys() - set(asked):
                del known[request]

    def is_new_view(self, request: Request, view: Any) -> bool:
        """Return whether anything that the answer depends on is not what it was."""
        last, self._views[request] = self._views.get(request), view
        return bool(view != last)

    def is_news(self, request: Request, detail: Detail) -> bool:
        """Return whether the status or the answer is not what it was."""
        said = (detail.status, detail.answer)
        last, self._said[request] = self._said.get(request), said
        return said != last
