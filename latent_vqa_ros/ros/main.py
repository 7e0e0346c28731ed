"""The executable ``vqa_node``: starts the node, spins it, ends it cleanly on SIGINT and SIGTERM.

    vqa_node --ros-args -p model:=tabletop -r image_raw:=/camera/image_raw

Exit status: 0 stopped on request, 1 cannot start, 2 bad arguments or parameters. Everything heavy
is imported after the signal handlers stand, so that an early Ctrl-C leaves no traceback.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import sys
import threading
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING

from latent_vqa_ros.core.process import one_line, typed_line
from latent_vqa_ros.ros import use_large_frames

if TYPE_CHECKING:
    from rclpy.executors import Executor

    from latent_vqa_ros.ros.node import VqaNode

_LAST_TURNS = 2000  # of the executor at most; each of 200 checks takes a few

HELP = """usage: vqa_node [--ros-args [-p NAME:=VALUE] [-r FROM:=TO] [--params-file FILE] ...]

Answers questions about a camera: asked on the topic question, answered on answer and
answer/detail, about the newest frame of image_raw. The node is named vqa, a managed node.

  vqa_node --ros-args -r image_raw:=/camera/image_raw -p model:=tabletop
  ros2 launch latent_vqa_ros vqa.launch.py --show-args

Parameters: docs/parameters.md, or ros2 param describe /vqa NAME.
"""


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT, SIGTERM or the end of the ROS context; return the exit status."""
    early = before_ros('vqa_node', HELP, args)
    if early is not None:
        return early
    stop = _StopRequest()
    use_large_frames()  # those of image_annotated
    try:
        import rclpy
        from rclpy.signals import SignalHandlerOptions
    except ImportError as error:
        return _fail(1, f'vqa_node needs ROS 2 ({error}): source /opt/ros/$ROS_DISTRO/setup.bash, '
                        'or pip install -r requirements/demo.txt')
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rcl's errors about arguments have no common class
        return _fail(*why_no_ros('vqa_node', error))
    try:
        return _run(stop)
    finally:
        if rclpy.ok():  # type: ignore[attr-defined]
            rclpy.shutdown()


def before_ros(program: str, usage: str, args: list[str] | None) -> int | None:
    """Return the exit status where arguments or surroundings end a program before it begins."""
    given = sys.argv[1:] if args is None else args[1:]
    if {'-h', '--help'} & set(given):
        print(usage, end='')
        return 0
    if given and given[0] != '--ros-args':
        return _fail(2, f'{program}: {given[0]} is none of its arguments: it takes what stands '
                        f'after --ros-args; see {program} --help')
    if not _has_home(os.environ):
        return _fail(1, f'{program}: there is no home directory for logs: set HOME or ROS_LOG_DIR')
    return None


def why_no_ros(program: str, error: Exception) -> tuple[int, str]:
    """Return exit status and line where ROS does not begin: its logs, or else its arguments."""
    if 'log' in str(error) and 'directory' in str(error):
        return 1, f'{program}: {one_line(error)}; set ROS_LOG_DIR to a folder that can be written'
    return 2, f'{program}: {one_line(error)}'


def _has_home(environ: MutableMapping[str, str]) -> bool:
    """Fill in HOME, as a service may lack it and ROS logs there; False where nobody knows it."""
    if any(environ.get(name) for name in ('ROS_LOG_DIR', 'ROS_HOME', 'HOME')):
        return True
    try:
        environ['HOME'] = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # a user id without an account, as in a container
        return False
    return True


def _run(stop: _StopRequest) -> int:
    try:
        from rclpy.executors import SingleThreadedExecutor

        from latent_vqa_ros.ros.declaration import ParameterError
        from latent_vqa_ros.ros.node import VqaNode
    except ImportError as error:  # not there, or built for another NumPy
        return _fail(1, f'vqa_node: {one_line(error)}; rosdep install --from-paths '
                        'src installs what it needs')
    try:
        node = VqaNode()
    except ParameterError as error:
        return _fail(2, f'vqa_node: {error}')
    except Exception as error:  # the middleware's own: RCLError is private to rclpy
        return _fail(1, f'vqa_node: {typed_line(error)}')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if node.settings.autostart and not stop.requested:
            node.start()  # where this fails the node stays: set the parameter, configure again
        stop.then(lambda: _wake(executor))
        _spin(executor, node, stop)
    finally:
        node.stop()
        with suppress(Exception):  # the middleware's own: the context may be gone
            node.refuse_waiting()
        for _ in range(_LAST_TURNS):  # who waits for a check hears that, too
            if not node.checks_waiting:
                break
            with suppress(Exception):
                executor.spin_once(timeout_sec=0.0)
        executor.remove_node(node)
        node.close()
        executor.shutdown()
    return 0


def _wake(executor: Executor) -> None:
    """End a wait in ``spin_once``; an executor that has just been shut down waits no longer."""
    with suppress(AttributeError):  # rclpy has then dropped what it would be woken by
        executor.create_task(lambda: None)


def _spin(executor: Executor, node: VqaNode, stop: _StopRequest) -> None:
    """Execute callbacks; what one of them raises is logged and does not end the process."""
    from rclpy.executors import ExternalShutdownException

    while not stop.requested and executor.context.ok():
        try:
            executor.spin_once()
        except ExternalShutdownException:
            return
        except Exception as error:
            node.outputs.fail(error)


class _StopRequest:
    """SIGINT and SIGTERM as a flag, and as a call from a thread of its own.

    Python runs a signal handler only when the main thread comes back from the middleware's wait;
    the wakeup descriptor is written to at once.
    """

    def __init__(self) -> None:
        self.requested = False
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._request)
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)

    def _request(self, number: int, frame: object) -> None:
        self.requested = True

    def then(self, wake: Callable[[], object]) -> None:
        """Call ``wake`` once, from another thread, when a stop is or was requested."""
        def wait() -> None:
            self._receiver.recv(1)
            self.requested = True
            wake()

        threading.Thread(target=wait, name='vqa_signals', daemon=True).start()


def _fail(code: int, line: str) -> int:
    print(line, file=sys.stderr)
    return code


if __name__ == '__main__':
    sys.exit(main())
