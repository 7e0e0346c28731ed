"""An error is one line that people can use; memory is that of the process asked for."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.core.image_formats import ImageError
from latent_vqa_ros.core.process import one_line, resident_mb, some, typed_line


@pytest.mark.parametrize(('error', 'plain', 'typed'), [
    (ValueError('a\nb  c'), 'a b c', 'ValueError: a b c'),
    (ImageError('too small'), 'too small', 'too small'),
    (KeyError(), 'KeyError', 'KeyError: KeyError'),
    (FileNotFoundError(2, 'No such file or directory', 'a.png'),
     'a.png: No such file or directory', 'FileNotFoundError: a.png: No such file or directory'),
    (OSError('no ROS'), 'no ROS', 'OSError: no ROS'),
    (ImageError(os.fsdecode(b'caf\xe9.png')), r'caf\udce9.png', r'caf\udce9.png'),
    (PermissionError(13, 'Permission denied', os.fsdecode(b'caf\xe9')),
     r'caf\udce9: Permission denied', r'PermissionError: caf\udce9: Permission denied'),
])
def test_an_error_is_its_text_and_a_surprise_has_its_type(error, plain, typed):
    assert one_line(error) == plain
    assert typed_line(error) == typed


@given(st.text())
def test_whatever_an_error_says_is_one_bounded_line(text):
    line = typed_line(ValueError(text))
    assert len(line.splitlines()) == 1
    assert len(line) <= 550


def test_a_list_that_is_cut_says_how_many_it_left_out():
    assert [some(['a', 'b', 'c'], most) for most in (2, 3)] == ['a, b and 1 more', 'a, b, c']
    assert some([]) == ''


def test_memory_is_that_of_the_process_asked_for():
    assert resident_mb() == pytest.approx(resident_mb(os.getpid()), rel=0.2)
    assert 1 < resident_mb() < 100_000
    with pytest.raises(OSError):
        resident_mb(2**30)
