"""Who may listen where, and who is let in."""

import pytest

from latent_vqa_ros.web.safety import Safety, SafetyError, is_this_machine


@pytest.mark.parametrize('host', ['127.0.0.1', '127.5.0.9', '::1', 'localhost'])
def test_this_machine_needs_no_token(host):
    assert Safety(host).token == ''


@pytest.mark.parametrize('host', ['0.0.0.0', '::', '192.168.1.7', 'robot', ''])
def test_any_other_host_needs_a_token(host):
    with pytest.raises(SafetyError, match='token'):
        Safety(host)
    assert Safety(host, 'x' * 16).host == host


def test_a_short_token_is_refused():
    with pytest.raises(SafetyError, match='16'):
        Safety('127.0.0.1', 'x' * 15)


def test_names_that_only_look_like_this_machine_are_not():
    assert not is_this_machine('127.0.0.1.example.com')
    assert not is_this_machine('localhost.example.com')
