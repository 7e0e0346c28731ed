"""What a browser makes of events that are rare: replayed, refused, broken, of another clock."""

from __future__ import annotations

import time

import pytest

from latent_vqa_ros.teach.judge import CONFIDENCE

HOUR = 3600
THINGS, TRAY, CUBE = 'how many things are there?', 'what is in the tray?', 'is there a cube?'


@pytest.fixture
def screen(told_screen):
    return told_screen


def detail(**more):
    return {'id': None, 'question': 'asked elsewhere?', 'camera': 'camera', 'status': 'ok',
            'reason': '', 'answer': 'yes', 'confidence': 0.8, 'top': [['yes', 0.8], ['no', 0.2]],
            'stamp': None, 'image_age_ms': 1.0, 'latency_ms': {'total': 1.0}, 'evidence': [],
            'model': {'name': 'tabletop', 'version': '1', 'sha256': ''}, **more}


def show(screen, **more):
    """Let somebody else ask, and choose that answer in the story."""
    screen.run('hear(arguments[0]); document.querySelector(".story > li .strip button").click()',
               {'kind': 'detail', 'detail': detail(**more), 'at': time.time()})


@pytest.mark.parametrize('ahead_s', [HOUR, -HOUR])
def test_what_comes_now_is_new_though_the_robots_clock_is_another(open_page, bag_page, ahead_s):
    with bag_page.link() as other:
        for question in (TRAY, CUBE):
            other.ask(question, camera='camera')
        screen = open_page(ahead_s)
        screen.until(lambda: screen.text('.answer .asked') == CUBE, 'the last answer from before')
        screen.ask(THINGS)
        other.ask('is there a ball?', camera='camera')
    screen.until(lambda: screen.run('return runs("is there a ball?")'), "the other's answer")
    assert screen.text('.answer .asked') == THINGS
    assert [text for text in screen.texts('.story small') if text.endswith('h')] == []


def test_a_link_that_comes_back_tells_nothing_twice_nor_disturbs_corrections(
        open_page, bag_page):
    with bag_page.link() as other:
        other.say({'do': 'play', 'camera': 'camera', 'value': False})
        for at_s in (2.0, 20.0):
            other.say({'do': 'seek', 'camera': 'camera', 'value': at_s})
            other.until('reel', position=at_s)
            other.ask(TRAY, camera='camera')
    screen = open_page()
    screen.ask(THINGS)
    before = screen.run('return runs(arguments[0])', TRAY)
    screen.run('hear({...arguments[0], now: Date.now() / 1000 - arguments[1]})', {
        'kind': 'hello', 'page': 'node', 'cameras': ['camera'], 'questions': [],
        'answers': ['1', '2', '3'], 'words': [], 'limit': 0.5,
        'can': {'teach': True, 'state': True}}, HOUR)
    screen.press('w')
    screen.until(lambda: screen.texts('.choices button'), 'the choices')
    screen.run('hear(arguments[0])', {'kind': 'detail', 'detail': detail(), 'at': 1.0})
    screen.run('wire.close()')
    with bag_page.link() as other:
        other.ask('what is new?', camera='camera')
    screen.until(lambda: screen.run('return runs("what is new?")'), 'what came meanwhile')
    assert screen.run('return runs(arguments[0])', TRAY) == before >= 2
    assert screen.text('.answer .asked') == THINGS
    assert not screen.run('return document.querySelector(".right").hidden')


def test_a_condition_is_as_old_as_the_robots_clock_says(screen):
    condition = {'kind': 'condition', 'value': True, 'detail': None, 'question': 'is it on?',
                 'expected': ['yes'], 'camera': '', 'rate': 0.001}  # silent after 3000 s
    for name, age_s in (('fresh', 0), ('gone', HOUR)):
        screen.run('hear(arguments[0])', {**condition, 'name': name, 'at': time.time() - age_s})
    words = 'return all(".lamps .word").map((each) => each.textContent)'
    assert screen.run(words) == ['yes', 'not known']


def test_what_another_server_does_not_tell_disappears(screen):
    def there():
        return [screen.run('return all(arguments[0]).map((each) => each.textContent)', where)
                for where in ('#cameras button', '.lamps .word')]
    screen.run('[...arguments].forEach(hear)', {
        'kind': 'reel', 'camera': 'old bag', 'count': 9, 'position': 0.0, 'seconds': 9.0,
        'playing': False, 'label': '0 s'}, {
        'kind': 'condition', 'value': True, 'detail': None, 'question': 'is it on?',
        'expected': ['yes'], 'camera': '', 'rate': 0.001, 'name': 'on', 'at': time.time()})
    assert there() == [['camera', 'stills', 'old bag'], ['yes']]
    screen.run('choose("old bag"); wire.close()')
    screen.until(lambda: there() == [['camera', 'stills'], []], 'the old ones to go')
    assert screen.run('return document.querySelector("#cameras [aria-pressed=true]").textContent'
                      ) == 'camera'


def test_a_still_picture_stays_though_its_camera_is_chosen_again(screen):
    for cameras in (['stills'], ['stills'], ['camera', 'stills']):
        screen.run('choose(...arguments)', *cameras)
        screen.until(lambda: screen.run('return document.getElementById("waiting").hidden'),
                     'its picture')


def test_a_picture_that_cannot_be_shown_is_forgotten_with_the_next(screen, bag_page):
    def waiting():
        return screen.run('const waiting = document.getElementById("waiting");'
                          'return waiting.hidden ? "" : waiting.textContent')

    with bag_page.link() as other:
        other.say({'do': 'seek', 'camera': 'stills', 'value': 0.0})
        other.until('reel', camera='stills', position=0.0)
        screen.run('choose("stills")')
        screen.until(lambda: not waiting(), 'a picture')
        broken = {'camera': 'stills', 'error': 'half of it is missing'}
        screen.run('see(arguments[0])', broken)
        assert 'half of it is missing' in waiting()
        other.say({'do': 'seek', 'camera': 'stills', 'value': 1.0})
        screen.until(lambda: not waiting(), 'the next picture')
    screen.run('see(arguments[0])', broken)
    assert 'half of it is missing' in waiting()
    screen.run('choose("camera")')
    assert screen.run('return document.getElementById("waiting").textContent'
                      ) == 'Waiting for a picture …'


@pytest.mark.parametrize('up', [{'key': '&', 'code': 'Digit1'},
                                {'key': 'Shift', 'code': 'ShiftLeft'}])
def test_where_digits_need_shift_shots_end_whichever_key_goes_up_first(screen, up):
    screen.teach('Is it on?', ('yes', 'no'))
    held = 'return all("[data-answer].held").length'
    screen.run('key("keydown", {key: "1", code: "Digit1", shiftKey: true})')
    assert screen.run(held) == 1
    screen.run('key("keyup", arguments[0])', up)
    assert screen.run(held) == 0


def test_a_taught_answer_needs_what_its_judge_says_or_more_where_the_node_does(screen):
    row = {'name': 'min_confidence', 'description': '', 'read_only': False, 'live': True,
           'kind': 'number', 'choices': [], 'from': -1, 'to': 1}
    for value, needed in ((-1.0, CONFIDENCE), (0.6, CONFIDENCE), (0.95, 0.95)):
        screen.run('hear(arguments[0])',
                   {'kind': 'parameters', 'rows': [{**row, 'value': value}]})
        show(screen, model={'name': 'taught/x', 'version': '1', 'sha256': ''}, status='unsure')
        assert screen.text('.confidence small').strip() == f'needs {100 * needed:.0f} %'


def test_what_became_of_a_correction_is_said_to_whom_it_is_from_whoever_asked(screen):
    show(screen, id=7, camera='attic')
    screen.press('w')
    screen.until(lambda: screen.texts('.choices button'), 'the choices')
    screen.press('1')
    said = screen.until(lambda: screen.run(
        'return said.findLast((each) => each.message?.do === "correct")?.message'), 'the message')
    assert (said['about'], said['camera'], said['answer']) == (7, 'attic', 'no')
    reply = {'do': 'correct', 'question': None, 'slug': None, 'shots': {}, 'answers': [],
             'status': 'refused', 'next': None}
    notices = screen.run(
        'for (const [id, reason] of arguments[1])'
        '  hear({kind: "teach", detail: {...arguments[0], id, reason}});'
        'return all(".notice").map((each) => each.textContent)',
        reply, [['correct-page-1', 'of somebody else'], [said['id'], 'it is forgotten']])
    assert [text for text in notices if 'Not done' in text] == ['Not done: it is forgotten.']


def setting(name, value, kind='text', **more):
    return {'name': name, 'description': '', 'read_only': False, 'live': True, 'choices': [],
            'kind': kind, 'value': value, 'from': None, 'to': None, **more}


def test_a_setting_that_is_being_written_outlives_another_that_is_set(screen):
    rows = [setting('red.question', 'old'), setting('red.expected', 'old'),
            setting('max_image_age', 1.0, 'number')]
    screen.run('alone = true; hear(arguments[0])', {'kind': 'parameters', 'rows': rows})
    screen.press('s')
    fields = [screen.find(f'[id="set-red.{name}"]') for name in ('question', 'expected')]
    for field in fields:
        field.clear()
        field.send_keys('new')
    screen.run('all(".setting button")[0].click()')
    rows[0]['value'] = 'new'
    screen.run('hear(arguments[0])', {'kind': 'parameters', 'rows': rows})
    assert screen.run('return all(".setting input").map((each) => each.value)') == [
        'new', 'new', '1']
    rows[1]['value'] = 'of another browser'
    screen.run('hear(arguments[0])', {'kind': 'parameters', 'rows': rows})
    assert screen.run('return all(".setting input")[1].value') == 'of another browser'
    screen.find('#set-max_image_age').clear()
    screen.run('all(".setting button")[2].click()')
    assert screen.run('return said.filter((each) => each.do === "set")') == [
        {'do': 'set', 'name': 'red.question', 'value': 'new'}]


def test_a_setting_is_written_as_what_it_is_whatever_value_it_has_now(screen):
    rows = [setting('rate', 5, 'number', **{'from': 0.001, 'to': 1000}),
            setting('standing', [], 'list'),
            setting('when_unknown', 'false', choices=['silent', 'false', 'true'])]
    screen.run('alone = true; hear(arguments[0])', {'kind': 'parameters', 'rows': rows})
    screen.press('s')
    for name, text in (('rate', '2.5'), ('rate', '2'), ('standing', 'is it on?')):
        field = screen.find(f'#set-{name}')
        field.clear()
        field.send_keys(text)
        screen.run('arguments[0].form.requestSubmit()', field)
        screen.run('hear(arguments[0])', {'kind': 'parameters', 'rows': rows})
    screen.run('document.getElementById("set-when_unknown").form.requestSubmit()')
    assert [each['value'] for each in screen.run('return said') if each['do'] == 'set'] == [
        2.5, 2, ['is it on?'], 'false']


def test_boxes_go_with_the_picture_that_they_are_about(screen):
    reel = {'kind': 'reel', 'camera': 'stills', 'count': 2, 'position': 0.0, 'seconds': 1.0,
            'playing': False, 'label': 'a.png'}
    screen.run('hear(arguments[0]); choose("stills")', reel)
    boxes = 'return document.getElementById("overlay").querySelectorAll("rect").length'
    screen.until(lambda: screen.run('return document.getElementById("waiting").hidden'), 'it')
    show(screen, camera='stills', evidence=[{'phrase': 'ball', 'box': [1, 1, 9, 9]}])
    assert screen.run(boxes)
    screen.run('hear(arguments[0])', {**reel, 'position': 1.0, 'label': 'b.png'})
    assert not screen.run(boxes)


def test_an_uploaded_photo_is_not_corrected_beside_a_node(screen):
    screen.run('hear(arguments[0])', {
        'kind': 'reel', 'camera': 'uploaded pictures', 'count': 1, 'position': 0.0, 'seconds': 0.0,
        'playing': False, 'label': 'mine.png'})
    show(screen, id='page-1', camera='uploaded pictures')
    assert screen.texts('.wrong') == []
    show(screen, id='page-2')
    assert len(screen.texts('.wrong')) == 1


def test_only_the_newest_answer_of_an_id_is_corrected(screen):
    def told(answer):
        screen.run('hear(arguments[0])', {'kind': 'detail', 'at': time.time(), 'detail': detail(
            id='tray', answer=answer, top=[[answer, 0.8], ['maybe', 0.2]])})

    show(screen, id='tray')
    told('no')
    assert (screen.text('.answer .big'), len(screen.texts('.wrong'))) == ('no', 1)
    screen.press('w')
    screen.until(lambda: screen.texts('.choices button'), 'the choices')
    told('yes')
    assert screen.run('return document.querySelector(".right").hidden')
    assert 'answered anew' in screen.text('.notice')
    screen.run('all(".story > li .strip button")[0].click()')
    assert screen.texts('.wrong') == []


def test_beside_the_few_answers_that_are_taught_the_models_own_are_offered(screen):
    def offered(**more):
        show(screen, **more)
        screen.press('w')
        screen.until(lambda: screen.texts('.choices button'), 'the choices')
        found = [text.split()[-1] for text in screen.texts('.choices button')]
        screen.press('\ue00c')  # Escape
        return found

    def taught(question, camera, *answers):
        return {'question': question, 'slug': f'{question[0]}-{camera}', 'camera': camera,
                'region': None, 'answers': answers, 'shots': {}, 'moments': {}, 'active': None,
                'forced': False, 'stale': False, 'broken': ''}
    screen.run('hear(arguments[0])', {'kind': 'teach', 'detail': {
        'do': 'list', 'id': None, 'question': '', 'slug': '', 'status': 'ok', 'answers': [],
        'questions': [taught('a?', 'camera', 'no'), taught('b?', 'camera', 'no'),
                      taught('b?', 'rear', 'open', 'shut')]}})
    assert offered(id=1, question='a?') == ['no']
    assert offered(id=2, question='b?', answer='no', top=[['no', 0.8], ['yes', 0.2]]) == ['yes']
    assert offered(id=3, question='B', answer='open', camera='rear', top=[['open', 0.9]],
                   model={'name': 'taught/b-rear', 'version': '1', 'sha256': ''}) == ['shut']


def test_a_refused_question_says_why_and_another_answer_is_not_corrected_in_its_place(screen):
    show(screen, id=7)
    screen.run('alone = true')
    screen.write('#question', THINGS)
    asked = screen.run('return said.findLast((each) => each.do === "ask").id')
    screen.run('hear(arguments[0])', {'kind': 'notice', 'id': asked, 'text': 'No bundle here.'})
    assert screen.text('.answer .asked') == THINGS
    assert 'No bundle here.' in screen.text('.answer')
    screen.press('w')
    assert screen.run('return document.querySelector(".right").hidden')


def test_a_digit_corrects_nothing_from_another_view(screen):
    show(screen, id=7)
    screen.press('w')
    screen.until(lambda: screen.texts('.choices button'), 'the choices')
    screen.press('s')
    screen.press('1')
    assert not screen.run('return said.some((each) => each.message?.do === "correct")')


def test_trials_push_no_answer_out_of_what_was_told(screen):
    told = [{'kind': 'detail', 'at': float(at), 'detail': detail(id=at, answer=answer)}
            for at, answer in ((1, 'yes'), (2, 'no'))]
    tried = [{'kind': 'detail', 'at': float(at), 'detail': detail(id='shadow-x', question='so?')}
             for at in range(3, 310)]
    screen.run('arguments[0].forEach(hear)', [*told, *tried, *told])
    assert screen.run('return runs("asked elsewhere?")') == 2
