"""The page's side of ROS beside a real node: what it hears, what it asks, what it leaves alone."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from helpers.node_harness import Spinner, until
from std_msgs.msg import String

from latent_vqa_ros.ros.page_client import PageClient

QUESTION = 'what color is the shape?'


class Page:
    """A PageClient with its own node and thread, and the events that it told."""

    def __init__(self, ros, namespace):
        self.node = ros.create_node('vqa_web', namespace=namespace)
        self.client = PageClient(self.node, 'vqa')
        self.events = []
        self.client.listen(self.events.append)
        self.spinner = Spinner(self.node)
        until(lambda: self.last('parameters'), 'the parameters')

    def last(self, kind, **values):
        return next((event for event in reversed(self.events) if event['kind'] == kind
                     and all(event.get(key) == value for key, value in values.items())), None)

    def row(self, name):
        return next(row for row in self.last('parameters')['rows'] if row['name'] == name)

    def close(self):
        self.client.close()
        self.spinner.stop()
        self.node.destroy_node()
        assert not self.spinner.errors, self.spinner.errors


@pytest.fixture
def page(ros, robot):
    opened = []

    def start(**parameters):
        vqa = robot(**parameters)
        opened.append(Page(ros, vqa.node.get_namespace()))
        return vqa, opened[-1]

    try:
        yield start
    finally:
        for each in opened:
            each.close()


def test_a_camera_is_received_only_while_somebody_looks(page):
    robot, page = page()
    topic = f'{robot.node.get_namespace()}/image_raw'
    until(lambda: robot.node.count_subscribers(topic) == 1, "the node's own subscription")
    page.client.watch('', True)
    until(lambda: robot.node.count_subscribers(topic) == 2, "the page's subscription")
    message = robot.show_now()

    def shown():
        robot.publish(message, 'image_raw')
        return page.client.newest('')
    frame = until(shown, 'a frame on the page')
    assert page.client.newest('') is frame
    page.client.watch('', False)
    until(lambda: robot.node.count_subscribers(topic) == 1, 'the subscription to go')
    assert page.client.newest('') is None


def test_a_question_gets_the_detail_that_is_on_the_topic(page):
    robot, page = page()
    robot.show_now()
    command = {'do': 'ask', 'id': 'page-1', 'question': QUESTION, 'camera': ''}
    assert page.client.do(command) == ''
    told = until(lambda: page.last('detail'), 'the detail')['detail']
    assert told == until(lambda: robot.detail('page-1'), 'the detail on the topic')
    assert (told['status'], told['answer']) == ('ok', 'red')


def test_what_the_node_says_comes_to_who_opens_the_page_later(page):
    robot, page = page()
    robot.show_now()
    detail = robot.ask(QUESTION)
    until(lambda: page.last('diagnostics'), 'the diagnostics')
    until(lambda: page.last('detail'), 'the detail')
    events = page.client.snapshot()
    assert events[0]['kind'] == 'hello'
    assert events[0]['questions']
    assert events[-1]['detail'] == detail
    names = [status['name'] for event in events if event['kind'] == 'diagnostics'
             for status in event['statuses']]
    assert {'node', 'questions'} <= set(names)


def test_parameters_have_the_tables_descriptions_and_ranges(page):
    _, page = page()
    top_k = page.row('top_k')
    assert (top_k['value'], top_k['from'], top_k['to'], top_k['live']) == (3, 1, 1000, True)
    assert 'answer/detail' in top_k['description']
    assert page.row('standing_publish')['choices'] == ['on_change', 'always']
    assert not page.row('cameras')['live']
    assert page.row('autostart')['read_only']


def test_a_parameter_is_set_or_the_nodes_reason_is_told(page):
    _, page = page()
    assert page.client.do({'do': 'set', 'name': 'top_k', 'value': 2}) == ''
    until(lambda: page.row('top_k')['value'] == 2, 'the new value')
    assert 'range' in page.client.do({'do': 'set', 'name': 'top_k', 'value': 0}).lower()
    assert page.client.do({'do': 'set', 'name': 'model', 'value': '/nowhere'}).startswith('model')
    assert page.row('top_k')['value'] == 2


def test_a_setting_is_told_as_it_is_meant_whatever_it_was_given_as(page):
    given = {'standing_rate': 5, 'standing_questions': None, 'conditions': ['tray'],
             'tray.question': QUESTION, 'tray.expected': True, 'tray.when_unknown': False}
    _, page = page(**given)
    found = {name: (page.row(name)['kind'], page.row(name)['value']) for name in given}
    assert found == {
        'standing_rate': ('number', 5.0), 'standing_questions': ('list', []),
        'conditions': ('list', ['tray']), 'tray.question': ('text', QUESTION),
        'tray.expected': ('list', ['yes', 'on', 'true']), 'tray.when_unknown': ('text', 'false')}
    assert (page.row('top_k')['kind'], page.row('autostart')['kind']) == ('integer', 'flag')
    assert until(lambda: page.last('condition'), 'the condition')['expected'][0] == 'yes'


def test_a_decimal_setting_stays_one_where_a_whole_number_is_written(page):
    robot, page = page()
    assert page.client.do({'do': 'set', 'name': 'standing_rate', 'value': 2}) == ''
    assert robot.vqa.get_parameter('standing_rate').value == 2
    assert isinstance(robot.vqa.get_parameter('standing_rate').value, float)


def test_the_limit_of_confidence_is_the_nodes(page):
    _, page = page()
    limit = until(lambda: page.last('hello'), 'the limit')['limit']
    assert 0 < limit < 1
    assert page.client.do({'do': 'set', 'name': 'min_confidence', 'value': 0.875}) == ''
    until(lambda: page.last('hello', limit=0.875), 'the new limit')


def test_answering_is_stopped_and_begun_again(page):
    robot, page = page()
    assert page.client.do({'do': 'enable', 'value': False}) == ''
    assert robot.ask(QUESTION)['status'] == 'inactive'
    assert page.client.do({'do': 'enable', 'value': True}) == ''
    assert robot.ask(QUESTION)['status'] != 'inactive'


def test_what_is_taught_goes_out_as_it_is_and_its_details_come_back(page):
    robot, page = page()
    heard = []
    robot.node.create_subscription(String, 'teach', lambda msg: heard.append(msg.data), 1000)
    back = robot.node.create_publisher(String, 'teach/detail', 1000)
    message = {'do': 'add', 'question': 'is it ajar?', 'answer': '<yes>'}

    def said():
        page.client.do({'do': 'teach', 'message': message})
        return heard
    assert json.loads(until(said, 'the message on teach')[0]) == message

    def told():
        back.publish(String(data='{"v": 1, "do": "add", "id": "mine", "status": "ok"}'))
        back.publish(String(data='not JSON'))
        return [event for event in page.events
                if event['kind'] == 'teach' and event['detail']['id'] == 'mine']
    assert until(told, 'the detail of teach')[0]['detail']['status'] == 'ok'


def test_a_node_that_goes_is_missed_and_a_call_does_not_hang(page):
    robot, page = page()
    until(lambda: page.last('node', there=True), 'the node')
    robot.vqa_spinner.stop()
    robot.vqa.close()
    until(lambda: (page.last('node') or {}).get('there') is False, 'the node to be missed')
    assert 'running' in page.client.do({'do': 'set', 'name': 'top_k', 'value': 2})
    robot.close = super(type(robot), robot).close  # the node is gone already


def test_the_same_name_tells_of_a_replaced_bundle(page, bundle_path, tmp_path):
    other = shutil.copytree(bundle_path, tmp_path / 'other')
    robot, page = page(model=str(other), diagnostics_period=0.1)
    until(lambda: page.client.bundle[1], 'the model that the node reports')
    before = page.client.bundle
    manifest = yaml.safe_load((other / 'manifest.yaml').read_text())
    manifest |= {'version': '10.0.0', 'min_confidence': 0.625}
    (other / 'manifest.yaml').write_text(yaml.safe_dump(manifest, sort_keys=False))
    assert robot.set(model=str(other))[0].successful
    until(lambda: page.last('hello', limit=0.625), 'the new limit')
    assert page.client.bundle != before


def test_uploads_are_judged_as_the_node_judges(page):
    _, page = page(top_k=2)
    until(lambda: page.client.settings == {'top_k': 2, 'min_confidence': None}, 'the settings')
    assert page.client.do({'do': 'set', 'name': 'min_confidence', 'value': 0.875}) == ''
    until(lambda: page.client.settings == {'top_k': 2, 'min_confidence': 0.875}, 'the new limit')


def test_standing_questions_are_told_with_their_cameras(page):
    _, page = page(cameras=['front', 'rear'], standing_questions=[
        QUESTION, '@rear is there a red shape?', '{"question": "what is it?", "camera": "rear"}'])
    told = until(lambda: page.last('hello') and page.last('hello')['standing'], 'them')
    assert told == [['front', QUESTION], ['rear', 'is there a red shape?'],
                    ['rear', 'what is it?']]
