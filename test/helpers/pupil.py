"""A robot that is taught over its topics whether a lid is open.

    pupil = Pupil(robot(taught_folder=folder, max_image_age=0.0))
    pupil.show()
    assert pupil.say(do='fit', question=LID)['active'] == 1

Refuses to know how anything is learnt: all that it sees is topics and diagnostics.
"""

from __future__ import annotations

import json

from std_msgs.msg import String
from teach.conftest import draw

from helpers.node_harness import Robot, image, until

LID = 'is the lid open?'
SECOND = 10**9


class Pupil:
    """A robot that is taught over its topics."""

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self.documents = []
        robot.node.create_subscription(
            String, 'teach/detail', lambda msg: self.documents.append(json.loads(msg.data)), 1000)
        self._teach = robot.node.create_publisher(String, 'teach', 1000)
        until(lambda: robot.node.count_subscribers(self._teach.topic_name)
              and robot.node.count_publishers(f'{robot.node.get_namespace()}/teach/detail'),
              'the topics of teaching')

    def send(self, **message):
        """Send a message, or ``text``, and do not wait."""
        self._teach.publish(String(data=message.pop('text', None) or json.dumps(message)))

    def say(self, **message):
        """Send a message and return its document."""
        number = len(self.documents)
        self.send(**message)
        until(lambda: len(self.documents) > number, f'a document of {message}')
        assert len(self.documents) == number + 1
        return self.documents[-1]

    def diagnosed(self):
        """Return what the diagnostics say of teaching, '' before they came."""
        return getattr(self.robot.diagnostics.get('teaching'), 'message', '')

    def look(self, answer, seed, at, camera=''):
        """See another picture of the lid, stamped ``at`` seconds."""
        pixels = draw(answer, seed)
        self.robot.show(image(at * SECOND, height=240, width=320, step=960,
                              data=pixels[:, :, ::-1].tobytes()), camera,
                        f'{camera}/image_raw' if camera else 'image_raw')

    def show(self, shots=12, moments=3):
        """Show so many of each answer, in so many moments; return the last document."""
        at = 1
        for moment in range(moments):
            for number, answer in enumerate(('yes', 'no')):
                for shot in range(moment, shots, moments):
                    at += 1
                    self.look(answer, 100 * number + shot, at)
                    document = self.say(do='add', question=LID, answer=answer)
                    assert document['status'] == 'ok', document['reason']
                at += 5
        return document
