"""Standing questions: asked again and again, published when their answer changes.

The node's timer asks ``requests(settings)`` as one ``Round`` in the worker's queue; ``Memory``
says whether an answer is worth computing and worth publishing. Refuses to know topics, cameras and
models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from latent_vqa_ros.core import questions
from latent_vqa_ros.core.answer import Detail
from latent_vqa_ros.core.questions import Request
from latent_vqa_ros.ros.parameters import Settings

ALWAYS = 'always'


@dataclass(frozen=True)
class Round:
    """The standing questions of one tick: one item of the queue, whatever their number."""

    requests: tuple[Request, ...]


def requests(settings: Settings) -> tuple[Request, ...]:
    """Return what is to be asked at each tick; an empty entry asks nothing."""
    return tuple(request for entry in settings.standing_questions if entry.strip()
                 for request in questions.parse(
                     entry, settings.camera_names, settings.max_question_length))


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
