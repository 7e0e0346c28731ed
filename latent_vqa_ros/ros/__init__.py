"""The ROS 2 side: the only importer of rclpy and of messages."""

from __future__ import annotations

import os
from typing import Any

from latent_vqa_ros.core.process import one_line

# NumPy's products in one thread: its helpers would compute at the priority of answers, and spin.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')  # read when NumPy is imported


def open_node(name: str, namespace: str = '') -> Any:
    """Start ROS 2 in this process, its signals left alone, and return a new node.

    OSError in one line where it does not start: domain, keystore, middleware.
    """
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        return rclpy.create_node(name, namespace=namespace)
    except Exception as error:  # RCLError is private to rclpy
        if rclpy.ok():  # type: ignore[attr-defined]
            rclpy.shutdown()
        raise OSError(f'ROS 2 does not start: {one_line(error)}') from None
