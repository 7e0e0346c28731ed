"""Who may import whom: seen in sys.modules after importing, and in the sources' text."""

import ast
import json
import subprocess
import sys

import pytest
from helpers.sources import (
    PACKAGE,
    ROOT,
    circles,
    edges,
    imports,
    module_name,
    private_of_others,
    python_files,
    third_party,
)

ROS = {'rclpy', 'launch', 'launch_ros', 'cv_bridge', 'sensor_msgs_py', 'std_msgs', 'std_srvs',
       'sensor_msgs', 'diagnostic_msgs', 'lifecycle_msgs', 'rcl_interfaces', 'rosgraph_msgs',
       'builtin_interfaces', 'vision_msgs', 'ament_index_python'}
TORCH = {'torch', 'onnx', 'onnxscript', 'tensorboard', 'matplotlib', 'safetensors', 'easy_vqa'}
SIMULATION = {'mujoco'}
RUNTIME = {'onnxruntime'}
BAGS = {'rosbags'}
WEB = {'aiohttp'}
MAKERS = {f'latent_vqa_ros.{name}' for name in
          ('training', 'evaluation', 'model', 'datasets', 'simulation')}
EVERYTHING = ROS | TORCH | SIMULATION | RUNTIME | BAGS | WEB | MAKERS | {'numpy', 'cv2', 'yaml'}
LIGHT = EVERYTHING - {'numpy', 'cv2', 'yaml'}
# What importing all modules of a package must not load. The floor keeps this test from passing
# over an empty list.
RULES = {
    'core': (LIGHT, 18),
    'teach': (LIGHT, 13),
    'backends': (LIGHT, 5),
    'bags': (LIGHT, 8),
    'cli': (EVERYTHING, 18),
    'ros': (TORCH | SIMULATION | RUNTIME | BAGS | WEB | MAKERS, 28),
    'web': (LIGHT - WEB, 8),
    'datasets': (ROS | RUNTIME | BAGS, 11),
    'model': (ROS | RUNTIME | BAGS | SIMULATION, 13),
    'training': (ROS | BAGS | SIMULATION, 18),
    'evaluation': (ROS | TORCH | RUNTIME | BAGS | SIMULATION, 8),
    'simulation': (ROS | TORCH | RUNTIME | BAGS, 50),
}

LOADED = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def modules(package):
    """Return the names of a package's modules; torch_backend is imported on request only."""
    found = map(module_name, python_files(PACKAGE / package))
    return [name for name in found if name != 'latent_vqa_ros.backends.torch_backend']


def loaded_by(names):
    done = subprocess.run([sys.executable, '-c', LOADED, *names], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize('package', RULES)
def test_importing_a_package_loads_nothing_it_may_not_know(package):
    forbidden, floor = RULES[package]
    names = modules(package)
    assert len(names) >= floor, f'found only {names}'
    assert loaded_by(names) & forbidden == set()


def test_each_package_has_its_rule():
    found = {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
    assert found == set(RULES)


def test_importing_the_package_costs_nothing():
    assert loaded_by(['latent_vqa_ros']) & EVERYTHING == set()


def _who_imports(names):
    """Return the files, relative to the package, that name one of these top-level modules."""
    files = python_files(PACKAGE)
    assert len(files) >= 190, f'found only {len(files)}'
    return {str(path.relative_to(PACKAGE)) for path in files if third_party(path) & names}


def test_no_two_files_import_each_other_by_any_way():
    files = {module_name(path): path for path in python_files(PACKAGE)}
    graph = {name: set(edges(path, set(files))) - {name} for name, path in files.items()}
    assert len(graph) >= 190
    assert sum(map(len, graph.values())) >= 500
    assert [' -> '.join(way) for way in circles(graph)] == []


def test_the_search_for_circles_finds_each():
    graph = {'a': {'b', 'd'}, 'b': {'c'}, 'c': {'a'}, 'd': {'e'}, 'e': {'d', 'f'}, 'f': set()}
    assert circles(graph) == [['a', 'b', 'c', 'a'], ['d', 'e', 'd']]
    assert circles({'a': {'b'}, 'b': set()}) == []


def test_only_one_file_names_what_rclpy_keeps_to_itself():
    attributes = {str(path.relative_to(PACKAGE)): private_of_others(path)
                  for path in python_files(PACKAGE / 'ros')}
    assert len(attributes) >= 28
    assert attributes.pop('ros/rclpy_private.py') >= {'_state_machine', '_parameter_overrides'}
    assert {path: names for path, names in attributes.items() if names} == {}


def test_only_ros_names_rclpy_and_messages():
    users = _who_imports(ROS)
    assert len(users) >= 20
    assert {user for user in users if not user.startswith('ros/')} == set()


def test_only_bags_names_rosbags():
    users = _who_imports(BAGS)
    assert len(users) >= 2
    assert {user for user in users if not user.startswith('bags/')} == set()


def test_only_the_page_names_the_web_server():
    users = _who_imports(WEB)
    assert len(users) >= 3
    assert {user for user in users if not user.startswith('web/')} == set()


def test_only_training_model_and_the_torch_backend_name_torch():
    users = _who_imports({'torch'})
    assert len(users) >= 15
    assert {user for user in users if not user.startswith(('training/', 'model/'))
            and user not in ('backends/torch_backend.py', 'cli/train.py')} == set()


def test_the_runtime_never_names_what_makes_a_bundle():
    files = [path for package in ('core', 'backends', 'ros', 'bags', 'web')
             for path in python_files(PACKAGE / package) if path.name != 'torch_backend.py']
    assert len(files) >= 65
    guilty = {str(path.relative_to(PACKAGE)): name for path in files for name in imports(path)
              if '.'.join(name.split('.')[:2]) in MAKERS}
    assert guilty == {}


def test_core_names_numpy_opencv_yaml_and_a_jpeg_decoder_only():
    files = python_files(PACKAGE / 'core')
    assert len(files) >= 18
    assert set().union(*map(third_party, files)) == {'numpy', 'cv2', 'yaml', 'simplejpeg'}


def test_only_open_pipeline_goes_from_a_bundle_to_a_pipeline():
    files = [*python_files(PACKAGE), *python_files(ROOT / 'test'), *python_files(ROOT / 'launch')]
    assert len(files) >= 200
    makers = {str(path.relative_to(ROOT)) for path in files if 'Pipeline' in called(path)}
    assert makers == {'latent_vqa_ros/backends/__init__.py'}


def called(path):
    """Return the last name of everything that a file calls."""
    return {ast.unparse(node.func).rpartition('.')[2]
            for node in ast.walk(ast.parse(path.read_text('utf-8'))) if isinstance(node, ast.Call)}
