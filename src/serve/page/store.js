/* Conversations, kept in this browser's IndexedDB and nowhere else.
 *
 * Conversation  {id, title, named, created, updated, system, messages}; times in milliseconds since 1970; `named`: the user
 *               chose the title
 * Message       {id, role: 'user'|'assistant', content} and, of an answer, optional {thinking, thinking_ms, state, stats, failure};
 *               state 'running' | 'done' | 'stopped' | 'length' | 'failed'
 */

const DB = 'suan';
const STORE = 'conversations';
const FORMAT = 'suan conversations';
const VERSION = 1;

let db = null;
const all = new Map();

const result = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

export const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, '0')).join('');

/* Opens the store and reads it. False if the browser keeps nothing: the page works, but forgets. */
export async function open() {
  try {
    const request = indexedDB.open(DB, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
    db = await result(request);
    for (const conv of await result(db.transaction(STORE).objectStore(STORE).getAll())) all.set(conv.id, conv);
  } catch {
    db = null;
  }
  // An answer that was running when the page went away is over.
  for (const conv of all.values()) for (const m of conv.messages) if (m.state === 'running') m.state = 'stopped';
  return db !== null;
}

const write = (f) => (db ? result(f(db.transaction(STORE, 'readwrite').objectStore(STORE))) : Promise.resolve());

export const list = () => [...all.values()].sort((a, b) => b.updated - a.updated);
export const get = (id) => all.get(id);

export function create(system = '') {
  const now = Date.now();
  return { id: newId(), title: '', named: false, created: now, updated: now, system, messages: [] };
}

/* Keeps a conversation as it is now. Fails when the browser's space is used up. */
export function put(conv) {
  all.set(conv.id, conv);
  return write((store) => store.put(conv));
}

export function remove(id) {
  all.delete(id);
  return write((store) => store.delete(id));
}

export const exportText = () => JSON.stringify({ format: FORMAT, version: VERSION, exported: new Date().toISOString(), conversations: list() }, null, 1);

const isText = (x) => typeof x === 'string';
const isTime = (x) => Number.isFinite(x) && x >= 0 && x < 8.64e15;
const isId = (x) => isText(x) && /^[0-9a-f]{24}$/.test(x);

function readStats(s) {
  const out = {};
  for (const name of ['tokens', 'prompt', 'first_ms', 'rate', 'joules']) if (s && Number.isFinite(s[name]) && s[name] >= 0) out[name] = s[name];
  return Object.keys(out).length ? out : undefined;
}

function readMessage(m, where) {
  if (!m || (m.role !== 'user' && m.role !== 'assistant') || !isText(m.content))
    throw new Error(where + ': expected role "user" or "assistant" and a text as content');
  const out = { id: newId(), role: m.role, content: m.content };
  if (m.role === 'user') return out;
  out.state = ['done', 'stopped', 'length', 'failed'].includes(m.state) ? m.state : 'done';
  if (isText(m.thinking) && m.thinking) out.thinking = m.thinking;
  if (isTime(m.thinking_ms)) out.thinking_ms = m.thinking_ms;
  const stats = readStats(m.stats);
  if (stats) out.stats = stats;
  const f = m.failure;
  if (f && [f.what, f.said, f.advice].every(isText)) out.failure = { what: f.what, said: f.said, advice: f.advice };
  return out;
}

function readConversation(c, where) {
  if (!c || !isId(c.id) || !isText(c.title) || !Array.isArray(c.messages)) throw new Error(where + ': expected id, title and messages');
  return {
    id: c.id,
    title: c.title.slice(0, 200),
    named: c.named === true,
    created: isTime(c.created) ? c.created : Date.now(),
    updated: isTime(c.updated) ? c.updated : Date.now(),
    system: isText(c.system) ? c.system : '',
    messages: c.messages.map((m, i) => readMessage(m, `${where}, message ${i + 1}`)),
  };
}

/* Takes over an exported file, all of it or, if anything in it is wrong, nothing. One that is here already is replaced by a newer one
 * only. Gives {added, newer, same}. */
export async function importText(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw new Error('It is not JSON: ' + error.message);
  }
  if (!file || file.format !== FORMAT) throw new Error(`It is not an export of this page: expected "format": "${FORMAT}"`);
  if (file.version !== VERSION) throw new Error(`Its version is ${file.version}; this page reads version ${VERSION}`);
  if (!Array.isArray(file.conversations)) throw new Error('It has no list of conversations');
  const read = file.conversations.map((c, i) => readConversation(c, `Conversation ${i + 1}`));
  const done = { added: 0, newer: 0, same: 0 };
  for (const conv of read) {
    const here = all.get(conv.id);
    if (here && here.updated >= conv.updated) {
      done.same++;
      continue;
    }
    await put(conv);
    done[here ? 'newer' : 'added']++;
  }
  return done;
}
