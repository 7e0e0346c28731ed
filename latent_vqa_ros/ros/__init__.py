"""The ROS 2 side: the only importer of rclpy and of messages."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Any

from latent_vqa_ros.core.process import one_line

# NumPy's products in one thread: its helpers would compute at the priority of answers, and spin.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')  # read when NumPy is imported

LARGE_FRAMES = 'DEFAULT?sockets_size=5MB'
TRANSPORT_SETTINGS = (
    'FASTDDS_BUILTIN_TRANSPORTS', 'FASTDDS_DEFAULT_PROFILES_FILE',
    'FASTRTPS_DEFAULT_PROFILES_FILE')




def use_large_frames(environ: MutableMapping[str, str] = os.environ) -> bool:
    """Let frames above half a megabyte through Fast DDS; return whether that was changed here.

    Fast DDS gives shared memory a segment of twice the socket buffers, by default less than one
    640×480 rgb8 frame, so that most best-effort frames are lost. `sockets_size` enlarges it and
    keeps UDP, so that other machines and nodes with default transports are still reached (a
    process with SHM alone is invisible to them). It is enough on the publishing side. A transport
    that the user has chosen is left alone; call this before rclpy.init.
    """
    if any(environ.get(name) for name in TRANSPORT_SETTINGS):
        return False
    environ[TRANSPORT_SETTINGS[0]] = LARGE_FRAMES
    return True


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
