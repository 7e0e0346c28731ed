"""Starts vqa_node: ros2 launch latent_vqa_ros vqa.launch.py image_topic:=/camera/image_raw

Declares and remaps, nothing else. An argument left empty leaves the parameter file's value.
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription

PACKAGE = 'latent_vqa_ros'
PARAMETERS = {'model': str, 'use_sim_time': bool, 'autostart': bool}


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument(
            'model', default_value='', description='Bundle that answers: a name or a folder.'),
        DeclareLaunchArgument(
            'image_topic', default_value='',
            description='Topic of the camera, pictures or points; cameras that the parameter file '
                        'names are remapped there or by their own topics.'),
        DeclareLaunchArgument(
            'question_topic', default_value='question', description='Topic of the questions.'),
        DeclareLaunchArgument(
            'namespace', default_value='', description='Namespace of the node and its topics.'),
        DeclareLaunchArgument(
            'params_file',
            default_value=PathJoinSubstitution([FindPackageShare(PACKAGE), 'config', 'vqa.yaml']),
            description='Parameter file.'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='', description='true: follow /clock.'),
        DeclareLaunchArgument(
            'log_level', default_value='info', description='debug, info, warn, error or fatal.'),
        DeclareLaunchArgument(
            'autostart', default_value='', description='false: wait for lifecycle transitions.'),
        DeclareLaunchArgument(
            'use_respawn', default_value='false', description='true: start again if it dies.'),
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=_node)])


def _node(context: LaunchContext) -> list[Node]:
    given = {name: ParameterValue(LaunchConfiguration(name), value_type=kind)
             for name, kind in PARAMETERS.items() if LaunchConfiguration(name).perform(context)}
    image_topic = LaunchConfiguration('image_topic')
    named = ('image_raw', 'points') if image_topic.perform(context) else ()
    return [Node(
        package=PACKAGE,
        executable='vqa_node',
        name='vqa',
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        parameters=[LaunchConfiguration('params_file'), *([given] if given else [])],
        remappings=[*((name, image_topic) for name in named),
                    ('question', LaunchConfiguration('question_topic'))],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        respawn=LaunchConfiguration('use_respawn'),
        respawn_delay=2.0,
    )]
