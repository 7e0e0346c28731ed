"""The launch files: their arguments without launch, and what they start where launch is there.

`launch` and `launch_ros` come with ROS 2 and not from the Python package index; where they cannot
be imported the tests that need them say so.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / 'launch' / 'vqa.launch.py'
TWO_ROBOTS = ROOT / 'launch' / 'two_robots.launch.py'
CONTRACT = {'model', 'image_topic', 'question_topic', 'namespace', 'params_file', 'use_sim_time',
            'log_level', 'autostart', 'use_respawn', 'web'}
SET_BY_PEOPLE = {'backend', 'num_threads', 'cameras', 'image_transport', 'image_qos',
                 'max_image_age', 'min_confidence', 'standing_questions', 'taught_folder'}
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]),
    launch_arguments=[argument.split(':=') for argument in sys.argv[2:]])]))
sys.exit(service.run())
"""
needs_launch = pytest.mark.skipif(
    importlib.util.find_spec('launch_ros') is None,
    reason='needs launch and launch_ros, which come with ROS 2: source /opt/ros/$ROS_DISTRO')


def test_the_launch_file_declares_the_arguments_of_the_contract():
    assert set(declared('PARAMETERS') + declared('OTHERS')) == CONTRACT | SET_BY_PEOPLE


def test_every_argument_that_is_a_parameter_has_the_type_of_the_parameter():
    pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
    from latent_vqa_ros.ros.parameters import TABLE

    names = declared('PARAMETERS')
    assert len(names) >= 10
    kinds = {'use_sim_time': 'bool'} | {
        name: type(row.default).__name__.replace('tuple', 'list') for name, row in TABLE.items()}
    assert {name: kinds[name] for name in names} == dict(zip(names, types(), strict=True))


def declared(table):
    """Return the keys of a table of the launch file."""
    return [key.value for key in _table(table).keys]


def types():
    """Return the types in the launch file's table of parameters."""
    return [row.elts[0].id for row in _table('PARAMETERS').values]


def _table(name):
    """Return the dictionary of that name in the launch file, which needs launch to be imported."""
    found, = (node.value for node in ast.walk(ast.parse(FILE.read_text()))
              if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == name)
    return found


@pytest.fixture
def prefix(ros_environment, tmp_path):
    """Make a prefix with what an install has; return the environment that uses it."""
    lib, share = tmp_path / 'lib' / 'latent_vqa_ros', tmp_path / 'share'
    lib.mkdir(parents=True)
    for folder in ('config', 'launch'):
        shutil.copytree(ROOT / folder, share / 'latent_vqa_ros' / folder)
    marker = share / 'ament_index' / 'resource_index' / 'packages' / 'latent_vqa_ros'
    marker.parent.mkdir(parents=True)
    marker.touch()
    for name, module in (('vqa_node', 'main'), ('vqa_web', 'page_main')):
        executable = lib / name
        executable.write_text(f'#!{sys.executable}\nimport sys\nfrom latent_vqa_ros.ros.{module} '
                              'import main\nsys.exit(main())\n')
        executable.chmod(0o755)
    prefixes = filter(None, [str(tmp_path), os.environ.get('AMENT_PREFIX_PATH')])
    return {**ros_environment, 'AMENT_PREFIX_PATH': os.pathsep.join(prefixes),
            'ROS_LOG_DIR': str(tmp_path / 'log')}


@pytest.fixture
def launch(prefix, tmp_path):
    """Return a function that launches a file with arguments."""
    log, processes = tmp_path / 'launch.txt', []

    def start(*arguments, file=FILE):
        with log.open('w') as out:
            processes.append(subprocess.Popen(
                [sys.executable, '-c', RUN, str(file), *arguments], env=prefix, stdout=out,
                stderr=subprocess.STDOUT, cwd=tmp_path))
        processes[-1].said = log.read_text
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        assert 'Traceback' not in process.said()


@pytest.fixture
def asker(ask_in):
    """Return somebody who asks in the namespace that is launched."""
    return ask_in(f'/launched_{os.getpid()}')


@pytest.fixture
def ask_in(ros):
    """Return a function that makes somebody who asks in a namespace."""
    from helpers.node_harness import Asker

    askers = []

    def make(namespace):
        askers.append(Asker(namespace))
        return askers[-1]

    yield make
    for each in askers:
        each.close()


@needs_launch
@pytest.mark.parametrize('transport', ['raw', 'points'])
def test_the_launched_node_answers_on_the_remapped_topics(launch, asker, bundle_path, tmp_path,
                                                          transport):
    from faults.rig import cloud
    from helpers.node_harness import header, image, until
    from std_msgs.msg import String

    given = tmp_path / 'given.yaml'
    given.write_text(f'/**:\n  ros__parameters:\n    image_transport: {transport}\n')
    process = launch(f'namespace:={asker.node.get_namespace()}', f'model:={bundle_path}',
                     'image_topic:=kinect/image', 'question_topic:=ask', f'params_file:={given}')
    asker.questions = asker.node.create_publisher(String, 'ask', 100)
    asker.greet()

    def seen():
        message = image() if transport == 'raw' else cloud(header(0, ''))
        message.header.stamp = asker.node.get_clock().now().to_msg()
        asker.publish(message, 'kinect/image')
        return asker.ask()['status'] in ('ok', 'unsure')

    until(seen, 'an answer')
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert 'process has finished cleanly' in process.said()


@needs_launch
def test_without_autostart_the_node_waits_and_a_parameter_file_counts(launch, asker, tmp_path):
    from helpers.node_harness import until
    from rcl_interfaces.srv import GetParameters

    given = tmp_path / 'given.yaml'
    given.write_text('/**:\n  ros__parameters:\n    model: from_the_file\n    top_k: 7\n')
    launch(f'namespace:={asker.node.get_namespace()}', f'params_file:={given}',
           'autostart:=false', 'use_sim_time:=true')
    until(lambda: asker.diagnostics.get('node'), 'the node')
    assert asker.diagnostics['node'].message == 'unconfigured'
    request = GetParameters.Request(names=['model', 'top_k', 'use_sim_time'])
    values = asker.call(GetParameters, 'vqa/get_parameters', request).values
    assert values[0].string_value == 'from_the_file'
    assert values[1].integer_value == 7
    assert values[2].bool_value


@needs_launch
def test_each_argument_that_is_a_parameter_reaches_the_node(launch, asker, bundle_path):
    from helpers.node_harness import until
    from rcl_interfaces.srv import GetParameters
    from rclpy.parameter import parameter_value_to_python

    given = {'model': str(bundle_path), 'backend': 'torch', 'num_threads': 2,
             'cameras': ['front', 'arm/rear'], 'image_transport': 'compressed',
             'image_qos': 'reliable', 'max_image_age': 7.0, 'min_confidence': 0.5,
             'standing_questions': ['@front is it, or not?'], 'taught_folder': '/nowhere',
             'use_sim_time': True, 'autostart': False}
    assert list(given) == declared('PARAMETERS')
    typed = given | {'cameras': 'front, arm/rear', 'max_image_age': 7,
                     'standing_questions': '@front is it, or not?', 'use_sim_time': 'true',
                     'autostart': 'false'}
    launch(f'namespace:={asker.node.get_namespace()}',
           *(f'{name}:={value}' for name, value in typed.items()))
    until(lambda: asker.diagnostics.get('node'), 'the node')
    request = GetParameters.Request(names=list(given))
    values = asker.call(GetParameters, 'vqa/get_parameters', request).values
    assert list(map(parameter_value_to_python, values)) == list(given.values())


@needs_launch
def test_a_list_may_be_written_as_yaml(launch, asker, bundle_path):
    launch(f'namespace:={asker.node.get_namespace()}', f'model:={bundle_path}',
           'cameras:=[front, rear]', 'standing_questions:=["@rear a, b?", "@front c?"]')
    asker.greet()
    assert asker.ask(camera='rear')['camera'] == 'rear'
    assert asker.ask(camera='up')['reason'].endswith('known: front, rear')


@needs_launch
def test_an_argument_that_is_not_declared_is_refused_in_one_line(launch):
    process = launch('image_transprot:=compressed')
    assert process.wait(30) != 0
    line, = (line for line in process.said().splitlines() if 'image_transprot' in line)
    assert 'vqa.launch.py has no argument image_transprot; it has model, backend' in line


@needs_launch
def test_a_topic_for_cameras_that_have_names_stops_the_launch(launch):
    process = launch('cameras:=front,rear', 'image_topic:=/x')
    assert process.wait(30) != 0
    assert 'image_topic is of a camera without a name' in process.said()


@needs_launch
def test_an_including_file_may_have_arguments_of_its_own(launch, asker, bundle_path, tmp_path):
    bringup = tmp_path / 'vqa.launch.py'  # of the same name
    bringup.write_text(f"""
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument('robot'),
        IncludeLaunchDescription(PythonLaunchDescriptionSource({str(FILE)!r}))])
""")
    launch(f'namespace:={asker.node.get_namespace()}', f'model:={bundle_path}', 'robot:=left',
           file=bringup)
    asker.greet()


@needs_launch
def test_a_killed_node_comes_back_with_use_respawn(launch, asker, bundle_path):
    from helpers.node_harness import until

    process = launch(f'namespace:={asker.node.get_namespace()}', f'model:={bundle_path}',
                     'use_respawn:=true')
    asker.greet()
    os.kill(children(process)[0], signal.SIGKILL)
    until(lambda: 'process has died' in process.said(), 'launch to notice')
    asker.greet()
    assert process.said().count('process started') == 2


@needs_launch
def test_two_robots_answer_in_their_own_namespaces_and_one_outlives_the_other(
        launch, ask_in, bundle_path):
    from helpers.node_harness import until

    process = launch(f'model:={bundle_path}', file=TWO_ROBOTS)
    left, right = ask_in('/left'), ask_in('/right')
    left.greet()
    right.greet()
    assert left.ask()['reason'].startswith('no publisher on /left/image_raw')
    assert right.ask()['reason'].startswith('no publisher on /right/image_raw')
    asked = len(right.details)
    left.ask()
    assert len(right.details) == asked
    os.kill(children(process)[0], signal.SIGKILL)
    until(lambda: 'process has died' in process.said(), 'launch to notice')
    right.ask()
    assert process.said().count('process started') == 2


@needs_launch
def test_with_web_a_page_of_the_launched_node_is_served_and_ends_with_it(
        launch, asker, bundle_path, tmp_path):
    from helpers.node_harness import until
    from helpers.page import ADDRESS, Page
    from std_msgs.msg import String

    given = tmp_path / 'given.yaml'
    given.write_text('/**/vqa_web:\n  ros__parameters:\n    port: 0\n')
    process = launch(f'namespace:={asker.node.get_namespace()}', f'model:={bundle_path}',
                     f'params_file:={given}', 'web:=true', 'question_topic:=ask')
    page = Page(int(until(lambda: ADDRESS.search(process.said()), 'the address')[1]))
    asker.questions = asker.node.create_publisher(String, 'ask', 100)
    asker.greet()
    status, _, body = page.request()
    assert status == 200
    assert b'static/main.js' in body
    with page.link() as link:
        reason = link.ask('what shape is in the image?')['reason']
    assert reason.startswith('no publisher on')
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert process.said().count('process has finished cleanly') == 2


@needs_launch
@pytest.mark.parametrize(('level', 'is_said'), [('info', True), ('error', False)])
def test_the_log_level_decides_what_the_node_says(launch, asker, bundle_path, level, is_said):
    process = launch(f'namespace:={asker.node.get_namespace()}', f'model:={bundle_path}',
                     f'log_level:={level}')
    asker.greet()
    assert ('answering with' in process.said()) is is_said


@needs_launch
def test_launch_shows_each_argument_with_its_description():
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    from launch import LaunchContext

    source = PythonLaunchDescriptionSource(str(FILE))
    shown = source.get_launch_description(LaunchContext()).get_launch_arguments()
    assert {argument.name for argument in shown} == CONTRACT | SET_BY_PEOPLE
    assert all(argument.description for argument in shown)


@needs_launch
@pytest.mark.skipif(importlib.util.find_spec('launch_testing') is None,
                    reason='needs launch_testing, which comes with ROS 2')
def test_launch_testing_passes(prefix, tmp_path):
    test = ROOT / 'test' / 'launch' / 'launched_vqa.py'
    done = subprocess.run(
        [sys.executable, '-m', 'launch_testing.launch_test', test],
        env=prefix, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def children(process):
    """Return the process ids of the nodes of a launch."""
    path = Path(f'/proc/{process.pid}/task/{process.pid}/children')
    return [int(number) for number in path.read_text().split()]
