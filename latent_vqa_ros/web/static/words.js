// Statuses in words that people on a shop floor use.

const STATUSES = {
  ok: ['Answered', ''],
  unsure: ['Not sure', 'It has a guess, but not enough confidence. Try a closer or steadier view.'],
  unknown_words: ['I do not know a word', 'Use other words, or choose a question from the list.'],
  bad_question: ['I cannot answer that', 'Ask one short question.'],
  no_image: ['No picture', 'Is the camera on?'],
  stale_image: ['The picture is too old', 'The camera seems to have stopped.'],
  bad_image: ['The picture is broken', 'Look at the camera or its cable.'],
  unfamiliar_image: ['I do not know this kind of picture',
    'It looks unlike everything that the model has learnt. Teach it, or use another model.'],
  overloaded: ['Too busy', 'Ask again in a moment.'],
  inactive: ['Switched off', 'The node does not answer at present. See State.'],
  failed: ['Something went wrong', 'This is a fault of the software. See State.'],
};

const TEACHING = {
  ok: 'Done',
  not_trusted: 'Kept, not switched on',
  refused: 'Not done',
  bad_message: 'Not understood',
  overloaded: 'Too busy, try again',
  inactive: 'The node is switched off',
  failed: 'Something went wrong',
};

export function said(status) {
  const [title, advice] = STATUSES[status] ?? [status, ''];
  return {title, advice};
}

export const taughtSaid = (status) => TEACHING[status] ?? said(status).title;

// What to write on the answer: the word, or in plain words why there is none.
export function verdict(detail) {
  if (detail.status === 'ok') return detail.answer;
  return said(detail.status).title;
}

export const LEVELS = ['ok', 'warn', 'error', 'stale'];  // of a diagnostic_msgs/DiagnosticStatus
export const LEVEL_WORDS = ['fine', 'look here', 'broken', 'silent'];

export const cameraName = (name) => name || 'camera';

export const nice = (name) => {
  const text = name.replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
};

// A question as people write it: the examples of a model are shouted, greeted and unpunctuated.
export function asWritten(question) {
  const low = question.trim().toLowerCase().replace(/[?.! ]+$/, '');
  const text = low.replace(/^(hello|hi|hey|please|robot)\b[, ]*(robot\b[, ]*)?/, '')
    .replace(/\bi('d| would)\b/g, 'I$1').replace(/[, ]*\b(please|now|right now)$/, '');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}?`;
}

// Known questions near a text: shared beginnings of words count, rare words more than common ones.
export function nearest(text, questions, most) {
  const wanted = split(text);
  if (!wanted.length) return questions.slice(0, most);
  const bags = questions.map((question) => split(question));
  const often = new Map();
  bags.forEach((bag) => new Set(bag).forEach((word) => often.set(word, (often.get(word) ?? 0) + 1)));
  const weight = (word) => Math.log(1 + questions.length / (often.get(word) ?? questions.length));
  return questions.map((question, index) => {
    let score = 0;
    for (const word of wanted) {
      const hit = bags[index].find((other) => other === word)
        ?? bags[index].find((other) => word.length > 2 && other.startsWith(word))
        ?? bags[index].find((other) => close(word, other));
      if (hit) score += weight(hit) * (hit === word ? 1 : 0.7);
    }
    return {question, score: score - 0.05 * bags[index].length};
  }).filter((each) => each.score > 0.1).sort((a, b) => b.score - a.score)
    .slice(0, most).map((each) => each.question);
}

const split = (text) => text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];

// One letter wrong, missing or too many, in words of four letters and more.
function close(one, other) {
  if (one.length < 4 || Math.abs(one.length - other.length) > 1) return false;
  let start = 0;
  while (start < one.length && one[start] === other[start]) start += 1;
  let end = 0;
  while (end < Math.min(one.length, other.length) - start
    && one.at(-1 - end) === other.at(-1 - end)) end += 1;
  return Math.max(one.length, other.length) - start - end <= 1;
}
