"""The verb `teach`: questions of your own from a few pictures, judged before they count.

examples:
  latent_vqa teach add --question "is the tray empty?" --answer yes morning/*.jpg --moment morning
  latent_vqa teach add --question "is the tray empty?" --answer no --bag run7/ --from 12 --to 16
  latent_vqa teach fit "is the tray empty?"
  latent_vqa ask photo.jpg "is the tray empty?" --taught ~/.ros/latent_vqa_ros/taught

Ten shots of each answer from three moments are needed; 60 of each and 300 in all are taken.
Pictures that one command adds are one moment, and so are those of the next command where no other
answer was added between; unless --apart (each is its own) or --moment says otherwise. Frames of a
bag belong to moments by their time. fit prints what the head is worth in moments that were left
out, writes a sheet of the shots, and switches the question on if that suffices (--force: in any
case). A node with the same folder answers at once (docs/teaching.md).
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.common import (
    TAUGHT,
    add_json,
    add_verb,
    not_negative,
    one_document,
    positive,
)
from latent_vqa_ros.cli.teach_report import render

if TYPE_CHECKING:
    from latent_vqa_ros.bags.read import BagReader
    from latent_vqa_ros.teach.known import Known
    from latent_vqa_ros.teach.teacher import Taken, Teacher

log = logging.getLogger(__name__)

Document = dict[str, Any]
EVERY = 0.5  # s between frames of a bag
SUFFIXES = ('.jpg', '.jpeg')
_UNNAMED = r'\d{19}'  # the name of a moment that nobody named: ns since 1970


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `teach add`, `fit`, `list`, `show`, `forget`, `on`, `off`, `rollback`."""
    parser = add_verb(subparsers, 'teach', 'learn a question from a few pictures', __doc__)
    what = parser.add_subparsers(metavar='WHAT', dest='what', required=True)
    _add_add(what)
    fit = _add(what, 'fit', 'fit a question to its shots, judge it, switch it on')
    fit.add_argument('--force', action='store_true', help='switch it on whatever the judge says')
    fit.add_argument('--sheet', type=Path, metavar='FILE', help='picture of the shots (default '
                     'sheet.jpg in the folder of the question)')
    _add(what, 'list', 'name all taught questions', question=False)
    _add(what, 'show', 'name the shots of a question')
    forget = _add(what, 'forget', 'remove a question, or one shot of it')
    forget.add_argument('--shot', metavar='NAME', help='only this, such as 000012.jpg')
    _add(what, 'rollback', 'let the version answer that did before')
    on = _add(what, 'on', 'let a version answer')
    on.add_argument('--version', type=int, metavar='N', help='default: the newest')
    on.add_argument('--force', action='store_true', help='also one that the judge does not trust')
    _add(what, 'off', 'let no version answer')


def _add(what: Any, name: str, summary: str, question: bool = True) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = what.add_parser(
        name, help=summary, description=f'{summary[0].upper()}{summary[1:]}.')
    if question:
        parser.add_argument('question', metavar='QUESTION', help='its text, wording or folder')
    parser.add_argument('--folder', default=TAUGHT, metavar='DIR', help='default %(default)s')
    add_json(parser, 'the document of teach/detail (docs/teaching.md)')
    parser.set_defaults(run=run, fail=parser.error)
    return parser


def _add_add(what: Any) -> None:
    parser = _add(what, 'add', 'add shots of one answer', question=False)
    parser.add_argument('images', metavar='IMAGE', nargs='*', type=Path, help='JPEG or PNG files')
    parser.add_argument('--question', required=True, metavar='Q')
    parser.add_argument('--answer', required=True, metavar='A')
    parser.add_argument('--wording', dest='wordings', action='append', default=[], metavar='Q',
                        help='another text that asks the same; may be repeated')
    parser.add_argument('--camera', default='', metavar='NAME', help='default: its own, or any')
    parser.add_argument('--region', nargs=4, type=float, metavar=('X', 'Y', 'WIDTH', 'HEIGHT'),
                        help='where the thing is, as shares of the frame (default: all of it)')
    parser.add_argument('--moment', default='', metavar='NAME',
                        help='the pictures belong to the moment of this name')
    parser.add_argument('--apart', action='store_true', help='each picture is its own moment')
    parser.add_argument('--bag', metavar='BAG', help='take frames of a bag instead of files')
    parser.add_argument('--topic', metavar='T', help='default: the one with pictures')
    parser.add_argument('--from', dest='start', type=not_negative, metavar='S',
                        help='seconds after the first message of the bag (default 0)')
    parser.add_argument('--to', dest='stop', type=positive, metavar='S', help='default: the end')
    parser.add_argument('--every', type=positive, metavar='S',
                        help=f'seconds between frames (default {EVERY})')


def run(args: argparse.Namespace) -> int:
    """Do it and print; return 1 where it was refused, or not trusted."""
    from latent_vqa_ros import backends
    from latent_vqa_ros.teach.features import ENCODER, RegionEncoder
    from latent_vqa_ros.teach.folder import Folder
    from latent_vqa_ros.teach.messages import Message
    from latent_vqa_ros.teach.question import TeachError
    from latent_vqa_ros.teach.teacher import Teacher

    if args.what == 'fit' and args.sheet and not args.sheet.is_dir() and (
            args.sheet.suffix.lower() not in SUFFIXES):
        args.fail(f'--sheet {args.sheet}: the picture is a JPEG; name it .jpg')
    if args.what == 'forget' and args.shot is not None and not args.shot.strip():
        args.fail('--shot: is empty; leave it out to forget the whole question')
    teacher = Teacher(Folder(args.folder),
                      RegionEncoder(lambda: backends.open_features(ENCODER)))
    if args.what == 'add':
        _check_usage(args)
        document = add(teacher, args)
    else:
        do = {'on': 'switch_on', 'off': 'switch_off'}.get(args.what, args.what)
        document = teacher.do(Message(
            do, question=getattr(args, 'question', ''), force=getattr(args, 'force', False),
            version=getattr(args, 'version', None), shot=getattr(args, 'shot', None) or ''))
    if args.what == 'fit' and document['status'] in ('ok', 'not_trusted'):  # there is a version
        document['sheet'] = ''
        try:
            document['sheet'] = write_sheet(teacher, args, document)
        except TeachError as error:  # the fit itself is done
            document['warnings'].append(f'no sheet of the shots: {error}')
    print(one_document(document) if args.json else render(document, args.folder))
    return 0 if document['status'] == 'ok' else 1


def _check_usage(args: argparse.Namespace) -> None:
    """Exit with 2 where options contradict each other, or would be ignored."""
    if bool(args.images) == bool(args.bag):
        args.fail('give pictures or --bag, one of both')
    if args.apart and (args.bag or args.moment):
        args.fail(f'--apart does not go with {"--bag" if args.bag else "--moment"}')
    for option, value in (('topic', args.topic), ('from', args.start), ('to', args.stop),
                          ('every', args.every)):
        if value is not None and not args.bag:
            args.fail(f'--{option} is about a bag: give --bag, too')


def add(teacher: Teacher, args: argparse.Namespace) -> Document:
    """Add each picture; return the last document, the first that is not ok where one is not.

    Pictures that are shots already are counted and passed over, so that a command can be repeated.
    """
    from latent_vqa_ros.teach.folder import ALREADY
    from latent_vqa_ros.teach.messages import Message
    from latent_vqa_ros.teach.question import TeachError

    message = Message('add', question=args.question, answer=args.answer, region=args.region,
                      camera=args.camera or None, wordings=tuple(args.wordings))
    moment, unread = args.moment or _moment(teacher, args), list[str]()
    for _ in from_files(args, moment):  # nothing is added unless all can be read
        pass
    document, count, there = None, 0, list[str]()
    for taken in from_bag(args, unread) if args.bag else from_files(args, moment):
        document, count = teacher.do(message, taken), count + 1
        if document['reason'].startswith(ALREADY):
            there.append(document['reason'].rpartition(': ')[2])
            document['status'] = 'ok'
        if document['status'] != 'ok':
            break
    if document is None:
        raise TeachError(f'{args.bag}: no frame between --from and --to'
                         + (f' can be read: {unread[0]}' if unread else ''))
    known = _question(teacher, args) if len(there) == count else None
    vain = known and _in_vain(known, args, there)
    if vain:
        document.update(status='refused', reason=vain)
    elif document['status'] != 'ok':
        added = count - 1 - len(there)
        document['reason'] = (f'{added} pictures were added before: ' if added else ''
                              ) + document['reason']
    else:
        document['reason'] = '; '.join(filter(None, [
            f'{len(there)} of the pictures were shots already' if there else '',
            f'{len(unread)} frames cannot be read and were left out: {unread[0]}' if unread
            else '']))
    return document


def _moment(teacher: Teacher, args: argparse.Namespace) -> str:
    """Return a name for the moment of this command's pictures.

    It is that of the command before where nothing else was shown between them.
    """
    from latent_vqa_ros.teach.question import check_answer, normal

    answer = normal(check_answer(args.answer))
    known = _question(teacher, args)
    for shot in reversed(known.shots if known else ()):
        if normal(shot.answer) != answer:
            break
        if re.fullmatch(_UNNAMED, shot.moment):
            return shot.moment
    return str(time.time_ns())


def _question(teacher: Teacher, args: argparse.Namespace) -> Known | None:
    """Return the question to which ``add`` adds, None where it is new or cannot be."""
    from latent_vqa_ros.teach.question import Question, TeachError

    with suppress(TeachError):
        return teacher.folder.meant(
            Question(args.question, args.camera, wordings=tuple(args.wordings)))
    return None


def _in_vain(known: Known, args: argparse.Namespace, names: Sequence[str]) -> str:
    """Return why a command is refused that would change something, as its pictures are shots."""
    from latent_vqa_ros.teach.question import check_region, normal

    moments = {shot.moment for shot in known.shots if shot.name in names}
    keys = known.question.keys | {normal(known.slug)}
    vain = ', '.join(option for option, given in (
        ('--region', args.region and check_region(args.region) != known.question.region),
        ('--question', normal(args.question) not in keys),
        ('--wording', not keys.issuperset(map(normal, args.wordings))),
        ('--moment', args.moment and moments != {args.moment}),
        ('--apart', args.apart and len(moments) < len(set(names)))) if given)
    return vain and (f'{vain}: the pictures are shots of {known.question.text!r} already, which '
                     'stay as they are; give it with a new picture, or forget them first')


def from_files(args: argparse.Namespace, moment: str) -> Iterator[Taken]:
    """Read the pictures; ImageError and OSError where one cannot be."""
    from latent_vqa_ros.cli.ask import read_picture
    from latent_vqa_ros.core.compressed import compressed_to_rgb
    from latent_vqa_ros.core.image_formats import ImageError
    from latent_vqa_ros.teach.teacher import Taken

    now_ns = time.time_ns()
    for number, path in enumerate(args.images):
        own = f'{now_ns} {number}' if args.apart else moment
        try:
            rgb_hwc = compressed_to_rgb(read_picture(path), upright=True)
        except ImageError as error:
            raise ImageError(f'{path}: {error}') from None
        yield Taken(rgb_hwc, now_ns, args.camera, moment=own)


def from_bag(args: argparse.Namespace, unread: list[str]) -> Iterator[Taken]:
    """Read frames of a time span, some time apart; BagError where that cannot be.

    Frames that cannot be decoded are left out; the reasons are appended to ``unread``.
    """
    import numpy as np

    from latent_vqa_ros.bags.answer import make_frame
    from latent_vqa_ros.bags.read import BagReader
    from latent_vqa_ros.core.answer import NANO
    from latent_vqa_ros.core.image_formats import ImageError, finish_rgb
    from latent_vqa_ros.teach.teacher import Taken

    source = hashlib.sha256(str(Path(args.bag).resolve()).encode()).hexdigest()[:16]
    with BagReader(args.bag) as bag:
        topic = _topic(bag, args.topic)
        due = args.start or 0.0
        for record in bag:
            at = (record.stamp_ns - bag.start_ns) / NANO
            if record.topic != topic or at < due:
                continue
            if args.stop is not None and at > args.stop:
                return
            try:
                rgb_hwc = np.asarray(finish_rgb(*make_frame(bag, record).decode()))
            except ImageError as error:
                unread.append(f'{at:.2f} s: {error}')
                continue
            due = at + (args.every or EVERY)
            yield Taken(rgb_hwc, record.stamp_ns, args.camera, moment=args.moment, source=source)


def _topic(bag: BagReader, wanted: str | None) -> str:
    """Return the topic that shows what is taught, and log it; BagError where none is named."""
    from latent_vqa_ros.bags import BagError
    from latent_vqa_ros.bags.answer import picture_topics

    topic, *others = picture_topics(bag, [wanted] if wanted else [])
    if others:
        raise BagError(f'{bag.path}: several topics have pictures; name one with --topic: '
                       + ', '.join([topic, *others]))
    log.info('frames of %s', topic)
    return topic


def write_sheet(teacher: Teacher, args: argparse.Namespace, document: Document) -> str:
    """Write the sheet of shots; return its name."""
    from latent_vqa_ros.teach import files
    from latent_vqa_ros.teach.features import jpeg
    from latent_vqa_ros.teach.sheet import sheet

    known = teacher.folder.find(document['slug'])
    path = args.sheet or known.path
    if path.is_dir():
        path /= 'sheet.jpg'
    files.write_whole(path, jpeg(sheet(known, [one['shot'] for one in document['doubtful']])))
    return str(path)
