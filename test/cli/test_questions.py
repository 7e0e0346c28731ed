"""`questions` says what can be asked and answered."""

from helpers import fake_bundle


def test_json_lists_questions_answers_and_words(latent_vqa_json, bundle):
    code, document = latent_vqa_json('questions', '--model', bundle)
    assert code == 0
    assert document['answers'] == ['circle', 'red', 'no']
    assert 'color' in document['words']
    assert document['questions'] == ['what shape is this', 'what color is this']


def test_the_listing_names_every_answer_and_word(latent_vqa, bundle):
    code, out, _ = latent_vqa('questions', '--model', bundle)
    assert code == 0
    assert 'answers (3):\n  circle, red, no' in out
    assert 'words (12):' in out
    assert '  what shape is this\n' in out


def test_the_listing_shows_the_plainest_question_of_each_way_to_begin_the_frequent_first(
    latent_vqa, tmp_path
):
    bundle = fake_bundle.write(tmp_path / 'bundle', questions=(
        'what shape is this', 'what color is this', 'IS THIS RED', 'what color', 'is this shape'))
    _, out, _ = latent_vqa('questions', '--model', bundle)
    shown = out[:out.index('answers (')].splitlines()[1:]
    assert shown == ['  what color', '  is this shape', '  what shape is this']


def test_a_damaged_bundle_is_refused(latent_vqa, bundle):
    (bundle / 'answerer.onnx').write_bytes(b'x')
    code, out, err = latent_vqa('questions', '--model', bundle)
    assert (code, out) == (1, '')
    assert 'sha256' in err


def test_a_bundle_of_features_can_be_asked_nothing_and_says_so(latent_vqa, tmp_path):
    code, out, err = latent_vqa('questions', '--model',
                                fake_bundle.write_features(tmp_path / 'features'))
    assert (code, out) == (1, '')
    assert 'kind features' in err
