"""The SROS2 policy grants what the running node opens and no more; nothing unpickles or phones.

`ros2 security` comes with ROS 2 and not from the Python package index; where it is missing the
test that needs it says so.
"""

from __future__ import annotations

import ast
import importlib.util
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

import pytest
from helpers.sources import PACKAGE, ROOT, python_files

POLICY = ROOT / 'config' / 'sros2' / 'policy.xml'
LIMIT = 30.0  # s
# Opened only where vision_msgs is installed.
WITH_VISION_MSGS = ('publish', '/answer/classification')
# Not in rclpy before Jazzy.
FROM_JAZZY = ('reply', '/vqa/get_type_description')
FORBIDDEN_MODULES = {'pickle', 'cPickle', 'dill', 'cloudpickle', 'joblib', 'marshal', 'shelve',
                     'urllib', 'http', 'requests', 'httpx', 'aiohttp', 'ftplib', 'smtplib',
                     'telnetlib', 'paramiko'}
# The page is served, nothing is fetched; an address is taken apart as text.
HARMLESS = {'aiohttp.web', 'aiohttp.WSMsgType', 'urllib.parse.urlsplit'}
FORBIDDEN_CALLS = {'eval', 'exec', 'os.system', 'os.popen', 'torch.load', 'yaml.unsafe_load',
                   'yaml.full_load', 'torch.hub.load', 'urlopen'}


def profile():
    """Return the one profile of the policy."""
    found, = xml.parse(POLICY).getroot().iter('profile')
    return found


def allowed():
    """Return the policy as {(what, full name)}; what is publish, subscribe, reply or request."""
    node = profile().get('ns').rstrip('/') + '/' + profile().get('node')
    prefixes = {'~': node, '/': ''}  # by the first letter, else relative to the namespace
    grants = set()
    for group in profile():
        kind, rule = next(iter(group.attrib.items()))
        assert rule == 'ALLOW'
        for entry in group:
            name = entry.text
            start = prefixes.get(name[0], profile().get('ns').rstrip('/') + '/')
            grants.add((kind, start + name.removeprefix('~')))
    return grants


def opened(probe):
    """Return what the node of the profile has open now, in the form of `allowed`."""
    of = profile().get('node'), profile().get('ns')
    asks = {'publish': probe.get_publisher_names_and_types_by_node,
            'subscribe': probe.get_subscriber_names_and_types_by_node,
            'reply': probe.get_service_names_and_types_by_node,
            'request': probe.get_client_names_and_types_by_node}
    return {(kind, name) for kind, ask in asks.items() for name, _ in ask(*of)}


@pytest.fixture
def node(ros_environment, bundle_path, tmp_path):
    """Run the node under the name that the policy gives it, on simulated time."""
    log = tmp_path / 'node.log'
    with log.open('w') as out:
        process = subprocess.Popen(
            [sys.executable, '-m', 'latent_vqa_ros.ros.main', '--ros-args',
             '-r', f'__ns:={profile().get("ns")}', '-r', f'__node:={profile().get("node")}',
             '-p', f'model:={bundle_path}', '-p', 'use_sim_time:=true'],
            env=ros_environment, stdout=out, stderr=subprocess.STDOUT, cwd=tmp_path)
    process.said = log.read_text
    yield process
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT) == 0, log.read_text()


@pytest.fixture
def probe(ros):
    """Return a node that looks at the graph."""
    watcher = ros.create_node('policy_probe')
    yield watcher
    watcher.destroy_node()


def test_the_policy_has_the_form_that_sros2_reads():
    root = xml.parse(POLICY).getroot()
    assert root.tag == 'policy'
    assert root.get('version') == '0.2.0'
    enclave, = root.iter('enclave')
    assert enclave.get('path') == '/latent_vqa'
    names = [entry.text for group in profile() for entry in group]
    assert len(names) >= 20
    assert len(set(names)) == len(names)
    assert not any('*' in name for name in names)


def test_the_policy_grants_what_the_running_node_opens_and_nothing_else(node, probe):
    expected = allowed()
    assert len(expected) >= 20
    if importlib.util.find_spec('vision_msgs') is None:
        expected -= {WITH_VISION_MSGS}
    if importlib.util.find_spec('rclpy.type_description_service') is None:
        expected -= {FROM_JAZZY}
    found, end, since = set(), time.monotonic() + LIMIT, time.monotonic()
    # What is discovered late counts too: the same picture must stand for a second.
    while time.monotonic() < end and not (found == expected and time.monotonic() - since > 1):
        assert node.poll() is None, node.said()
        try:
            now = opened(probe)
        except RuntimeError:  # NodeNameNonExistentError: not discovered yet
            now = set()
        if now != found:
            found, since = now, time.monotonic()
        time.sleep(0.1)
    assert sorted(found - expected) == [], 'missing in the policy'
    assert sorted(expected - found) == [], 'granted without need'


@pytest.mark.skipif(
    shutil.which('ros2') is None or importlib.util.find_spec('sros2') is None,
    reason='needs ros2 security, which comes with ROS 2: source /opt/ros/$ROS_DISTRO')
def test_ros2_security_makes_permissions_of_the_policy(tmp_path):
    keystore = str(tmp_path / 'keystore')
    for arguments in (['create_keystore', keystore],
                      ['create_enclave', keystore, '/latent_vqa'],
                      ['create_permission', keystore, '/latent_vqa', str(POLICY)]):
        subprocess.run(['ros2', 'security', *arguments], check=True)
    rules = xml.parse(tmp_path / 'keystore/enclaves/latent_vqa/permissions.xml')
    publish = {topic.text for topic in rules.iterfind('.//allow_rule/publish/topics/topic')}
    assert {'rt/answer/detail', 'rr/vqa/enableReply'} <= publish
    assert 'rt/question' not in publish


def test_the_package_never_unpickles_evaluates_text_or_calls_the_network():
    files = python_files(PACKAGE)
    assert len(files) >= 50, f'found only {len(files)}'
    assert [f'{path.name}: {bad}' for path in files for bad in forbidden(path)] == []


def forbidden(path):
    """Yield what a file imports or calls and must not."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        elif isinstance(node, ast.Call):
            safe = any(ast.unparse(each) == 'weights_only=True' for each in node.keywords)
            name = ast.unparse(node.func)
            yield from {name} & FORBIDDEN_CALLS if name != 'torch.load' or not safe else ()
            continue
        else:
            continue
        names = set(names) - HARMLESS
        yield from {name.partition('.')[0] for name in names} & FORBIDDEN_MODULES


def test_the_guard_sees_what_it_forbids(tmp_path):
    bad = tmp_path / 'bad.py'
    bad.write_text('import pickle\nfrom urllib.request import urlopen\ntorch.load(1)\neval("1")\n'
                   'from aiohttp import ClientSession\ntorch.load(1, weights_only=True)\n')
    assert sorted(forbidden(bad)) == ['aiohttp', 'eval', 'pickle', 'torch.load', 'urllib']
