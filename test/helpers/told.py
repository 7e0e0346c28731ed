"""A page that is told in a test what servers and nodes say."""

from __future__ import annotations

import time

from latent_vqa_ros.teach.messages import blank

QUESTION, SLUG = 'Is it wet?', 'is-it-wet'
# A browser with another clock, whose link can be told something, listened to and cut; where it is
# ``alone`` it says nothing to the server.
TOLD = """
const now = Date.now;
Date.now = () => now() + AHEAD_MS;
window.said = [];
window.all = (selector) => [...document.querySelectorAll(selector)];
window.WebSocket = class extends WebSocket {
  constructor(...where) { super(...where); window.wire = this; }
  send(text) { said.push(JSON.parse(text)); if (!window.alone) super.send(text); }
};
window.hear = (event) => wire.onmessage({data: JSON.stringify(event)});
window.see = (head) => {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const data = new ArrayBuffer(4 + text.length);
  new DataView(data).setUint32(0, text.length);
  new Uint8Array(data, 4).set(text);
  wire.onmessage({data});
};
window.choose = (...names) => names.forEach((name) => all('#cameras button')
  .find((each) => each.textContent === name).click());
window.key = (kind, given) =>
  document.body.dispatchEvent(new KeyboardEvent(kind, {bubbles: true, ...given}));
window.runs = (question) => all('.story > li').find((line) =>
  line.firstChild.textContent.startsWith(question))?.querySelectorAll('b').length ?? 0;
"""


def hello():
    """Return how a page beside a node begins."""
    return {
        'kind': 'hello', 'page': 'node', 'cameras': ['camera', 'stills'], 'questions': [],
        'answers': ['yes', 'no'], 'words': [], 'limit': 0.5, 'now': time.time(),
        'can': {'teach': True, 'state': True}, 'model': {'name': 'tabletop', 'version': '1'}}


class Node:
    """Says in a node's place what became of what the page said."""

    def __init__(self, screen):
        self.screen = screen

    def event(self, do, id_='other', **more):
        detail = {**blank(do, id_), 'question': QUESTION, 'slug': SLUG, 'answers': ['yes'],
                  'shots': {'yes': 2}, 'moments': {'yes': 1}, **more}
        return {'kind': 'teach', 'detail': detail, 'at': time.time()}

    def says(self, do, id_='other', **more):
        self.screen.run('hear(arguments[0])', self.event(do, id_, **more))

    def lists(self, *names, broken=''):
        known = [{'question': name, 'slug': slug, 'camera': '', 'region': None, 'answers': ['yes'],
                  'shots': {'yes': 2}, 'moments': {'yes': 1}, 'active': None, 'forced': False,
                  'stale': False, 'broken': broken} for name, slug in names]
        self.says('list', questions=known)

    def told(self, do, **given):
        """Return what the page said, oldest first."""
        told = [each['message'] for each in self.screen.run('return said') if 'message' in each]
        return [each for each in told if each['do'] == do and given.items() <= each.items()]

    def asked(self, do, **given):
        """Return the id of the newest message of a kind, once there is one."""
        return self.screen.until(lambda: self.told(do, **given), f'{do} to be said')[-1]['id']
