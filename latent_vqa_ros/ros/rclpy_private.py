"""What the node needs of rclpy beyond its documentation, in one place and checked at the start.

    check(node, subscription)   # RclpyError names what this rclpy does not have
    state(node), overrides(node), take(subscription, Image, raw), events(subscription)

Everything here exists from Humble to Kilted (docs/distributions.md). Nothing else in this package
touches a name that rclpy may change without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

__all__ = ['RclpyError', 'SubscriptionEventCallbacks', 'UnsupportedEventTypeError', 'check',
           'events', 'guard_transitions', 'overrides', 'state', 'take']

NODE = ('_state_machine.current_state', '_service_change_state.callback', '_parameter_overrides')
SUBSCRIPTION = ('handle.take_message', 'event_handlers')
EVENT = ('_ready_to_take_data', 'take_data', 'callback')


class RclpyError(RuntimeError):
    """This rclpy is none that the node knows; the message is one line."""


def check(node: LifecycleNode, subscription: Subscription) -> None:
    """Raise RclpyError where this rclpy lacks a name; any subscription of the node will do."""
    lacking = [*_lacking(node, NODE), *_lacking(subscription, SUBSCRIPTION)]
    for handler in getattr(subscription, 'event_handlers', ()):
        lacking += _lacking(handler, EVENT)
    if lacking:
        raise RclpyError(f'this rclpy has no {", ".join(dict.fromkeys(lacking))}; the '
                         'distributions that vqa_node knows stand in docs/distributions.md')


def _lacking(thing: Any, paths: tuple[str, ...]) -> list[str]:
    return [f'{type(thing).__name__}.{path}' for path in paths if not _has(thing, path)]


def _has(thing: Any, path: str) -> bool:
    for name in path.split('.'):
        if not hasattr(thing, name):
            return False
        thing = getattr(thing, name)
    return True


def state(node: LifecycleNode) -> str:
    """Return the lifecycle state: unconfigured, inactive, active, finalized or one between."""
    return str(node._state_machine.current_state[1])


def overrides(node: Node) -> Mapping[str, Any]:
    """Return the parameters given at start, those that the node does not have included."""
    given: Mapping[str, Any] = node._parameter_overrides
    return given


def guard_transitions(node: LifecycleNode, refused: Callable[[str, Exception], None]) -> None:
    """Answer a transition that is impossible now with success=False; rclpy raises it instead.

    ``refused`` is told the transition wanted and the error.
    """
    service: Any = node._service_change_state
    change = service.callback

    def guarded(request: Any, response: Any) -> Any:
        try:
            return change(request, response)
        except Exception as error:  # RCLError is private to rclpy
            refused(request.transition.label or str(request.transition.id), error)
            response.success = False
            return response

    service.callback = guarded


def take(subscription: Subscription, kind: Any, raw: bool) -> tuple[Any, Any] | None:
    """Return the message that waits, of the class ``kind``, and its info; None where none does.

    ``raw`` gives its bytes. Without it a message that cannot be read is gone without a word.
    """
    handle: Any = subscription.handle
    with handle:
        taken: tuple[Any, Any] | None = handle.take_message(kind, raw)
    return taken


def waiting(subscription: Subscription, kind: Any, most: int) -> Iterator[Any]:
    """Yield the messages that wait, ``most`` at most."""
    for _ in range(most):
        taken = take(subscription, kind, False)
        if taken is None:
            return
        yield taken[0]


def events(subscription: Subscription) -> list[tuple[Callable[[Any], None], Any]]:
    """Take the events that wait; return each with the callback that it was registered with."""
    taken = []
    handlers: Any = subscription.event_handlers
    for handler in handlers:
        handler._ready_to_take_data = True  # nobody waits for it in an executor
        event = handler.take_data()
        if event is not None:
            taken.append((handler.callback, event))
    return taken
