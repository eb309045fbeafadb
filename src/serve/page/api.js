/* Requests to the server that this page came from; there are no others. Paths are relative, so a prefix in front works too. */
import { $, kept, keep } from './dom.js';

const KEY = 'suan.key';

/* The key lies in this window's storage, or in the browser's where the user wants it kept. */
function storedKey() {
  try {
    return sessionStorage.getItem(KEY) || kept(KEY);
  } catch {
    return kept(KEY);
  }
}

let key = storedKey();

export const hasKey = () => Boolean(key);

export function setKey(text, stays) {
  key = text;
  try {
    if (text && !stays) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
  } catch {
    /* No storage: the key lasts as long as the page. */
  }
  keep(KEY, text && stays ? text : null);
  document.dispatchEvent(new Event('keychange'));
}

/* A failure in words: what happened, what the server said of it, what to do; `retry_s`: when to try again, if the server said so. */
export class Failure extends Error {
  constructor(what, said, advice, status = 0, retry_s = null) {
    super(what);
    Object.assign(this, { what, said, advice, status, retry_s });
  }
}

const ADVICE = {
  400: ['The server cannot answer this request', 'Change the message or the settings that it names, then try again.'],
  401: ['The server asks for an API key', 'Give the key that the server’s operator has, then try again.'],
  403: ['This key may not do that', 'Use another key, or ask the server’s operator.'],
  404: ['The server does not know this model', 'Reload the page to see the models there are.'],
  408: ['The request took too long', 'Try again.'],
  413: ['The conversation is too large to send', 'Begin a new conversation, or shorten the long messages.'],
  429: ['The server has as many requests as it can take', 'Wait a little, then try again.'],
  503: ['The server has no room for this request now', 'Wait until other answers are done, then try again.'],
};

function failureOf(status, body, retry_s) {
  const error = body && typeof body.error === 'object' && body.error ? body.error : {};
  const said = typeof error.message === 'string' ? error.message : '';
  if (error.code === 'context_length_exceeded')
    return new Failure('The conversation is longer than the model’s context', said, 'Begin a new conversation, or shorten what was said so far.', status);
  const [what, advice] = ADVICE[status] || (status >= 500 ? ['The server failed', 'Try again. If it stays so, its log says why.'] : ['The server refused the request', 'Try again.']);
  return new Failure(what, said, advice, status, retry_s);
}

const unreachable = () => new Failure('The server cannot be reached', '', 'See that suan serve is running and that this computer is on its network, then try again.');

async function send(path, options = {}) {
  const headers = { ...options.headers };
  if (key) headers.Authorization = 'Bearer ' + key;
  try {
    return await fetch(path, { ...options, headers, cache: 'no-store', credentials: 'same-origin' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw unreachable();
  }
}

async function check(response) {
  if (response.ok) return response;
  let body = null;
  try {
    body = await response.json();
  } catch {
    /* A body in another form says nothing that could be shown; the status does. */
  }
  const after = Number(response.headers.get('retry-after'));
  throw failureOf(response.status, body, after > 0 ? after : null);
}

export const getJson = async (path) => (await check(await send(path))).json();

/* Asks for the key in a dialog. True if the user gave one. */
export function askKey(wrong) {
  const dialog = $('key-dialog');
  if (dialog.open) return Promise.resolve(false);
  $('key-wrong').hidden = !wrong;
  $('key-wrong').textContent = wrong ? 'The server did not accept the key.' : '';
  $('key').value = '';
  return new Promise((resolve) => {
    let given = false;
    const once = new AbortController();
    const on = (node, event, f) => node.addEventListener(event, f, { signal: once.signal });
    on($('key-form'), 'submit', (event) => {
      event.preventDefault();
      const text = $('key').value.trim();
      if (!text) return;
      setKey(text, $('key-keep').checked);
      given = true;
      dialog.close();
    });
    on($('key-cancel'), 'click', () => dialog.close());
    on(dialog, 'close', () => {
      once.abort();
      $('key').value = '';
      resolve(given);
    });
    dialog.showModal();
    $('key').focus();
  });
}

/* Runs `f`; while the server answers 401, asks for a key and runs it again. */
export async function withKey(f) {
  for (;;) {
    try {
      return await f();
    } catch (error) {
      if (error.status !== 401) throw error;
      if (!(await askKey(hasKey()))) throw error;
    }
  }
}

/* The data of each server-sent event of a response, in order. */
async function* events(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let data = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const text = rest + decoder.decode(value || new Uint8Array(), { stream: !done });
      let from = 0;
      for (let end; (end = text.indexOf('\n', from)) >= 0; from = end + 1) {
        const line = text.slice(from, text[end - 1] === '\r' && end > from ? end - 1 : end);
        if (line === '' && data.length) {
          yield data.join('\n');
          data = [];
        } else if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
      }
      rest = text.slice(from);
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/* Streams a chat completion: calls on({thinking, text}) for each piece; gives {finish, usage}. */
export async function chat(body, signal, on) {
  const response = await check(await send('v1/chat/completions', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  }));
  let finish = null;
  let usage = null;
  try {
    for await (const data of events(response)) {
      if (data === '[DONE]') return { finish, usage };
      const chunk = JSON.parse(data);
      if (chunk.error) throw failureOf(500, chunk, null);
      if (chunk.usage) usage = chunk.usage;
      const choice = chunk.choices && chunk.choices[0];
      if (!choice) continue;
      if (choice.finish_reason) finish = choice.finish_reason;
      const { reasoning_content: thinking, content: text } = choice.delta || {};
      if (thinking || text) on({ thinking: thinking || '', text: text || '' });
    }
  } catch (error) {
    if (error.name === 'AbortError' || error instanceof Failure) throw error;
    if (error instanceof SyntaxError) throw new Failure('The server’s answer cannot be read', error.message, 'Try again. If it stays so, its log says why.');
    throw new Failure('The connection broke off before the end of the answer', '', 'Answer again, or keep what there is.');
  }
  if (finish) return { finish, usage };
  throw new Failure('The answer ended before its end', '', 'Answer again, or keep what there is.');
}
