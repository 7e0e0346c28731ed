"""A parameter file that no node reads is told, one that is meant for this node is not."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from latent_vqa_ros.ros import params_files

HERE = {'ros__parameters': {'top_k': 9}}


def lines(tmp_path, document, node='/left/vqa') -> list[str]:
    file = tmp_path / 'p.yaml'
    file.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return list(params_files.unread(['x', '--ros-args', '--params-file', str(file)], node))


@pytest.mark.parametrize('document', [
    {'/**': HERE}, {'/left/vqa': HERE}, {'left/vqa': HERE}, {'/left': {'vqa': HERE}},
    {'left': {'vqa': HERE}}, {'/*/vqa': HERE}, {'/**/vqa': HERE}, {'/left/*': HERE},
    {'vqa_web': HERE}, {'left': {'vqa_web': HERE}},
    {'other': HERE, '/**': HERE}, {'**': HERE}, {}, {'notes': 'no parameters'}, [], 'a: [', 'x',
])
def test_a_file_that_is_read_or_names_no_node_is_not_told(tmp_path, document):
    assert lines(tmp_path, document) == []


@pytest.mark.parametrize(('document', 'names'), [
    ({'vqa_node': HERE}, '/vqa_node'), ({'vqa': HERE}, '/vqa'), ({'/right': {'vqa': HERE}},
                                                                 '/right/vqa'),
    ({'/*': HERE}, '/*'), ({'a': HERE, 'b': HERE, 'c': HERE, 'd': HERE}, '/a, /b, /c'),
])
def test_a_file_for_other_nodes_is_told_with_what_to_write(tmp_path, document, names):
    line, = lines(tmp_path, document)
    assert line == (f'{tmp_path / "p.yaml"} has parameters for {names} and none for /left/vqa: '
                    'they are ignored; write /**/vqa: or /**: above them')


def test_the_page_misses_only_what_is_meant_for_a_page(tmp_path):
    for document in ({'vqa': HERE}, {'/**/vqa_web': HERE}, {'/left/vqa_web': HERE}):
        assert lines(tmp_path, document, '/left/vqa_web') == []
    line, = lines(tmp_path, {'vqa': HERE, 'vqa_web': HERE}, '/left/vqa_web')
    assert line.endswith('has parameters for /vqa_web and none for /left/vqa_web: they are '
                         'ignored; write /**/vqa_web: or /**: above them')


def test_a_file_that_is_not_there_is_left_to_ros(tmp_path):
    assert list(params_files.unread(['--params-file', str(tmp_path / 'nowhere')], '/vqa')) == []
    assert list(params_files.unread(['--params-file'], '/vqa')) == []


@given(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner)
                    | st.dictionaries(st.text() | st.just('ros__parameters'), inner)))
def test_no_document_is_too_strange(tmp_path_factory, document):
    assert len(lines(tmp_path_factory.getbasetemp(), document)) <= 1
