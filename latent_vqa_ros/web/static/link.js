// The WebSocket: events in, commands out, pictures with their acknowledgement, always back again.

const AGAIN = [500, 1000, 2000, 4000];  // ms until the next try

export class Link {
  // on.event(event), on.picture(head, jpeg) → promise, on.open(), on.close(why)
  constructor(on) {
    this.on = on;
    this.tries = 0;
    this.open();
  }

  open() {
    const at = new URL('link', location.href);
    at.protocol = at.protocol.replace('http', 'ws');
    at.hash = at.search = '';
    this.socket = new WebSocket(at);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => { this.tries = 0; this.on.open(); };
    this.socket.onmessage = ({data}) => this.take(data);
    this.socket.onclose = (event) => {
      this.on.close(event.reason);
      // another token: the door is shown, where a new one can be given
      fetch('./').then(({status}) => { if (status === 401) location.reload(); }, () => {});
      setTimeout(() => this.open(), AGAIN[Math.min(this.tries, AGAIN.length - 1)]);
      this.tries += 1;
    };
  }

  async take(data) {
    if (typeof data === 'string') {
      this.on.event(JSON.parse(data));
      return;
    }
    const from = this.socket;
    const length = new DataView(data).getUint32(0);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    try {
      await this.on.picture(head, new Uint8Array(data, 4 + length));
    } finally {  // a picture that cannot be drawn must not be the last
      if (from === this.socket) this.send({do: 'drawn'});
    }
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  send(command) {
    if (!this.isOpen) return false;
    this.socket.send(JSON.stringify(command));
    return true;
  }
}
