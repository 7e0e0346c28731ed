"""Ask the node a question from Python and read everything that it says about the answer.

    ros2 launch latent_vqa_ros vqa.launch.py image_topic:=/camera/image_raw
    python3 ask.py "what is in the tray?"

The question goes out with an id, so that answers to others' questions are not taken for its own.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from std_msgs.msg import String


class Client:
    """Questions and their details, for a ``node`` that nobody else spins meanwhile."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._details: dict[str, dict[str, Any]] = {}
        self._questions = node.create_publisher(String, 'question', 10)
        self._subscription = node.create_subscription(String, 'answer/detail', self._hear, 1000)

    def _hear(self, message: String) -> None:
        detail = json.loads(message.data)
        if isinstance(detail['id'], str):
            self._details[detail['id']] = detail

    def ask(self, question: str, camera: str = '', timeout_s: float = 5.0) -> dict[str, Any]:
        """Return the ``answer/detail`` of the question, asked of one camera; '': the node's first.

        Raises TimeoutError where no node is found, or none answers.
        """
        end = time.monotonic() + timeout_s
        # both ways must be there: a question that is sent too early is lost
        self._spin(lambda: (self._questions.get_subscription_count()
                            and self._node.count_publishers('answer/detail')), end)
        self._details.clear()
        id_ = uuid.uuid4().hex
        document = {'id': id_, 'question': question, **({'camera': camera} if camera else {})}
        self._questions.publish(String(data=json.dumps(document)))
        self._spin(lambda: id_ in self._details, end)
        return self._details[id_]

    def _spin(self, done, end: float) -> None:
        while not done():
            if time.monotonic() > end:
                raise TimeoutError('no answer: does vqa_node run in this namespace and domain?')
            rclpy.spin_once(self._node, timeout_sec=0.02)


def main(*questions: str) -> int:
    """Print the answer, or why there is none."""
    if len(questions) != 1:
        print('usage: ask.py "what is in the tray?"', file=sys.stderr)
        return 2
    rclpy.init()
    node = rclpy.create_node('asker')
    try:
        detail = Client(node).ask(questions[0])
    except TimeoutError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        node.destroy_node()
        rclpy.shutdown()
    if detail['status'] != 'ok':
        print(f'{detail["status"]}: {detail["reason"]}', file=sys.stderr)
        return 1
    print(f'{detail["answer"]} ({detail["confidence"]:.0%})')
    return 0


if __name__ == '__main__':
    sys.exit(main(*remove_ros_args(sys.argv)[1:]))
