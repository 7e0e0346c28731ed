"""Starts vqa_node: ros2 launch latent_vqa_ros vqa.launch.py image_topic:=/camera/image_raw

Declares, remaps and passes on, nothing else. An argument left empty leaves the parameter file's
value; parameters that are no argument here are set in a parameter file. launch itself takes any
argument and ignores those that no file declares: this file refuses them where it is the one that
was typed.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import yaml
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription

PACKAGE, FILE = 'latent_vqa_ros', 'vqa.launch.py'
# Arguments that are parameters of the node: type and what --show-args says.
PARAMETERS = {
    'model': (str, 'Bundle that answers: a name or a folder.'),
    'backend': (str, 'What executes the bundle: onnxruntime, openvino or torch.'),
    'num_threads': (int, 'Threads that compute one answer.'),
    'cameras': (list, 'Names of several cameras, as front,rear: topics front/image_raw, ...'),
    'image_transport': (str, 'raw, compressed (topic NAME/compressed) or points.'),
    'image_qos': (str, 'sensor_data or reliable.'),
    'max_image_age': (float, 'Seconds that an image may be old; 0: any age.'),
    'min_confidence': (float, 'Below it an answer is unsure; -1: the limit in the bundle.'),
    'standing_questions': (
        list, 'One that is asked again and again, or several as ["first?", "second?"].'),
    'taught_folder': (str, 'Where questions of your own are kept.'),
    'use_sim_time': (bool, 'true: follow /clock.'),
    'autostart': (bool, 'false: wait for lifecycle transitions.'),
}
OTHERS = {
    'image_topic': ('', 'Topic of the camera, pictures or points, without /compressed. Not of '
                        'cameras that have names: these are read from NAME/image_raw.'),
    'question_topic': ('question', 'Topic of the questions.'),
    'namespace': ('', 'Namespace of the node and its topics.'),
    'params_file': (PathJoinSubstitution([FindPackageShare(PACKAGE), 'config', 'vqa.yaml']),
                    'Parameter file.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
    'use_respawn': ('false', 'true: start again if it dies.'),
    'web': ('false', 'true: start the page beside the node; its host, port and token stand in the '
                     'parameter file under /**/vqa_web.'),
}


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value='', description=text)
          for name, (_, text) in PARAMETERS.items()),
        *(DeclareLaunchArgument(name, default_value=default, description=text)
          for name, (default, text) in OTHERS.items()),
        OpaqueFunction(function=_nodes)])


def _refuse_undeclared(argv: list[str]) -> None:
    """Raise where somebody typed an argument for this file that it does not have."""
    if not any(Path(word).name == FILE and (
            before == PACKAGE or Path(word).resolve() == Path(__file__).resolve())
               for before, word in pairwise(argv)):
        return  # another file includes this one, and may have arguments of its own
    given = [word.partition(':=')[0] for word in argv if ':=' in word]
    unknown = sorted(set(given) - {*PARAMETERS, *OTHERS})
    if unknown:
        raise ValueError(f'{FILE} has no argument {", ".join(unknown)}; it has '
                         f'{", ".join([*PARAMETERS, *OTHERS])}; set other parameters in a '
                         'params_file')


def _refuse_both(cameras: str, image_topic: str) -> None:
    """Raise where image_topic would be ignored, because the cameras have names."""
    names = [name for name in _list('cameras', cameras) if name] if cameras else []
    if names and image_topic:
        raise ValueError(
            f'image_topic is of a camera without a name, cameras names {", ".join(names)}: give '
            'one of both. A camera NAME is read from NAME/image_raw: name it after its topic, as '
            'cameras:=cam1/color for cam1/color/image_raw, or start vqa_node itself with '
            f'--ros-args -p cameras:="[{", ".join(names)}]" '
            f'-r {names[0]}/image_raw:={image_topic}')


def _nodes(context: LaunchContext) -> list[Node]:
    _refuse_undeclared(sys.argv)
    _refuse_both(*(LaunchConfiguration(name).perform(context)
                   for name in ('cameras', 'image_topic')))
    given = {name: _value(name, kind, LaunchConfiguration(name).perform(context))
             for name, (kind, _) in PARAMETERS.items()
             if LaunchConfiguration(name).perform(context)}
    image_topic = LaunchConfiguration('image_topic')
    named = ('image_raw', 'points') if image_topic.perform(context) else ()
    shared = {
        'package': PACKAGE,
        'namespace': LaunchConfiguration('namespace'),
        'output': 'screen',
        'remappings': [*((name, image_topic) for name in named),
                       ('question', LaunchConfiguration('question_topic'))],
        'ros_arguments': ['--log-level', LaunchConfiguration('log_level')],
        'respawn': LaunchConfiguration('use_respawn'),
        'respawn_delay': 2.0,
    }
    parameters = LaunchConfiguration('params_file')
    return [
        Node(executable='vqa_node', name='vqa',
             parameters=[parameters, *([given] if given else [])], **shared),
        Node(executable='vqa_web', name='vqa_web', parameters=[parameters],
             condition=IfCondition(LaunchConfiguration('web')), **shared),
    ]


def _value(name: str, kind: type, text: str) -> ParameterValue | list[str]:
    """Return the argument as a value of its type."""
    return (_list(name, text) if kind is list else
            ParameterValue(LaunchConfiguration(name), value_type=kind))


def _list(name: str, text: str) -> list[str]:
    """Return a list that may be one of YAML, or bare."""
    if text.startswith('['):
        return yaml.safe_load(text)
    return [word.strip() for word in (text.split(',') if name == 'cameras' else [text])]
