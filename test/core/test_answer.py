import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.core.answer import Detail, Evidence, Latency, softmax
from latent_vqa_ros.core.statuses import Status

KEYS = ['v', 'id', 'question', 'camera', 'status', 'reason', 'answer', 'confidence', 'top',
        'stamp', 'frame_id', 'image_age_ms', 'latency_ms', 'encoding_reused', 'evidence', 'model']


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20), st.floats(0.05, 20))
def test_probabilities_sum_to_one_and_keep_the_order(logits, temperature):
    p = softmax(np.array(logits), temperature)
    assert p.sum() == pytest.approx(1)
    assert p[int(np.argmax(logits))] == p.max()


def test_higher_temperature_is_less_confident():
    assert softmax(np.array([3.0, 0.0]), 2.0)[0] < softmax(np.array([3.0, 0.0]), 1.0)[0]


def test_document_has_exactly_the_keys_of_the_contract():
    assert list(Detail(Status.NO_IMAGE, 'is it red?').to_dict()) == KEYS


def test_document_of_an_answer():
    detail = Detail(
        Status.OK, 'is it red?', id=7, camera='front', answer='yes', confidence=0.98765432,
        top=(('yes', 0.98765432), ('no', 0.01)), stamp_ns=5_000_000_007, frame_id='optical',
        image_age_ms=12.34567, latency_ms=Latency(0.1, 0.5, 0.2, 0.8),
        evidence=(Evidence('red', (1, 2, 3, 4)),), model=('m', '1.0', 'ab'))
    document = json.loads(detail.to_json())
    assert document['stamp'] == {'sec': 5, 'nanosec': 7}
    assert document['top'] == [['yes', 0.987654], ['no', 0.01]]
    assert document['evidence'] == [{'phrase': 'red', 'box': [1, 2, 3, 4]}]
    assert document['latency_ms'] == {'decode': 0.1, 'encode': 0.5, 'answer': 0.2, 'total': 0.8}
    assert document['model'] == {'name': 'm', 'version': '1.0', 'sha256': 'ab'}


def test_document_goes_out_whatever_a_folder_is_called():
    detail = Detail(Status.FAILED, 'on?', reason='caf\udce9: gone', model=('caf\udce9', '', ''))
    document = json.loads(detail.to_json().encode())
    assert (document['reason'], document['model']['name']) == ('caf\ufffd: gone', 'caf\ufffd')


def test_document_is_one_line_even_if_the_question_is_not():
    assert '\n' not in Detail(Status.BAD_QUESTION, 'is it\nred?').to_json()
