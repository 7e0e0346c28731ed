"""Timers at a pace that a parameter sets and changes, on a clock that never jumps."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.clock import Clock, ClockType  # type: ignore[attr-defined]
from rclpy.node import Node
from rclpy.timer import Timer


def every(node: Node, period_s: float, callback: Callable[[], None]) -> Timer:
    """Return a timer of the node; simulated time, which may stand still, does not touch it."""
    return node.create_timer(period_s, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))


def set_period(timer: Timer, period_s: float) -> None:
    """Let the next period begin now: the one under way may be long."""
    timer.timer_period_ns = int(period_s * 1e9)
    timer.reset()
