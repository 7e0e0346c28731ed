"""Versions of a taught question: switched on and off, rolled back, the oldest gone."""

import pytest

from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.question import Question, TeachError


def version(number):
    return {'version.json': b'{}'}


def answered_by(here, many):
    """Return a question of so many versions, each of which was switched on once."""
    found, _ = here.add(Question('is the lid open?'), 'yes', b'a jpeg', 5)
    for _ in range(many):
        found = here.switch(*here.add_version(found, version))
    return found


def test_rollback_goes_through_all_versions_that_answered(tmp_path):
    here = Folder(tmp_path)
    found = answered_by(here, 3)
    here.switch(found, None)
    assert [here.rollback(found).active.version for _ in range(3)] == [3, 2, 1]
    with pytest.raises(TeachError, match='no version that answered before'):
        here.rollback(found)


def test_off_and_on_again_is_no_step_to_go_back(tmp_path):
    here = Folder(tmp_path)
    found = answered_by(here, 2)
    here.switch(found, None)
    here.switch(found, 2)
    assert here.rollback(found).active.version == 1
    here.switch(found, None)
    here.switch(found, 1)
    with pytest.raises(TeachError, match='no version that answered before'):
        here.rollback(found)


def test_old_versions_go_and_those_in_use_stay(tmp_path):
    here = Folder(tmp_path)
    found = answered_by(here, 1)
    for _ in range(30):
        found, _ = here.add_version(found, version)
    assert len(found.versions) <= 20
    assert {1, 31} <= set(found.versions)


def test_a_version_takes_the_place_of_what_answered_when_its_fit_began_alone(tmp_path):
    here = Folder(tmp_path)
    found = answered_by(here, 2)
    here.switch(found, None)  # by somebody else, meanwhile
    assert here.switch(found, 1, instead_of=found.active).active.version is None
    assert here.switch(found, 1, instead_of=here.find(found.slug).active).active.version == 1


def test_a_version_of_shots_that_were_replaced_meanwhile_is_not_kept(tmp_path):
    here = Folder(tmp_path)
    question = Question('is the lid open?')
    found, _ = here.add(question, 'yes', b'a jpeg', 5)
    here.forget(found)
    here.add(question, 'yes', b'another', 5)
    with pytest.raises(TeachError, match='fit it again'):
        here.add_version(found, version)
    assert here.find(question.text).versions == ()
