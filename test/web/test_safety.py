"""Who may listen where, and who is let in."""

import pytest

from latent_vqa_ros.cli.main import main
from latent_vqa_ros.web.safety import Safety, SafetyError, is_this_machine


@pytest.mark.parametrize('host', ['127.0.0.1', '127.5.0.9', '::1', 'localhost'])
def test_this_machine_needs_no_token(host):
    assert Safety(host).token == ''


@pytest.mark.parametrize('host', ['0.0.0.0', '::', '192.168.1.7', 'robot', ''])
def test_any_other_host_needs_a_token(host):
    with pytest.raises(SafetyError, match='token'):
        Safety(host)
    assert Safety(host, 'x' * 16).host == host


@pytest.mark.parametrize(('host', 'token', 'warned'), [
    ('0.0.0.0', 'x' * 15, True), ('robot', 'x', True), ('0.0.0.0', 'x' * 16, False),
    ('127.0.0.1', 'x', False), ('localhost', 'x' * 15, False), ('127.0.0.1', '', False)])
def test_a_short_token_is_taken_and_warned_of_where_others_may_guess_it(host, token, warned):
    safety = Safety(host, token)
    assert safety.token == token
    assert ('shorter than 16 characters' in safety.warning) is warned


def test_a_short_token_of_the_verb_is_warned_of_in_one_line(monkeypatch, caplog):
    monkeypatch.setattr('latent_vqa_ros.backends.open_pipeline', lambda model: None)
    monkeypatch.setattr('latent_vqa_ros.cli.web.asyncio.run', lambda served: served.close())
    assert main(['web', '--host', '0.0.0.0', '--token', 'secret']) == 0
    line, = (one.getMessage() for one in caplog.records if one.levelname == 'WARNING')
    assert 'shorter than 16' in line
    assert 'secret' not in line


def test_the_verb_without_the_token_that_its_host_needs_is_bad_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        main(['web', '--host', '0.0.0.0'])
    assert ended.value.code == 2
    assert 'only with a token' in capsys.readouterr().err


def test_names_that_only_look_like_this_machine_are_not():
    assert not is_this_machine('127.0.0.1.example.com')
    assert not is_this_machine('localhost.example.com')
