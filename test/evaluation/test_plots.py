"""Reports are drawn whatever the questions say and however many answers there are."""

import cv2
import pytest

pytest.importorskip('matplotlib', reason='needs matplotlib: pip install matplotlib')

from latent_vqa_ros.datasets.record import Question, Record
from latent_vqa_ros.evaluation.mistakes import Mistake
from latent_vqa_ros.evaluation.plots import draw_confusion, draw_wrong

ODD = 'is it $5, 10% off $6 or $\\x^{?'


def test_a_text_that_looks_like_mathematics_is_a_text(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), cv2.UMat(8, 8, cv2.CV_8UC3).get())
    question = Question(ODD, '$5 $', '$group_$')
    draw_wrong([Mistake(Record(tmp_path / 'a.png', 'test', (question,)), question, '$6^$', 0.9)],
               tmp_path / 'wrong.png')
    assert cv2.imread(str(tmp_path / 'wrong.png')).shape[1] > 100
    draw_confusion({'confusion': {'$5 $': {'$6^$': 3}}}, tmp_path / 'confusion.png')
    assert cv2.imread(str(tmp_path / 'confusion.png')).shape[1] > 100


def test_of_a_thousand_answers_the_commonest_confusions_are_drawn(tmp_path):
    wrong = {f'answer {i}': {f'answer {i + 1}': i + 1} for i in range(1000)}
    draw_confusion({'confusion': wrong}, tmp_path / 'confusion.png')
    assert cv2.imread(str(tmp_path / 'confusion.png')).shape[1] < 4000
