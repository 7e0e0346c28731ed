"""The executable ``vqa_web``: the page beside a node, a process of its own.

    vqa_web --ros-args -r image_raw:=/camera/image_raw -p port:=8080

Parameters: ``host`` (127.0.0.1), ``port`` (8080; 0: any), ``token`` (needed for any other host),
``node`` (vqa: the name of the node that answers). Start it with the node's namespace and
remappings. Exit status: 0 stopped on request, 1 cannot start, 2 bad arguments or parameters.
Everything heavy is imported after the signal handlers stand, as in ``main``.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.core.process import one_line
from latent_vqa_ros.core.questions import plain
from latent_vqa_ros.ros import params_files
from latent_vqa_ros.ros.main import before_ros, why_no_ros

if TYPE_CHECKING:
    from rclpy.executors import Executor
    from rclpy.node import Node

    from latent_vqa_ros.core.pipeline import Pipeline
    from latent_vqa_ros.web.safety import Safety

DEFAULTS = {'host': '127.0.0.1', 'port': 8080, 'token': '', 'node': 'vqa'}
DESCRIPTIONS = {
    'host': 'Address to listen on; any but 127.0.0.1 needs a token.',
    'port': 'Port to listen on; 0: any.',
    'token': 'What a browser must show once; 16 characters are hard to guess. In quotes where it '
             'begins with 0.',
    'node': 'Name of the node that answers.'}
HELP = """usage: vqa_web [--ros-args [-p NAME:=VALUE] [-r FROM:=TO] [--params-file FILE] ...]

Serves a page beside a node: the live picture, questions, answers, teaching, the node's state.

  vqa_web --ros-args -r image_raw:=/camera/image_raw -p port:=8080
  ros2 launch latent_vqa_ros vqa.launch.py web:=true

""" + 'Parameters:\n' + ''.join(f'  {name:6}{DESCRIPTIONS[name]} Default: {value!r}\n'
                                for name, value in DEFAULTS.items())


def main(args: list[str] | None = None) -> int:
    """Serve the page until SIGINT or SIGTERM; return the exit status."""
    early = before_ros('vqa_web', HELP, args)
    if early is not None:
        return early
    signals: list[int] = []
    _collect(signals)
    try:
        import rclpy
        from rclpy.signals import SignalHandlerOptions

        from latent_vqa_ros.web import server  # noqa: F401
    except ImportError as error:
        return _fail(1, f'vqa_web needs ROS 2 and aiohttp ({error}): rosdep install --from-paths '
                        'src, or pip install -r requirements/demo.txt')
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rcl's errors about arguments have no common class
        return _fail(*why_no_ros('vqa_web', error))
    try:
        return _run(signals)
    finally:
        if rclpy.ok():  # type: ignore[attr-defined]
            rclpy.shutdown()


def _collect(signals: list[int]) -> None:
    """Let SIGINT and SIGTERM interrupt nothing; ``signals`` tells that they came."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _: signals.append(got))


def _run(signals: list[int]) -> int:
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from latent_vqa_ros.web.safety import SafetyError

    try:
        node = rclpy.create_node('vqa_web')
        settings = _declare(node)
        for line in params_files.unread(sys.argv, node.get_fully_qualified_name()):
            node.get_logger().warning(plain(line))
        safety = _safety(settings)
        if safety.warning:
            node.get_logger().warning(safety.warning)
    except SafetyError as error:
        return _fail(2, f'vqa_web: {error}')
    except Exception as error:  # rclpy has several kinds, each names its reason
        return _fail(2, f'vqa_web: {one_line(error)}')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    ended = threading.Event()
    spinning = threading.Thread(target=_spin, args=(executor, node, ended), daemon=True)
    try:
        return _serve(node, settings, safety, spinning, signals)
    except OSError as error:  # the port is taken, the address is not this machine's
        return _fail(1, f'vqa_web: {one_line(error)}')
    finally:
        ended.set()
        executor.create_task(lambda: None)  # wakes spin_once
        if spinning.is_alive():
            spinning.join()
        executor.shutdown()
        node.destroy_node()


def _serve(node: Node, settings: dict[str, Any], safety: Safety,
           spinning: threading.Thread, signals: list[int]) -> int:
    import asyncio

    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.core.bundle import BundleError
    from latent_vqa_ros.ros.page_client import PageClient
    from latent_vqa_ros.web.beside import Beside
    from latent_vqa_ros.web.server import serve

    client = PageClient(node, settings['node'])
    spinning.start()
    def pipeline() -> Pipeline:
        if not client.model:
            raise BundleError('the node has not told its model yet; does it run?')
        return open_pipeline(client.model, **client.settings)

    source = Beside(client, pipeline,
                    lambda: (client.bundle, client.settings))
    asyncio.run(serve(source, safety, settings['port'],
                      lambda address: node.get_logger().info(f'the page: {address}'),
                      lambda: bool(signals)))
    _collect(signals)  # asyncio gave them back to Python
    return 0


def _declare(node: Node) -> dict[str, Any]:
    from rcl_interfaces.msg import ParameterDescriptor

    for name, default in DEFAULTS.items():
        node.declare_parameter(name, default, ParameterDescriptor(
            description=DESCRIPTIONS[name], read_only=True, dynamic_typing=name == 'token'))
    return {name: node.get_parameter(name).value for name in DEFAULTS}


def _safety(settings: dict[str, Any]) -> Safety:
    from latent_vqa_ros.web.safety import Safety, SafetyError

    if not 0 <= settings['port'] <= 65535:
        raise SafetyError('port must be from 0 to 65535')
    token = settings['token']
    if isinstance(token, bool) or not isinstance(token, (int, str)):
        raise SafetyError(f'token: expected a text, got {type(token).__name__} (quote it)')
    return Safety(settings['host'], str(token))


def _spin(executor: Executor, node: Node, ended: threading.Event) -> None:
    """Execute callbacks; what one of them raises is logged and does not end the page."""
    from rclpy.executors import ExternalShutdownException

    while executor.context.ok() and not ended.is_set():
        try:
            executor.spin_once()
        except ExternalShutdownException:
            return
        except Exception as error:
            node.get_logger().error(f'internal error: {one_line(error)}')


def _fail(code: int, line: str) -> int:
    print(line, file=sys.stderr)
    return code


if __name__ == '__main__':
    sys.exit(main())
