"""Why no frame of a camera has arrived, as far as the graph tells it, and what to try in order.

    why(node, Wanted('/camera/image_raw', 'raw', Image))

    nobody publishes      the sibling topic that is published, with the parameter to set, or the
                          launch arguments, for a camera with a name the remappings, that lead to
                          other pictures
    another type          its name, and image_transport
    no name               discovery knows the publisher, but nothing that its process sends gets
                          here, not even its node's name: shared memory between two users or two
                          containers (test/ros/test_absence.py has such a process)
    none of these         it publishes nothing, or its frames are too large for the transport

``lost`` says the latter of frames that came and come no more.

QoS that does not match is an event and seen by FrameSource. Refuses to know frames.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rclpy.node import Node
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import CompressedImage, Image

UNNAMED = '_NODE_NAME_UNKNOWN_'  # rmw_dds_common: its discovery message has not come
SHARED_MEMORY = ('its process is known, but nothing that it sends gets here, not even its name: '
                 'shared memory does not work between two users or two containers. Start the '
                 "camera's process with FASTDDS_BUILTIN_TRANSPORTS=UDPv4")
LARGE_FRAMES = ("start the camera's process with "
                "FASTDDS_BUILTIN_TRANSPORTS='DEFAULT?sockets_size=5MB' (more than a frame has: "
                '30MB for 4K), or both with config/fastdds_large_frames.xml of latent_vqa_ros')
LARGE = 500_000  # bytes; most best-effort frames beyond are lost with Fast DDS's own settings
COMPRESSED = '/compressed'
SHOWN = 3  # topics that are named
ODD = ('depth', 'infra', 'annotated')  # in a name: named last


class Wanted(NamedTuple):
    """Where frames should come from: topic, image_transport, message class, the camera's name."""

    topic: str
    transport: str
    message: Any
    camera: str = ''


def why(node: Node, wanted: Wanted) -> str:
    """Return why no frame has arrived, in one line."""
    publishers = node.get_publishers_info_by_topic(wanted.topic)
    if not publishers:
        return f'no publisher on {wanted.topic}; {_elsewhere(node, wanted)}'
    found = f'{wanted.topic} has a publisher, but no frame has arrived yet'
    names = sorted({_full_name(one) for one in publishers if one.node_name != UNNAMED})
    if not names:
        return f'{found}; if this stays so, {SHARED_MEMORY}'
    said = (f'{found}; if this stays so: does {", ".join(names[:SHOWN])} publish (ros2 topic hz '
            f'{wanted.topic})? If it does, its frames are too large for the transport')
    return f'{said}: {LARGE_FRAMES}' if _is_fast_dds() else said


def lost(nbytes: int) -> str:
    """Return what to look at where frames of a camera that runs came and come no more, or ''."""
    if nbytes <= LARGE or not _is_fast_dds():
        return ''
    return ('if the camera runs, its frames are lost, as they are too large for the transport: '
            + LARGE_FRAMES)


def other_type(topic: str, wanted: Any, publishers: list[Any]) -> str:
    """Return which type the topic carries in place of the one wanted, '' where it is that."""
    name, types = type_name(wanted), sorted({one.topic_type for one in publishers})
    if not types or name in types:
        return ''
    return f'{topic} carries {", ".join(types)}, not {name}; see the parameter image_transport'


def type_name(message: Any) -> str:
    """Return the name of a message class, as sensor_msgs/msg/Image."""
    return f'{message.__module__.split(".")[0]}/msg/{message.__name__}'


def _elsewhere(node: Node, wanted: Wanted) -> str:
    """Return which topic may be meant: what to set for it, or that there is none."""
    kinds = {type_name(Image): 'raw', type_name(CompressedImage): 'compressed',
             type_name(wanted.message): wanted.transport}
    own = node.resolve_topic_name('image_annotated')
    found = {topic: kinds[kind] for topic, types in node.get_topic_names_and_types()
             for kind in types
             if kind in kinds and topic != own and node.count_publishers(topic)}
    for topic, transport in found.items():
        if _base(topic) == _base(wanted.topic) and transport != wanted.transport:
            return f'{topic} is published: set image_transport to {transport}'
    shown = [_way(wanted, topic, transport)
             for topic, transport in sorted(found.items(), key=lambda one: (_odd(one[0]), one))
             if transport != 'compressed' or topic.endswith(COMPRESSED)]
    return (f'what is published is reached by {", or ".join(shown[:SHOWN])}' if shown else
            'does the camera run, is the topic remapped?')


def _way(wanted: Wanted, topic: str, transport: str) -> str:
    """Return what leads to a topic that carries what image_transport calls ``transport``."""
    if not wanted.camera:
        return f'image_topic:={_base(topic)} image_transport:={transport}'
    name = f'{wanted.camera}/{"points" if transport == "points" else "image_raw"}'
    other = '' if transport == wanted.transport else f' -p image_transport:={transport}'
    return f'-r {name}:={_base(topic)}{other}'


def _odd(topic: str) -> bool:
    """Tell whether a topic is hardly what people ask about."""
    return any(word in topic.lower() for word in ODD)


def _base(topic: str) -> str:
    return topic.removesuffix(COMPRESSED)


def _full_name(publisher: Any) -> str:
    return f'{publisher.node_namespace.rstrip("/")}/{publisher.node_name}'


def _is_fast_dds() -> bool:
    return 'fastrtps' in get_rmw_implementation_identifier()
