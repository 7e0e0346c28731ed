"""Does what a message of teaching asks for, and says what became of it: docs/teaching.md.

    teacher = Teacher(Folder(path), encoder)
    document = teacher.do(parse('{"do": "fit", "question": "is the tray empty?"}'))

One document per message, whatever happens. Refuses to know where messages and frames come from;
a frame is handed in as a ``Taken``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.answer import NANO
from latent_vqa_ros.core.bundle import BundleError
from latent_vqa_ros.core.colours import about_colours, is_grey
from latent_vqa_ros.core.image_formats import ImageError
from latent_vqa_ros.core.pipeline import GREY, Frame
from latent_vqa_ros.core.process import one_line
from latent_vqa_ros.core.statuses import Status
from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.teach import versions
from latent_vqa_ros.teach.features import RegionEncoder, jpeg
from latent_vqa_ros.teach.folder import MAX_ANSWER_SHOTS, MAX_SHOTS, Folder
from latent_vqa_ros.teach.judge import NEEDED, SURER
from latent_vqa_ros.teach.known import VERSIONS, Known
from latent_vqa_ros.teach.learn import Learner, picture, warnings
from latent_vqa_ros.teach.messages import FAILED, NOT_TRUSTED, REFUSED, Message, blank
from latent_vqa_ros.teach.question import Question, TeachError, check_region, normal
from latent_vqa_ros.teach.shots import Shot
from latent_vqa_ros.teach.taught import Eye, load

Rgb = NDArray[np.uint8]
Document = dict[str, Any]
PICTURE = 240  # pixels of the longer side of a picture in a document


@dataclass(frozen=True, eq=False)
class Taken:
    """A frame for a shot: RGB, when it was taken, and whose question it was where it has one."""

    rgb_hwc: Rgb
    stamp_ns: int
    camera: str = ''
    question: str = ''
    slug: str = ''  # of the taught question that answered about it, if one did
    moment: str = ''
    source: str = ''  # as a Shot's
    min_confidence: float = 0.0  # that answers about it need where it was taken


class Teacher:
    """Teaches the questions of one folder. Use it from one thread."""

    def __init__(self, folder: Folder, encoder: RegionEncoder,
                 breathe: Callable[[], object] = lambda: None) -> None:
        """``breathe`` is called often while it computes; a TeachError of it ends that."""
        self.folder = folder
        self._learner = Learner(folder, encoder, breathe)
        self._eye = Eye(encoder)

    def do(self, message: Message, taken: Taken | None = None,
           least_sure: Mapping[str, Any] = {}) -> Document:
        """Return the document of a message; ``taken`` is the frame that it is about, if any.

        ``least_sure`` names, by slug, the remembered detail that a head was least sure of.
        """
        document = blank(message.do, message.id)
        try:
            found = _ACTIONS[message.do](self, message, taken, document)
            if found is not None:
                self._describe(document, found, least_sure)
        except (TeachError, BundleError) as error:
            document.update(status=FAILED if _failed(error) else REFUSED, reason=one_line(error))
            self._describe_if_there(document, message, least_sure)
        return document

    def _add(self, message: Message, taken: Taken | None, document: Document) -> Known:
        if taken is None:
            raise TeachError('there is no frame')
        region = None if message.region is None else check_region(message.region)
        question = Question(message.question or taken.question, taken.camera, region,
                            message.wordings)
        if message.camera is None or message.do == 'correct':  # may be one of any camera
            question = self._answered(question, taken.slug) or self._told_apart(question)
        known, shot = self.folder.add(question, message.answer, jpeg(taken.rgb_hwc),
                                      taken.stamp_ns, taken.moment, taken.source)
        document['shot'] = self._shot(known, shot)
        document['warnings'] = _colourless(known, taken.rgb_hwc)
        if message.do == 'correct' and known.active.version is not None:
            try:
                return self._fit(message, None, document, known)
            except (TeachError, BundleError) as error:
                document.update(status=FAILED if _failed(error) else NOT_TRUSTED, reason='the '
                                f'shot is stored, but not fitted: {one_line(error)}')
        return known

    def _answered(self, question: Question, slug: str) -> Question | None:
        """Return the question as the one of this slug that answered has it, None where it is gone.

        Another one may be taught for the camera meanwhile, or have the text as a wording.
        """
        told = [known.question for known in self.folder.known() if slug and known.slug == slug
                and known.question.camera in ('', question.camera)
                and normal(question.text) in known.question.keys]
        return replace(question, text=told[0].text, camera=told[0].camera) if told else None

    def _told_apart(self, question: Question) -> Question:
        """Return the question for any camera where that is taught, and none for this one."""
        for camera in (question.camera, ''):
            try:
                self.folder.find(question.text, camera)
            except TeachError:
                continue
            return replace(question, camera=camera)
        return question

    def _fit(self, message: Message, taken: Taken | None, document: Document,
             known: Known | None = None) -> Known:
        seen = None if known is None else known.active  # a correction switches nothing on
        known, version = self._learner.fit(known or self._known(message))
        for shot in known.shots[:1]:
            with suppress(TeachError):  # it was read before; by now it is gone
                document['warnings'] = _colourless(known, picture(known, shot))
        if version.trusted or message.force:
            return self.folder.switch(known, version.about['number'], not version.trusted, seen)
        document.update(status=NOT_TRUSTED, reason=version.about['judgement']['reason'])
        return known

    def _switch_on(self, message: Message, taken: Taken | None, document: Document) -> Known:
        known = self._known(message)
        if not known.versions:
            raise TeachError(f'{known.slug} has no version: fit it first')
        number = known.versions[-1] if message.version is None else message.version
        if number not in known.versions:
            raise TeachError(f'{known.slug} has no version {number}')
        version = load(known, self._eye, number)
        assert version is not None
        if not (version.version.trusted or message.force):
            raise TeachError('not trusted: '
                             f'{version.version.about["judgement"]["reason"]}')
        return self.folder.switch(known, number, not version.version.trusted)

    def _switch_off(self, message: Message, taken: Taken | None, document: Document) -> Known:
        return self.folder.switch(self._known(message), None)

    def _rollback(self, message: Message, taken: Taken | None, document: Document) -> Known:
        known = self._known(message)
        for number in [one for one, _ in known.active.before if one in known.versions][-1:]:
            load(known, self._eye, number)  # TeachError where it cannot answer
        return self.folder.rollback(known)

    def _forget(self, message: Message, taken: Taken | None, document: Document) -> Known | None:
        known = self.folder.find(message.question)
        if message.shot:
            return self.folder.drop(known, message.shot)
        self.folder.forget(known)
        document.update(question=known.question.text, slug=known.slug)
        return None

    def _show(self, message: Message, taken: Taken | None, document: Document) -> Known:
        known = self._known(message)
        found = [shot for shot in known.shots if message.shot in ('', shot.name)]
        if message.shot and not found:
            raise TeachError(f'{known.slug} has no shot {message.shot[:80]!r}')
        document['taken'] = [self._shot(known, shot) for shot in found]
        if message.shot:
            document['taken'][0]['picture'] = thumbnail(picture(known, found[0]))
        return known

    def _try(self, message: Message, taken: Taken | None, document: Document) -> Known:
        known = self._known(message)
        if taken is None or not known.versions:
            raise TeachError('there is no frame' if taken is None
                             else f'{known.slug} has no version: fit it first')
        live = load(known, self._eye, known.versions[-1])
        assert live is not None
        try:
            seen = live.see(Frame(lambda: (taken.rgb_hwc, None)))
        except ImageError as error:
            raise TeachError(str(error)) from None
        order = np.argsort(-seen.probabilities, kind='stable')
        top = [[seen.answers[i], round(float(seen.probabilities[i]), 6)] for i in order]
        least = max(live.min_confidence, taken.min_confidence)
        status, reason = (Status.OK if top[0][1] >= least else Status.UNSURE), ''
        if seen.grey:
            status, reason = Status.UNSURE, GREY
        elif not seen.distance <= seen.limit:
            status, reason = Status.UNFAMILIAR_IMAGE, (
                'unlike all that was shown (distance '
                f'{seen.distance:.3g}, limit {seen.limit:.3g})')
        document['tried'] = {
            'version': known.versions[-1], 'status': status.value, 'answer': top[0][0],
            'confidence': top[0][1], 'top': top, 'reason': reason}
        return known

    def _list(self, message: Message, taken: Taken | None, document: Document) -> None:
        for known in self.folder.known():
            part = blank('list', None)
            _put(part, known)
            about = self._newest(known)
            part['stale'] = _stale(known, about)
            document['questions'].append({**{key: part[key] for key in (
                'question', 'slug', 'camera', 'region', 'answers', 'shots', 'moments', 'active',
                'forced', 'stale')}, 'broken': known.broken})

    def _known(self, message: Message) -> Known:
        known = self.folder.find(message.question)
        if known.broken:
            raise TeachError(known.broken)
        return known

    def _describe_if_there(self, document: Document, message: Message,
                           least_sure: Mapping[str, Any]) -> None:
        try:
            self._describe(document, self.folder.find(message.question), least_sure)
        except TeachError:
            document['question'] = message.question

    def _describe(self, document: Document, known: Known, least_sure: Mapping[str, Any]) -> None:
        """Put all that is known of a question into its document."""
        _put(document, known)
        about = self._newest(known)
        document['stale'] = _stale(known, about)
        document['warnings'] += warnings(known)
        for number in known.versions:
            try:
                document['versions'].append(versions.summary(
                    *versions.read_about(known.path / VERSIONS / str(number))))
            except TeachError as error:
                document['warnings'].append(one_line(error))
        if about is not None:
            document['judgement'] = {'version': about['number'], **about['judgement']}
            digests = {name: digest for name, digest, _ in about['shots']}
            there = {shot.name for shot in known.shots if digests.get(shot.name) == shot.digest}
            document['doubtful'] = [one for one in about['doubtful'] if one['shot'] in there]
            document['warnings'] += [f'{name} cannot be decoded and is left out'
                                     for name in about['unread'][:10]]
        document['next'] = {**next_step(known, about), 'about': least_sure.get(known.slug)}

    def _newest(self, known: Known) -> dict[str, Any] | None:
        """Return what the newest version says of itself, None where there is none to read."""
        try:
            return (versions.read_about(known.path / VERSIONS / str(known.versions[-1]))[0]
                    if known.versions else None)
        except TeachError:
            return None

    def _shot(self, known: Known, shot: Shot) -> dict[str, Any]:
        about = self._newest(known)
        margins = {(name, digest): margin for name, digest, margin in about['shots']
                   } if about else {}
        moments = dict(zip((one.name for one in known.shots), known.moments(), strict=True))
        sec, nanosec = divmod(shot.stamp_ns, NANO)
        return {'shot': shot.name, 'answer': shot.answer, 'moment': moments[shot.name],
                'stamp': {'sec': sec, 'nanosec': nanosec},
                'margin': margins.get((shot.name, shot.digest)), 'picture': None}


_ACTIONS: dict[str, Callable[[Teacher, Message, Taken | None, Document], Known | None]] = {
    'add': Teacher._add, 'correct': Teacher._add, 'fit': Teacher._fit,
    'switch_on': Teacher._switch_on, 'switch_off': Teacher._switch_off,
    'rollback': Teacher._rollback, 'forget': Teacher._forget, 'show': Teacher._show,
    'try': Teacher._try, 'list': Teacher._list}


def _failed(error: Exception) -> bool:
    """Return whether an error is the node's or the disk's and not the message's."""
    return isinstance(error, BundleError) or isinstance(error.__cause__, OSError)


def _colourless(known: Known, rgb_hwc: Rgb) -> list[str]:
    """Return the warning that a grey picture is shown to a question about colours, if it is."""
    texts = (*known.question.keys, *known.answers)
    if is_grey(rgb_hwc) and any(about_colours(words(text)) for text in texts):
        return ['the pictures are grey: a question about a colour stays unsure about them']
    return []


def _put(document: Document, known: Known) -> None:
    shots, moments = known.counts()
    region = known.question.region
    document.update(
        question=known.question.text, slug=known.slug, camera=known.question.camera,
        region=None if region is None else list(region), answers=list(known.answers),
        shots=shots, moments=moments, active=known.active.version, forced=known.active.forced)


def _stale(known: Known, about: Mapping[str, Any] | None) -> bool:
    fitted = {name: digest for name, digest, _ in about['shots']} if about else {}
    unread = about['unread'] if about else ()
    return fitted != {shot.name: shot.digest for shot in known.shots if shot.name not in unread}


def next_step(known: Known, about: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return which answer to show next, and why."""
    unread = about['unread'] if about else ()
    shots, moments = replace(known, shots=tuple(
        shot for shot in known.shots if shot.name not in unread)).counts()
    if len(shots) < 2:
        return {'answer': None, 'say': 'show a second answer'}
    for have, name in ((moments, 'moments'), (shots, 'shots')):
        answer = min(have, key=lambda one: have[one])
        left = NEEDED[name] - have[answer]
        if left > 0:
            more = (f'in {left} more moment{"s" * (left > 1)}, other answers between them'
                    if name == 'moments' else f'{left} more time{"s" * (left > 1)}')
            return {'answer': answer, 'say': f'show {answer!r} {more}'}
    if _stale(known, about):
        return {'answer': None, 'say': 'fit'}
    if about is not None and not about['judgement']['trusted']:
        right = about['judgement']['per_answer']
        answer = min(right, key=lambda one: right[one]['right'])
        return {'answer': answer, 'say': f'show {answer!r} in other moments: right '
                                         f'{100 * right[answer]["right"]:.0f} % there'}
    answer = min(moments, key=lambda one: moments[one])
    left = SURER - moments[answer]
    room = min(MAX_ANSWER_SHOTS - shots[answer], MAX_SHOTS - len(known.shots))
    if 0 < left <= room:
        return {'answer': answer, 'say': f'to be surer, show {answer!r} in {left} more moment'
                                         f'{"s" * (left > 1)}, other answers between them'}
    return {'answer': None, 'say': ''}


def thumbnail(rgb_hwc: Rgb) -> str:
    """Return a small JPEG of a picture, base64."""
    factor = min(1.0, PICTURE / max(rgb_hwc.shape[:2]))
    size = (max(1, round(rgb_hwc.shape[1] * factor)), max(1, round(rgb_hwc.shape[0] * factor)))
    small = np.asarray(cv2.resize(rgb_hwc, size, interpolation=cv2.INTER_AREA), np.uint8)
    return base64.b64encode(jpeg(small)).decode()
