"""Speaks the contract of ``teach`` and ``teach/detail`` (docs/teaching.md) without learning.

For tests of the page alone: it counts shots, keeps their pictures, and its judge trusts a question
once each answer has ``SHOTS``. Run as a process: python3 -m helpers.teach_stand_in --ros-args …
"""

from __future__ import annotations

import base64
import json
import re
import time
from contextlib import suppress

import cv2
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

SHOTS, MOMENTS = 3, 1
EMPTY = {'v': 1, 'id': None, 'do': '', 'question': None, 'slug': None, 'camera': None,
         'region': None, 'status': 'ok', 'reason': '', 'answers': [], 'shots': {}, 'moments': {},
         'needed': {'shots': SHOTS, 'moments': MOMENTS}, 'shot': None, 'judgement': None,
         'doubtful': [], 'versions': [], 'active': None, 'forced': False, 'stale': False,
         'warnings': [], 'next': {'answer': None, 'say': '', 'about': None}, 'taken': [],
         'tried': None, 'questions': []}


def slug(question: str) -> str:
    """Return what the folder of a question would be called."""
    return re.sub(r'\W+', '-', question).strip('-')


class StandIn(Node):
    """Answers each message on ``teach`` with one document."""

    def __init__(self) -> None:
        super().__init__('teach_stand_in')
        self.taught: dict[str, dict] = {}
        self.frame = b''
        self.details: dict[str, dict] = {}
        self.out = self.create_publisher(String, 'teach/detail', 1000)
        self.create_subscription(CompressedImage, 'image_raw/compressed', self._see,
                                 qos_profile_sensor_data)
        self.create_subscription(String, 'answer/detail', self._hear, 1000)
        self.create_subscription(String, 'teach', self._do, 1000)

    def _see(self, message: CompressedImage) -> None:
        self.frame = bytes(message.data)

    def _hear(self, message: String) -> None:
        detail = json.loads(message.data)
        self.details[str(detail['id'])] = detail

    def _do(self, message: String) -> None:
        said = json.loads(message.data)
        if 'question' in said:  # a text or a slug
            said['question'] = next((text for text in self.taught
                                     if slug(text) == said['question']), said['question'])
        document = {**EMPTY, 'id': said.get('id'), 'do': said['do']}
        try:
            document |= getattr(self, f'_{said["do"]}')(said)
        except (KeyError, ValueError) as error:
            document |= {'status': 'refused', 'reason': f'unknown: {error}'}
        self.out.publish(String(data=json.dumps(document)))

    def _document(self, question: str, **more) -> dict:
        known = self.taught[question]
        shots, answers = known['shots'], list(dict.fromkeys(known['answers']))
        counts = {word: sum(s['answer'] == word for s in shots) for word in answers}
        return {'question': question, 'slug': slug(question),
                'camera': '', 'region': known['region'], 'answers': answers, 'shots': counts,
                'moments': {word: len({s['moment'] for s in shots if s['answer'] == word})
                            for word in answers},
                'judgement': known['judgement'], 'versions': known['versions'],
                'active': known['active'], 'forced': known['forced'],
                'stale': len(shots) != sum(v['shots'] for v in known['versions'][-1:]),
                'doubtful': [{'shot': shots[0]['shot'], 'answer': shots[0]['answer'],
                              'looks_like': answers[-1], 'margin': -0.2}] if shots[5:] else [],
                'next': {'answer': answers[-1], 'about': self._least_sure(),
                         'say': f"show '{answers[-1]}' in 1 more moment"}, **more}

    def _least_sure(self) -> str | None:
        """Return the id of the detail that a taught question was least sure of."""
        taught = [detail for detail in self.details.values()
                  if detail['model']['name'].startswith('taught/') and detail['confidence']]
        return min(taught, key=lambda detail: detail['confidence'])['id'] if taught else None

    def _add(self, said: dict) -> dict:
        if not self.frame:
            return {'status': 'no_image', 'reason': 'no image has arrived yet'}
        known = self.taught.setdefault(said['question'], {
            'shots': [], 'answers': [], 'region': said.get('region'), 'judgement': None,
            'versions': [], 'active': None, 'before': None, 'forced': False, 'count': 0})
        known['answers'].append(said['answer'])
        known['region'] = said.get('region', known['region'])
        known['count'] += 1
        known['shots'].append({'shot': f'{known["count"]:06d}.jpg', 'answer': said['answer'],
                               'moment': 1 + int(time.time()) // 2 % 1000, 'margin': None,
                               'stamp': {'sec': 0, 'nanosec': 0}, 'jpeg': self._small()})
        return self._document(said['question'])

    def _small(self) -> str:
        pixels = cv2.imdecode(np.frombuffer(self.frame, np.uint8), cv2.IMREAD_COLOR)
        small = cv2.resize(pixels, (160, 160 * pixels.shape[0] // pixels.shape[1]))
        return base64.b64encode(cv2.imencode('.jpg', small)[1].tobytes()).decode()

    def _correct(self, said: dict) -> dict:
        about = self.details[str(said.get('about', said['id']))]
        return self._add({'question': about['question'], 'answer': said['answer']})

    def _fit(self, said: dict) -> dict:
        known = self.taught[said['question']]
        counts = self._document(said['question'])['shots']
        trusted = min(counts.values()) >= SHOTS and len(counts) > 1
        reason = '' if trusted else f'shots: {min(counts.values())} of {SHOTS}'
        number = len(known['versions']) + 1
        known['judgement'] = {
            'version': number, 'trusted': trusted, 'reason': reason, 'by': 'moment',
            'n': len(known['shots']), 'right': 0.96, 'lower_bound': 0.83, 'gate': 0.95,
            'answered': 0.9, 'right_when_answered': 1.0,
            'per_answer': {word: {'n': n, 'right': 0.96} for word, n in counts.items()},
            'curve': [[1, 0.62], [2, 0.84], [5, 0.93], [10, 0.96]]}
        known['versions'].append({'version': number, 'sha256': 'f' * 64, 'made': 'now',
                                  'shots': len(known['shots']), 'trusted': trusted, 'right': 0.96,
                                  'lower_bound': 0.83})
        if trusted:
            known['before'], known['active'] = known['active'], number
        return self._document(said['question'], status='ok' if trusted else 'not_trusted',
                              reason=reason)

    def _switch_on(self, said: dict) -> dict:
        known = self.taught[said['question']]
        known['before'] = known['active']
        known['active'] = said.get('version', len(known['versions']))
        known['forced'] = bool(said.get('force'))
        return self._document(said['question'])

    def _switch_off(self, said: dict) -> dict:
        known = self.taught[said['question']]
        known['before'], known['active'] = known['active'], None
        return self._document(said['question'])

    def _rollback(self, said: dict) -> dict:
        known = self.taught[said['question']]
        known['active'], known['before'] = known['before'], None
        return self._document(said['question'])

    def _forget(self, said: dict) -> dict:
        if 'shot' not in said:
            del self.taught[said['question']]
            return {'question': said['question']}
        known = self.taught[said['question']]
        known['shots'] = [s for s in known['shots'] if s['shot'] != said['shot']]
        return self._document(said['question'])

    def _show(self, said: dict) -> dict:
        shots = [s for s in self.taught[said['question']]['shots']
                 if said.get('shot') in (None, s['shot'])]
        taken = [{**{key: s[key] for key in ('shot', 'answer', 'moment', 'stamp', 'margin')},
                  'picture': s['jpeg'] if s['shot'] == said.get('shot') else None} for s in shots]
        missing = {} if taken or 'shot' not in said else {
            'status': 'refused', 'reason': f'there is no shot {said["shot"]!r}'}
        return self._document(said['question'], taken=taken, **missing)

    def _try(self, said: dict) -> dict:
        return self._document(said['question'], tried={
            'version': 1, 'status': 'ok', 'reason': '', 'confidence': 0.93, 'top': [],
            'answer': self.taught[said['question']]['answers'][0]})

    def _list(self, said: dict) -> dict:
        keys = ('question', 'slug', 'camera', 'region', 'answers', 'shots', 'moments', 'active',
                'forced', 'stale')
        return {'questions': [{key: document[key] for key in keys} | {'broken': ''}
                              for document in map(self._document, self.taught)]}


def main() -> None:
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(StandIn())


if __name__ == '__main__':
    main()
