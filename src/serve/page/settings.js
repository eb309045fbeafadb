/* Sampling settings. What the user leaves empty is not sent: the server's own choice holds. */
import { $, h, keep, kept } from './dom.js';

const NAME = 'suan.sampling';

/* What the OpenAI interface takes. `put` writes a value into the request's body. */
const FIELDS = [
  { id: 'temperature', label: 'Temperature', min: 0, max: 2, step: 0.05, hint: '0 always takes the likeliest word; higher is freer.' },
  { id: 'top_p', label: 'Top p', min: 0, max: 1, step: 0.01, hint: 'Chooses among the likeliest words that together have this share.' },
  { id: 'max_tokens', label: 'Longest answer', min: 1, max: 10000000, step: 1, hint: 'In tokens.' },
  { id: 'seed', label: 'Seed', min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, hint: 'The same seed gives the same answer, bit for bit.' },
  { id: 'presence_penalty', label: 'Presence penalty', min: -2, max: 2, step: 0.1, hint: 'Above 0: new words rather than said ones.' },
  { id: 'frequency_penalty', label: 'Frequency penalty', min: -2, max: 2, step: 0.1, hint: 'Above 0: the more often said, the less likely.' },
  { id: 'stop', label: 'Stop at', text: true, hint: 'The answer ends before this text.', put: (body, v) => { body.stop = [v]; } },
  { id: 'thinking', label: 'Thinking', options: [['on', 'On'], ['off', 'Off']], hint: 'For models that can do with and without.',
    put: (body, v) => { body.chat_template_kwargs = { enable_thinking: v === 'on' }; } },
  { id: 'reasoning_effort', label: 'Effort', options: [['low', 'Low'], ['medium', 'Medium'], ['high', 'High']], hint: 'For models that know it.' },
];

const values = {};

/* The number a field holds, or null with `say` set to why not. */
function readNumber(field, text) {
  const n = Number(text);
  if (!Number.isFinite(n)) return { wrong: 'Not a number.' };
  if (field.step === 1 && !Number.isInteger(n)) return { wrong: 'Whole numbers only.' };
  if (n < field.min || n > field.max) return { wrong: `From ${field.min} to ${field.max}.` };
  return { value: n };
}

function read(field, input, note) {
  const text = input.value;
  const { value, wrong } = text === '' && !input.validity.badInput ? {} : field.options || field.text ? { value: text } : input.validity.badInput ? { wrong: 'Not a number.' } : readNumber(field, text);
  if (value === undefined) delete values[field.id];
  else values[field.id] = value;
  note.textContent = wrong ? wrong + ' Not used.' : field.hint;
  note.classList.toggle('wrong', Boolean(wrong));
  input.setAttribute('aria-invalid', wrong ? 'true' : 'false');
  keep(NAME, Object.keys(values).length ? JSON.stringify(values) : null);
  $('reset').disabled = Object.keys(values).length === 0 && !wrong;
}

function control(field) {
  const id = 'set-' + field.id;
  const attributes = { id, 'aria-describedby': id + '-hint' };
  if (field.options)
    return h('select', attributes, h('option', { value: '', text: 'Server’s choice' }), ...field.options.map(([value, text]) => h('option', { value, text })));
  const kind = field.text ? { type: 'text', maxlength: 200 } : { type: 'number', min: field.min, max: field.max, step: field.step, inputmode: field.min < 0 ? null : 'decimal' };
  return h('input', { ...attributes, ...kind, placeholder: 'Server’s choice', autocomplete: 'off' });
}

export function setup() {
  let before = {};
  try {
    before = JSON.parse(kept(NAME, '{}')) || {};
  } catch {
    /* Not ours: begin empty. */
  }
  const inputs = FIELDS.map((field) => {
    const input = control(field);
    const note = h('span', { class: 'hint', id: input.id + '-hint', text: field.hint });
    if (before[field.id] !== undefined) input.value = before[field.id];
    input.addEventListener('input', () => read(field, input, note));
    $('fields').append(h('div', { class: 'field' }, h('label', { for: input.id, text: field.label }), input, note));
    read(field, input, note);
    return () => {
      input.value = '';
      read(field, input, note);
    };
  });
  $('reset').addEventListener('click', () => inputs.forEach((empty) => empty()));
  themes();
}

/* Writes the settings that the user has touched into a request's body. */
export function apply(body) {
  for (const field of FIELDS) {
    const value = values[field.id];
    if (value === undefined) continue;
    if (field.put) field.put(body, value);
    else body[field.id] = value;
  }
}

function themes() {
  const now = document.documentElement.dataset.theme || 'system';
  for (const input of document.querySelectorAll('input[name=theme]')) {
    input.checked = input.value === now;
    input.addEventListener('change', () => {
      const system = input.value === 'system';
      keep('suan.theme', system ? null : input.value);
      if (system) delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = input.value;
      document.dispatchEvent(new Event('themechange'));
    });
  }
}
