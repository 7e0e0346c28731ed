"""What `latent_vqa teach` prints for people: the document of teach/detail in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Document = dict[str, Any]


def render(document: Document, folder: str) -> str:
    """Return the document for people; ``folder`` is the one of what is taught."""
    lines = []
    if document['do'] == 'list' and document['status'] == 'ok':
        lines = [_listed(one) for one in document['questions']] or [_nothing(Path(folder))]
    elif document['answers']:
        shown = ', '.join(f'{answer}: {count} shots in {document["moments"][answer]} moments'
                          for answer, count in document['shots'].items())
        where = ' '.join(f'{share:g}' for share in document['region'] or ()) or 'all'
        lines = [f'{document["question"]} ({document["slug"]}), region: {where}', f'  {shown}']
    if 'sheet' in document:
        lines += _judged(document['judgement'])
        lines += [f'  doubtful: {one["shot"]} {one["answer"]!r} looks like {one["looks_like"]!r}'
                  for one in document['doubtful']]
        lines.append(f'  shots: {document["sheet"]}')
    if document['do'] == 'show':
        lines += [f'  {shot["shot"]}  moment {shot["moment"]:2d}  {shot["answer"]}'
                  + ('' if shot['margin'] is None else f'  margin {shot["margin"]:+.2f}')
                  for shot in document['taken']]
    lines += [f'  look: {line}' for line in document['warnings']]
    if document['status'] != 'ok':
        lines.append(f'{document["status"]}: {document["reason"]}')
    elif document['reason']:
        lines.append(f'  {document["reason"]}')
    if document['status'] == 'ok' and document['active'] is not None:
        lines.append(f'  on: version {document["active"]}'
                     + (', forced' if document['forced'] else ''))
    if document['next']['say']:
        lines.append(f'  next: {document["next"]["say"]}')
    return '\n'.join(lines or [f'{document["do"]}: {document["status"]}'])


def _nothing(folder: Path) -> str:
    from latent_vqa_ros.teach.known import is_question

    folder = folder.expanduser()
    if not folder.is_dir():
        return f'nothing is taught in {folder}: there is no such folder'
    if is_question(folder):
        return f'{folder} is one question; the folder of all is {folder.resolve().parent}'
    return f'nothing is taught in {folder}'


def _listed(one: Document) -> str:
    state = one['broken'] or ('off' if one['active'] is None else f'on, version {one["active"]}')
    shots = ', '.join(f'{answer} {count}' for answer, count in one['shots'].items())
    name = one['slug'] + (one['camera'] and f', camera {one["camera"]}')
    return f'{one["question"]} ({name}): {state}; {shots}'


def _judged(judgement: Document) -> list[str]:
    def percent(share: float | None) -> str:
        return '-' if share is None else f'{100 * share:.1f} %'

    answers = ', '.join(f'{answer} {percent(found["right"])}'
                        for answer, found in judgement['per_answer'].items())
    curve = ', '.join(f'{shots}: {percent(right)}' for shots, right in judgement['curve'])
    return [
        f'  right {percent(judgement["right"])} of {judgement["n"]}, {judgement["by"]} left out '
        f'({percent(judgement["gate"])} needed); at least {percent(judgement["lower_bound"])}',
        f'  answered {percent(judgement["answered"])}, right when answered '
        f'{percent(judgement["right_when_answered"])}',
        f'  by answer: {answers}', f'  by shots per answer: {curve or "-"}']
