"""The picture for people: readable, nothing outside, and views that name topics that exist."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_vqa_ros.core import annotate as drawing
from latent_vqa_ros.core.annotate import COLOURS, annotate, ascii_only, enlargement
from latent_vqa_ros.core.answer import Detail, Evidence
from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.preprocess import source_box
from latent_vqa_ros.core.statuses import Status

CONFIG = Path(__file__).resolve().parents[2] / 'config'
TOPICS = {'image_raw', 'question', 'answer', 'answer/detail', 'answer/classification',
          'image_annotated', '/diagnostics'}
LONG = 'is there a red shape that stands to the left of the small blue cube and behind it? ' * 3
SIZES = [(64, 64), (120, 160), (480, 640), (720, 1280), (1080, 1920), (2160, 3840), (400, 90)]


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def ok(**changes: object) -> Detail:
    fields = {'answer': 'red', 'confidence': 0.987, **changes}
    return Detail(Status.OK, 'what color is the shape?', **fields)  # type: ignore[arg-type]


def drawn_rows(picture_hwc: np.ndarray) -> np.ndarray:
    """Return which rows differ from the grey of the frame."""
    return (picture_hwc != 128).any(axis=(1, 2))


@pytest.mark.parametrize(('height', 'width'), SIZES)
def test_small_frames_are_enlarged_by_a_whole_factor_and_large_ones_keep_their_size(
        height: int, width: int) -> None:
    picture_hwc = annotate(grey(height, width), ok())
    factor = picture_hwc.shape[0] // height
    assert picture_hwc.shape == (height * factor, width * factor, 3)
    assert picture_hwc.shape[0] >= 240
    assert picture_hwc.shape[1] >= 320
    assert factor == 1 or min(height // 240, width // 320) == 0
    assert picture_hwc.dtype == np.uint8


@settings(deadline=None, max_examples=150)
@given(data=st.data(), height=st.integers(1, 300), width=st.integers(1, 400),
       status=st.sampled_from(Status), question=st.text(max_size=300),
       answer=st.none() | st.text(max_size=40), reason=st.text(max_size=300))
def test_anything_is_drawn_without_touching_the_frame_given(
        data: st.DataObject, height: int, width: int, status: Status, question: str,
        answer: str | None, reason: str) -> None:
    number = st.integers(-2**40, 2**40) | st.integers(-50, 450)
    boxes = data.draw(st.lists(st.builds(
        Evidence, st.text(max_size=30), st.tuples(number, number, number, number)), max_size=3))
    rgb_hwc = grey(height, width)
    rgb_hwc.flags.writeable = False
    picture_hwc = annotate(rgb_hwc, Detail(status, question, answer=answer, confidence=0.5,
                                           reason=reason, evidence=tuple(boxes)))
    factor = enlargement(height, width)
    assert picture_hwc.shape == (height * factor, width * factor, 3)
    assert (rgb_hwc == 128).all()


@pytest.mark.parametrize('status', Status)
def test_each_status_has_its_colour_at_the_bottom(status: Status) -> None:
    picture_hwc = annotate(grey(480, 640), Detail(status, 'what?', answer='red'))
    lower_hwc = picture_hwc[240:].astype(int)
    assert (np.abs(lower_hwc - COLOURS[status]).max(axis=2) < 40).any()
    others = [c for s, c in COLOURS.items() if c != COLOURS[status]]
    assert not any((np.abs(lower_hwc - c).max(axis=2) < 10).any() for c in others)


def test_ok_unsure_and_bad_image_are_told_apart() -> None:
    assert len({COLOURS[s] for s in (Status.OK, Status.UNSURE, Status.BAD_IMAGE)}) == 3
    assert set(COLOURS) == set(Status)


@pytest.mark.parametrize(('height', 'width'), SIZES)
@pytest.mark.parametrize('question', [LONG, 'w' * 256, '\u00e7' * 256])
def test_long_text_stays_within_margins_and_leaves_half_of_the_frame(
        height: int, width: int, question: str) -> None:
    detail = Detail(Status.UNKNOWN_WORDS, question, reason=LONG)
    picture_hwc = annotate(grey(height, width), detail)
    dark = round(128 * drawing.DIM)
    margin = round(0.01 * picture_hwc.shape[1])
    for side_hwc in (picture_hwc[:, :margin], picture_hwc[:, -margin:]):
        assert set(np.unique(side_hwc)) <= {128, dark}
    rows = drawn_rows(picture_hwc)
    assert rows[0]
    assert rows[-1]
    assert (~rows).sum() >= 0.5 * len(rows)


def test_letters_are_at_least_8_pixels_high_and_grow_with_the_frame() -> None:
    heights = []
    for height, width in ((64, 64), (480, 640), (2160, 3840)):
        picture_hwc = annotate(grey(height, width), Detail(Status.OK, 'H'))
        ink = (picture_hwc[:picture_hwc.shape[0] // 2] > 200).all(axis=2).any(axis=1)
        heights.append(int(ink.sum()))
    assert heights[0] >= 8
    assert heights[1] >= 12
    assert heights[2] >= 50


def test_a_box_is_where_the_evidence_is_times_the_enlargement() -> None:
    evidence = (Evidence('', (20, 24, 16, 12)),)
    picture_hwc = annotate(grey(64, 64), ok(evidence=evidence))
    middle_hwc = picture_hwc[80:240]
    ys, xs = np.nonzero((middle_hwc != 128).any(axis=2))
    assert (xs.min(), xs.max() + 1) == (20 * 5, 36 * 5)
    assert (80 + ys.min(), 80 + ys.max() + 1) == (24 * 5, 36 * 5)
    assert (picture_hwc[26 * 5:34 * 5, 22 * 5:34 * 5] == 128).all()


def test_a_phrase_stands_above_its_box_and_below_it_at_the_top() -> None:
    for y, above in ((200, True), (40, False)):
        plain, named = (annotate(grey(480, 640), ok(evidence=(Evidence(p, (200, y, 90, 60)),)))
                        for p in ('', 'the red shape'))
        rows = np.nonzero((plain != named).any(axis=(1, 2)))[0]
        assert (rows.max() < y) if above else (rows.min() >= y + 60)


def test_a_box_outside_the_frame_is_not_drawn() -> None:
    plain = annotate(grey(480, 640), ok())
    for box in ((700, 10, 50, 50), (-90, 10, 50, 50), (10, 10, 0, 50), (10, 500, 50, 50)):
        assert np.array_equal(plain, annotate(grey(480, 640),
                                              ok(evidence=(Evidence('it', box),))))


def test_without_evidence_the_middle_of_the_frame_is_as_it_was() -> None:
    rgb_hwc = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    assert np.array_equal(annotate(rgb_hwc, ok())[60:420], rgb_hwc[60:420])


FRAMES = [(480, 640), (720, 1280), (640, 360), (60, 80), (1, 300), (480, 480), (300, 300)]


@pytest.mark.parametrize(('height', 'width'), FRAMES)
def test_what_the_model_does_not_see_is_darker_and_what_it_sees_is_as_it_was(
        height: int, width: int) -> None:
    rgb_hwc = np.random.default_rng(0).integers(60, 256, (height, width, 3), np.uint8)
    factor = enlargement(height, width)
    x, y, w, h = seen = source_box(height, width, PreprocessConfig(resize='center_crop'))
    plain, shown = annotate(rgb_hwc, ok()), annotate(rgb_hwc, ok(), seen)
    inside = np.zeros((height * factor, width * factor), bool)
    inside[y * factor:(y + h) * factor, x * factor:(x + w) * factor] = True
    assert np.array_equal(shown[inside], plain[inside])
    strip = (annotate(rgb_hwc, Detail(Status.OK, '', answer='')) != annotate(rgb_hwc, ok())).any(
        axis=(1, 2))  # rows of text
    outside = ~inside & ~strip[:, None]
    assert (shown[outside] < 0.5 * plain[outside]).all()
    assert (shown[outside] > 0).all()  # what is there can still be made out
    assert outside.any() == (height != width and not strip.all())


@pytest.mark.parametrize(('height', 'width'), FRAMES)
def test_where_a_bundle_stretches_the_frame_nothing_is_darker(height: int, width: int) -> None:
    seen = source_box(height, width, PreprocessConfig(resize='stretch'))
    assert np.array_equal(annotate(grey(height, width), ok(), seen),
                          annotate(grey(height, width), ok()))


def test_text_and_boxes_stand_over_what_is_darker() -> None:
    detail = ok(evidence=(Evidence('it', (10, 200, 60, 60)),))
    plain, shown = (annotate(grey(480, 640), detail, seen) for seen in (None, (80, 0, 480, 480)))
    for colour in (drawing.WHITE, COLOURS[Status.OK], drawing.BOX_COLOURS[0]):
        left = [(picture_hwc[:, :80] == colour).all(axis=2) for picture_hwc in (plain, shown)]
        assert left[0].any()
        assert np.array_equal(*left)


def test_question_answer_confidence_and_reason_each_change_the_picture() -> None:
    rgb_hwc = grey(480, 640)
    base = Detail(Status.UNSURE, 'what?', answer='red', confidence=0.41, reason='below 0.5')
    pictures = [annotate(rgb_hwc, Detail(**{**base.__dict__, **change})) for change in (
        {}, {'question': 'why?'}, {'answer': 'tan'}, {'confidence': 0.42}, {'reason': 'below'})]
    assert len({picture.tobytes() for picture in pictures}) == 5


@given(st.text())
def test_text_becomes_printable_ascii_on_one_line(text: str) -> None:
    shown = ascii_only(text)
    assert all(' ' <= c <= '~' for c in shown)
    assert ascii_only(shown) == shown


def test_other_characters_are_replaced_not_dropped() -> None:
    assert ascii_only('fa\u00e7ade\n\u2026 ok') == 'fa?ade ... ok'


def rviz_displays() -> list[dict]:  # type: ignore[type-arg]
    document = yaml.safe_load((CONFIG / 'latent_vqa.rviz').read_text())
    assert document['Visualization Manager']['Global Options']['Fixed Frame'] == 'camera'
    return list(document['Visualization Manager']['Displays'])


def test_rviz_shows_the_annotated_picture_and_the_camera_as_the_node_publishes_them() -> None:
    displays = rviz_displays()
    assert [display['Topic']['Value'] for display in displays] == ['image_annotated', 'image_raw']
    assert {display['Class'] for display in displays} == {'rviz_default_plugins/Image'}
    assert {display['Topic']['Reliability Policy'] for display in displays} == {'Best Effort'}
    assert {display['Topic']['Value'] for display in displays} <= TOPICS


def leaves(node: object) -> list[str]:
    return [str(node)] if not isinstance(node, dict) else [
        leaf for side in ('first', 'second') for leaf in leaves(node[side])]


def test_foxglove_shows_picture_detail_and_diagnostics_and_publishes_a_question() -> None:
    document = json.loads((CONFIG / 'foxglove_layout.json').read_text())
    panels = {name.partition('!')[0]: panel for name, panel in document['configById'].items()}
    assert sorted(leaves(document['layout'])) == sorted(document['configById'])
    named = {panels['Image']['imageMode']['imageTopic'], panels['Publish']['topicName'],
             panels['RawMessages']['topicPath'], panels['DiagnosticSummary']['topicToRender']}
    assert named == {'/image_annotated', '/question', '/answer/detail', '/diagnostics'}
    assert {name.lstrip('/') for name in named} <= {name.lstrip('/') for name in TOPICS}
    assert panels['Publish']['datatype'] == 'std_msgs/msg/String'
    assert list(json.loads(panels['Publish']['value'])) == ['data']
