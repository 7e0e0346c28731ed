"""Two robots, a node for each: ros2 launch latent_vqa_ros two_robots.launch.py

An example to copy. Robot left is asked on /left/question about /left/image_raw, robot right on
/right/question about /right/image_raw; both report on /diagnostics. The other arguments of
vqa.launch.py may be given and then count for both; not web: two pages need two ports; and not
taught_folder, also of params_file: each robot has its own, ~/.ros/latent_vqa_ros/NAME/taught, for
what one is shown, in its region of its camera, is no answer of the other.
"""

from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

NAMESPACES = ('left', 'right')


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([_robot(namespace) for namespace in NAMESPACES])


def _robot(namespace: str) -> GroupAction:
    one = PathJoinSubstitution(
        [FindPackageShare('latent_vqa_ros'), 'launch', 'vqa.launch.py'])
    # In a group: what is set for one robot must not reach the other.
    return GroupAction([IncludeLaunchDescription(
        PythonLaunchDescriptionSource(one), launch_arguments={
            'namespace': namespace,
            'taught_folder': f'~/.ros/latent_vqa_ros/{namespace}/taught'}.items())])
