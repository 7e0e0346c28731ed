"""No process of the package reports to anybody: no file in an empty home, no look-up, no packet.

ONNX Runtime is said to be silent where a variable CI is set; these processes have none.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.sources import PACKAGE, ROOT, python_files, third_party

HIDES = {'CI', 'ORT_DISABLE_TELEMETRY', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME'}
LIMIT = 60.0  # s
PICTURE = ROOT / 'docs' / 'demo.png'
ASK = f'from latent_vqa_ros.cli.main import main\nmain(["ask", {str(PICTURE)!r}, "what?"])'
OPENVINO = """
from latent_vqa_ros.backends import open_pipeline
open_pipeline('easy_vqa', 'openvino')
"""
QUANTIZE = """
import sys
import numpy as np
from pathlib import Path
from latent_vqa_ros.training import quantize
from onnx import TensorProto, helper, numpy_helper
import onnx
folder = Path(sys.argv[1])
node = helper.make_node('MatMul', ['x', 'w'], ['y'], name='product')
graph = helper.make_graph(
    [node], 'small', [helper.make_tensor_value_info('x', TensorProto.FLOAT, [2, 8])],
    [helper.make_tensor_value_info('y', TensorProto.FLOAT, [2, 8])],
    [numpy_helper.from_array(np.eye(8, dtype=np.float32), 'w')])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9),
          folder / 'float.onnx')
feeds = [{'x': np.ones((2, 8), np.float32)}]
assert quantize.quantize_graph(folder / 'float.onnx', folder / 'int8.onnx', feeds)
"""


@pytest.fixture
def home(tmp_path):
    """Return an empty folder, and the environment of a process whose home it is."""
    folder = tmp_path / 'home'
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in HIDES}
    return folder, {**kept, 'HOME': str(folder), 'PYTHONPATH': str(ROOT),
                    'ROS_LOG_DIR': str(tmp_path / 'log')}


def test_only_modules_of_the_package_import_onnxruntime_and_so_pass_the_switch():
    files = [path for name in ('latent_vqa_ros', 'test', 'launch', 'docs')
             for path in python_files(ROOT / name)]
    assert len(files) >= 350
    users = [path for path in files if 'onnxruntime' in third_party(path)]
    assert len(users) >= 3
    assert [path for path in users if PACKAGE not in path.parents] == []


@pytest.mark.parametrize('code', [ASK, OPENVINO, QUANTIZE], ids=['ask', 'openvino', 'quantize'])
def test_a_process_that_uses_onnxruntime_leaves_an_empty_home_empty(home, tmp_path, code):
    needs = {OPENVINO: 'openvino', QUANTIZE: 'onnx'}.get(code, 'onnxruntime')
    pytest.importorskip(needs, reason=f'needs {needs}: pip install {needs}')
    folder, environment = home
    # what reports does so from a thread: give it time
    done = subprocess.run([sys.executable, '-c', f'{code}\nimport time; time.sleep(2)', tmp_path],
                          env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    assert [path for path in folder.rglob('*') if path.is_file()] == []


def test_the_node_leaves_an_empty_home_empty(home, ros_environment, tmp_path):
    pytest.importorskip('rclpy', reason='needs ROS 2: pip ros-jazzy-rclpy')
    folder, environment = home
    log = tmp_path / 'node.log'
    with log.open('w') as out:
        node = subprocess.Popen([sys.executable, '-m', 'latent_vqa_ros.ros.main'],
                                env={**environment, 'ROS_DOMAIN_ID': ros_environment[
                                    'ROS_DOMAIN_ID']}, stdout=out, stderr=subprocess.STDOUT)
    end = time.monotonic() + LIMIT
    while 'tabletop' not in log.read_text() and time.monotonic() < end:
        assert node.poll() is None, log.read_text()
        time.sleep(0.1)
    time.sleep(2)
    node.send_signal(signal.SIGINT)
    assert node.wait(LIMIT) == 0
    assert 'tabletop' in log.read_text()  # the model was loaded
    assert [path for path in folder.rglob('*') if path.is_file()] == []


@pytest.mark.skipif(shutil.which('strace') is None, reason='needs strace: apt install strace')
def test_asking_opens_no_connection_to_the_outside(home, tmp_path):
    _, environment = home
    trace = tmp_path / 'trace'
    control = 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()\n'
    for code in (control, ASK + '\nimport time; time.sleep(2)'):
        subprocess.run(['strace', '-f', '-e', 'trace=socket', '-o', trace, sys.executable, '-c',
                        code], env=environment, check=True, capture_output=True, timeout=LIMIT)
        opened = [line for line in Path(trace).read_text().splitlines() if 'AF_INET' in line]
        assert bool(opened) is (code is control), opened
