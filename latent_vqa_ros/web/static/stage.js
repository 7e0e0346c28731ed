// The live picture with what is drawn over it, the cameras to choose from, the time line of a bag.

import {fill, find, h, keep, notice, recall} from './dom.js';
import {cameraName} from './words.js';

const COLOURS = ['#ff50c8', '#3cdcff', '#ffdc28', '#78ff78'];
const THUMB = 240;  // pixels that a thumbnail is wide
const SAID = 80;  // ms between two places of a dragged slider
const SAME = 500;  // ms between the stamps of two pictures that show the same
const SEEN = 6000;  // ms that evidence stands on a picture that goes on
const LONGEST_SIDE = 2560;  // pixels of a photo that is sent
const LARGEST_PICTURE = 20e6;  // bytes, as the server takes them
const LEAST_REGION = 0.02;  // share of a side
const WAITING = 'Waiting for a picture …';

export class Stage {
  constructor(send) {
    this.send = send;
    this.canvas = find('canvas');
    this.overlay = find('overlay');
    this.context = this.canvas.getContext('2d');
    this.cameras = [];
    this.reels = new Map();
    this.camera = null;
    this.head = null;
    this.evidence = [];
    this.region = null;  // [x, y, width, height], shares
    this.onRegion = null;  // a function while a region may be dragged
    this.onCamera = () => {};
    this.drag = null;
    for (const name of ['boxes', 'seen']) {
      const box = find(`show-${name}`);
      box.checked = (recall(name) ?? (box.checked ? 'on' : 'off')) === 'on';
      box.onchange = () => { keep(name, box.checked ? 'on' : 'off'); this.draw(); };
    }
    find('upload').onchange = (event) => this.upload(event.target);
    find('play').onclick = () => this.play();
    find('seek').oninput = (event) => this.seek(Number(event.target.value));
    new ResizeObserver(() => { this.draw(); this.watchSoon(); }).observe(find('picture'));
    document.addEventListener('visibilitychange', () => this.watch());
    this.takeDrags();
    setInterval(() => this.tick(), 250);
  }

  // cameras

  know(cameras) {
    this.cameras = cameras;
    this.list();
  }

  list() {
    const all = this.names();
    const wanted = all.includes(this.camera) ? this.camera : all[0] ?? null;
    if (wanted !== this.camera) this.choose(wanted);
    find('cameras').hidden = all.length < 2;
    fill(find('cameras'), all.map((name) => h('button', {
      type: 'button', 'aria-pressed': String(name === this.camera),
      onclick: () => this.choose(name)}, cameraName(name))));
  }

  names() {
    return [...new Set([...this.cameras, ...this.reels.keys()])];
  }

  // Whether a camera is what people upload, which the node knows nothing of.
  isUpload(name) {
    return this.reels.has(name) && !this.cameras.includes(name);
  }

  choose(name) {
    if (name === this.camera) return;  // a still picture would not come again
    this.camera = name;
    this.head = null;
    this.evidence = [];
    find('waiting').textContent = WAITING;
    find('waiting').hidden = false;
    find('age').hidden = true;
    this.watch();
    this.list();
    this.tick();
    this.onCamera(name);
  }

  // Pictures come only while this page is seen and shows them: nobody else needs them.
  watch() {
    const seen = !document.hidden && !find('stage').hidden;
    const width = Math.round((find('picture').clientWidth || 640) * (window.devicePixelRatio || 1));
    this.send({do: 'watch', camera: seen ? this.camera : null, width: Math.min(width, 1920)});
  }

  watchSoon() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.watch(), 300);
  }

  // the picture

  async show(head, jpeg) {
    if (head.camera !== this.camera) return;
    if (head.error) {
      find('waiting').textContent = `This picture cannot be shown: ${head.error}.`;
      find('waiting').hidden = false;
      return;
    }
    const image = await createImageBitmap(new Blob([jpeg], {type: 'image/jpeg'}));
    await new Promise((done) => {
      const timer = setTimeout(done, 500);  // a hidden page draws nothing
      requestAnimationFrame(() => { clearTimeout(timer); done(); });
    });
    if (head.camera !== this.camera) { image.close(); return; }  // another was chosen meanwhile
    if (this.canvas.width !== image.width || this.canvas.height !== image.height) {
      this.canvas.width = image.width;
      this.canvas.height = image.height;
    }
    this.context.drawImage(image, 0, 0);
    image.close();
    const first = this.head === null;
    const resized = first || head.width !== this.head.width || head.height !== this.head.height;
    this.head = head;
    this.drawnAt = Date.now();
    this.canvas.dataset.age = head.stamp_ms ? String(this.drawnAt - head.stamp_ms) : '';
    this.canvas.dataset.pictures = String(Number(this.canvas.dataset.pictures ?? 0) + 1);
    find('waiting').hidden = true;
    if (resized) this.draw();
  }

  // Where the picture stands in the window: a narrow one has room at its sides.
  shownAt() {
    const box = this.canvas.getBoundingClientRect();
    const scale = Math.min(box.width / this.canvas.width, box.height / this.canvas.height);
    const [width, height] = [scale * this.canvas.width, scale * this.canvas.height];
    return {left: box.left + (box.width - width) / 2, top: box.top + (box.height - height) / 2, width, height};
  }

  // Whether the picture that is shown is the one that a detail is about.
  shows({camera, stamp}) {
    if (!this.head || document.hidden || find('stage').hidden || camera !== this.camera) return false;
    const stamp_ms = stamp ? 1000 * stamp.sec + stamp.nanosec / 1e6 : null;
    return !stamp_ms || !this.head.own_ms || Math.abs(stamp_ms - this.head.own_ms) <= SAME;
  }

  // The picture that is shown now, small.
  thumbnail() {
    if (!this.head) return null;
    const small = h('canvas', {width: THUMB, height: Math.round(THUMB * this.canvas.height / this.canvas.width)});
    small.getContext('2d').drawImage(this.canvas, 0, 0, small.width, small.height);
    return small.toDataURL('image/jpeg', 0.8);
  }

  // what stands over it

  // Evidence is about the frame that was asked about: where pictures go on, it goes after a while.
  look(evidence) {
    this.evidence = evidence;
    clearTimeout(this.forgetting);
    const reel = this.reels.get(this.camera);
    if (evidence.length && (!reel || reel.playing)) this.forgetting = setTimeout(() => this.look([]), SEEN);
    this.draw();
  }

  draw() {
    if (!this.head) { fill(this.overlay); return; }
    const {width, height, seen} = this.head;
    const unit = width / (this.shownAt().width || width);  // source pixels per CSS pixel
    this.overlay.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const marks = [];
    const cut = seen && (seen[2] < width || seen[3] < height);
    if (cut && find('show-seen').checked) marks.push(h('g', {class: 'seen'}, frame(seen, '#ffffff', unit, 'seen by the model', '6 4')));
    if (find('show-boxes').checked) {
      this.evidence.forEach(({phrase, box}, index) => marks.push(
        frame(box, COLOURS[index % COLOURS.length], unit, phrase)));
    }
    const region = this.drag?.box ?? this.region;
    if (region) {
      const [x, y, w, t] = region;
      marks.push(frame([x * width, y * height, w * width, t * height], '#4cc2ff', unit, 'region'));
    }
    fill(this.overlay, marks);
  }

  takeDrags() {
    const place = (event) => {
      const {left, top, width, height} = this.shownAt();
      return [(event.clientX - left) / width, (event.clientY - top) / height]
        .map((share) => Math.min(1, Math.max(0, share)));
    };
    const area = find('picture');
    area.onpointerdown = (event) => {
      if (!this.onRegion || !this.head) return;
      this.drag = {from: place(event)};
      area.setPointerCapture(event.pointerId);
      event.preventDefault();
    };
    area.onpointermove = (event) => {
      if (!this.drag) return;
      const [[x, y], [left, top]] = [place(event), this.drag.from];
      this.drag.box = [Math.min(x, left), Math.min(y, top), Math.abs(x - left), Math.abs(y - top)];
      this.draw();
    };
    area.onpointerup = area.onpointercancel = (event) => {
      const box = this.drag?.box;
      this.drag = null;
      if (box && event.type === 'pointerup' && Math.min(box[2], box[3]) >= LEAST_REGION) this.onRegion?.(box);
      this.draw();
    };
  }

  letDrag(onRegion) {
    this.onRegion = onRegion;
    find('picture').classList.toggle('draggable', Boolean(onRegion));
  }

  // a bag, a folder, uploads

  onReel(event) {
    this.reels.set(event.camera, {...event, at: performance.now()});
    if (event.camera === this.camera) this.look(event.playing ? this.evidence : []);  // another picture
    if (event.look && event.label === this.uploaded) {
      this.uploaded = null;  // another browser's upload moves nobody's picture
      this.look([]);  // that is about the upload before
      this.choose(event.camera);
    } else this.list();
    this.tick();
  }

  tick() {
    const reel = this.reels.get(this.camera);
    find('reel').hidden = !reel || reel.count < 2;
    this.showAge(reel);
    if (!reel) return;
    let at = reel.position;
    if (reel.playing) at = (at + (performance.now() - reel.at) / 1000) % (reel.seconds + 1);
    at = Math.min(at, reel.seconds);
    find('seek').max = reel.seconds;
    if (document.activeElement !== find('seek') || reel.playing) find('seek').value = at;
    find('play').textContent = reel.playing ? '❚❚' : '▶';
    find('play').setAttribute('aria-label', reel.playing ? 'Pause' : 'Play');
    find('moment').textContent = reel.playing || reel.label.endsWith(' s')
      ? `${at.toFixed(1)} of ${reel.seconds.toFixed(1)} s` : reel.label;
  }

  showAge(reel) {
    const age = find('age');
    age.hidden = !this.head || Boolean(reel);
    if (age.hidden) return;
    const since = (Date.now() - this.drawnAt) / 1000;
    const old = since > 2;
    age.dataset.level = old ? 'bad' : 'ok';
    age.textContent = old ? `no new picture for ${Math.round(since)} s` : 'live';
  }

  play() {
    const reel = this.reels.get(this.camera);
    if (reel) this.send({do: 'play', camera: this.camera, value: !reel.playing});
    return Boolean(reel);
  }

  // A dragged slider says more than the server takes: the last word of each SAID counts.
  seek(at) {
    this.sought = at;
    this.seeking ??= setTimeout(() => {
      this.seeking = undefined;
      this.send({do: 'seek', camera: this.camera, value: this.sought});
    }, SAID);
  }

  async upload(input) {
    const [file] = input.files;
    input.value = '';
    if (!file) return;
    try {
      const body = await upright(file);
      if (body.size > LARGEST_PICTURE) { notice('That picture is too large: 20 MB at most.', 'bad'); return; }
      this.uploaded = [...file.name].slice(0, 80).join('') || 'picture';
      const done = await fetch(`picture?name=${encodeURIComponent(this.uploaded)}`, {method: 'POST', body});
      if (!done.ok) notice(await done.text(), 'bad');
    } catch {
      notice('The picture could not be sent.', 'bad');
    }
  }
}

// A photo as people see it: turned by its EXIF, of a sensible size, without where it was taken.
async function upright(file) {
  try {
    const image = await createImageBitmap(file);
    const scale = Math.min(1, LONGEST_SIDE / Math.max(image.width, image.height));
    const canvas = h('canvas', {width: Math.round(scale * image.width), height: Math.round(scale * image.height)});
    canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.95));
  } catch {
    return file;  // the server says what is wrong with it
  }
}

function frame([x, y, width, height], colour, unit, label, dash) {
  const size = 13 * unit;
  const wide = (label.length * 0.58 + 0.8) * size;
  const top = y > 1.5 * size ? y - 1.45 * size : y;
  const shape = {x, y, width, height, fill: 'none'};
  return h('g', {},
    h('rect', {...shape, stroke: '#000', 'stroke-opacity': 0.6, 'stroke-width': 4 * unit}),
    h('rect', {...shape, stroke: colour, 'stroke-width': 2 * unit,
      'stroke-dasharray': dash && dash.split(' ').map((each) => each * unit).join(' ')}),
    h('rect', {x, y: top, width: wide, height: 1.45 * size, fill: colour}),
    h('text', {x: x + 0.4 * size, y: top + 1.05 * size, 'font-size': size, fill: '#10151b'}, label));
}
