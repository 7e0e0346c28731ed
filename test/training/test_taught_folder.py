"""What was taught from a few frames is training data for a whole model."""

import json

import cv2
import yaml
from helpers import squares
from helpers.command import latent_vqa
from teach.conftest import QUESTION, SECOND, draw

from latent_vqa_ros import datasets
from latent_vqa_ros.teach.folder import Folder
from latent_vqa_ros.teach.question import Question


def test_train_makes_a_bundle_of_a_taught_folder(tmp_path):
    here, at = Folder(tmp_path / 'taught'), 0
    for moment in range(5):
        for number, answer in enumerate(('yes', 'no')):
            at += 10
            for shot in (0, 1):
                picture = draw(answer, 100 * moment + 10 * number + shot)
                jpeg = cv2.imencode('.jpg', picture[:, :, ::-1])[1].tobytes()
                known, _ = here.add(Question(QUESTION), answer, jpeg, (at + shot) * SECOND)
    data = datasets.load(str(known.path), None)
    assert {split: len(data.split(split)) for split in ('train', 'val', 'test')} == {
        'train': 12, 'val': 4, 'test': 4}
    recipe = tmp_path / 'lid.yaml'
    recipe.write_text(yaml.safe_dump({
        **squares.RECIPE, 'name': 'lid', 'data': str(known.path), 'pretrain': {'epochs': 1},
        'finetune': {'epochs': 1, 'batch': 4, 'learning_rate': 0.001}}))
    done = latent_vqa('train', recipe, '--smoke', '--folder', tmp_path / 'run', '--out',
                      tmp_path / 'lid', '--json')
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1])['int8']['n'] == 4
    assert (tmp_path / 'lid' / 'manifest.yaml').exists()
