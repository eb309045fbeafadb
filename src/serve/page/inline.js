/* Markdown inside a line: emphasis, code, links, formulas. Text in, a flat list of items out; render.js makes nodes of them.
 *
 * Items     {k: 'text'|'code'|'math', s}, {k: 'br'}, {k: 'open', tag, href}, {k: 'close'}; opens and closes are always well nested
 * Time      linear in the text: one pass with a stack of at most MAX_OPEN openers; closing runs of backticks and ends of formulas
 *           are known beforehand; every other look ahead has a limit
 * Dialect   CommonMark's emphasis and code spans (but also beside Chinese and Japanese letters), ~~struck~~, links only with an
 *           http, https or mailto address (anything else stays as it was written), images as links, bare addresses, \( \) \[ \] $$
 *           formulas as they were written, a line break for every line break; HTML is text, except <br>
 */

const MAX_OPEN = 32;
const MAX_URL = 2000;

const SPECIAL = new Uint8Array(128);
for (const ch of '\\`*_~[]!<&\n$h') SPECIAL[ch.charCodeAt(0)] = 1;

const SPACE = /\s/;
const PUNCTUATION = /[\p{P}\p{S}]/u;
const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', mdash: '—', ndash: '–', hellip: '…', times: '×', middot: '·' };
const ENTITY = /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-z]{2,6}));/y;
const ANGLE = new RegExp(`<((?:https?://|mailto:)[^\\s<>]{1,${MAX_URL}})>`, 'iy');
const BREAK = /<br ?\/?>/iy;
const BARE = new RegExp(`https?://[^\\s<>"\`\\u3000-\\u303f\\uff00-\\uff65]{1,${MAX_URL}}`, 'iy');
const TARGET = new RegExp(
  `\\([ \\n]{0,4}(?:<([^<>\\n]{0,${MAX_URL}})>|((?:[^\\s()\\\\]|\\\\.|\\([^\\s()]{0,200}\\)){0,${MAX_URL}}))` +
  `(?:[ \\n]{1,4}(?:"[^"]{0,500}"|'[^']{0,500}'))?[ \\n]{0,4}\\)`, 'y');

/* The address if it is one that a link may have, otherwise null. */
export function safeUrl(text) {
  if (text.length > MAX_URL) return null;
  try {
    const url = new URL(text);
    return url.protocol === 'https:' || url.protocol === 'http:' || url.protocol === 'mailto:' ? url : null;
  } catch {
    return null;
  }
}

/* For each run of backticks where the run of the same length that closes it begins, or -1. */
function backticks(src) {
  const runs = [];
  for (let at = src.indexOf('`'); at >= 0; ) {
    let end = at + 1;
    while (src.charCodeAt(end) === 96) end++;
    runs.push({ at, n: end - at, close: -1 });
    at = src.indexOf('`', end);
  }
  const next = new Map();
  for (let i = runs.length - 1; i >= 0; i--) {
    runs[i].close = next.get(runs[i].n) ?? -1;
    next.set(runs[i].n, runs[i].at);
  }
  return runs;
}

class Scanner {
  constructor(src) {
    this.src = src;
    this.items = [];
    this.stack = [];          // openers: {ch, n, item, off}; ch is '*', '_', '~' or '['
    this.open = { '*': 0, '_': 0, '~': 0, '[': 0 };
    this.runs = backticks(src);
    this.i_run = 0;
    this.no_end = new Set();  // ends of formulas that the rest of the text does not have
    this.at = 0;
  }

  text(s) {
    if (!s) return;
    const last = this.items[this.items.length - 1];
    if (last && last.k === 'text') last.s += s;
    else this.items.push({ k: 'text', s });
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    return pattern.exec(this.src);
  }

  scan() {
    const { src } = this;
    while (this.at < src.length) {
      const from = this.at;
      let code = src.charCodeAt(this.at);
      while (this.at < src.length && (code >= 128 || !SPECIAL[code])) code = src.charCodeAt(++this.at);
      this.text(src.slice(from, this.at));
      if (this.at < src.length) this.special(src[this.at]);
    }
    return flatten(this.items);
  }

  special(ch) {
    if (ch === '\\') this.escape();
    else if (ch === '`') this.code();
    else if (ch === '*' || ch === '_' || ch === '~') this.run(ch);
    else if (ch === '[' || ch === '!') this.bracket(ch);
    else if (ch === ']') this.link();
    else if (ch === '<') this.angle();
    else if (ch === '&') this.entity();
    else if (ch === '\n') this.lineEnd();
    else if (ch === '$') this.formula('$$', '$$') || this.literal(1);
    else this.bare();
  }

  literal(n) {
    this.text(this.src.slice(this.at, this.at + n));
    this.at += n;
  }

  lineEnd() {
    this.items.push({ k: 'br' });
    this.at++;
    while (this.src[this.at] === ' ') this.at++;
  }

  escape() {
    if (this.formula('\\(', '\\)') || this.formula('\\[', '\\]')) return;
    const next = this.src[this.at + 1];
    if (next !== undefined && next < '\x7f' && PUNCTUATION.test(next)) {
      this.text(next);
      this.at += 2;
    } else this.literal(1);
  }

  /* A formula stays as its author wrote it, so that the marks in it are not taken for emphasis. */
  formula(begin, end) {
    if (!this.src.startsWith(begin, this.at) || this.no_end.has(end)) return false;
    const close = this.src.indexOf(end, this.at + 2);
    if (close < 0) {
      this.no_end.add(end);
      return false;
    }
    this.items.push({ k: 'math', s: this.src.slice(this.at, close + 2) });
    this.at = close + 2;
    return true;
  }

  code() {
    while (this.i_run < this.runs.length && this.runs[this.i_run].at < this.at) this.i_run++;
    // An escaped backtick may have cut the first run: what is left of it is looked at as text.
    const run = this.runs[this.i_run];
    if (!run || run.at !== this.at) return this.literal(1);
    if (run.close < 0) return this.literal(run.n);
    let s = this.src.slice(run.at + run.n, run.close).replaceAll('\n', ' ');
    if (s.length > 2 && s.startsWith(' ') && s.endsWith(' ') && s.trim()) s = s.slice(1, -1);
    this.items.push({ k: 'code', s });
    this.at = run.close + run.n;
  }

  /* The characters before and after a run decide whether it can open or close (CommonMark, "left-flanking"). */
  flanks(from, to) {
    const before = from > 0 ? this.src[from - 1] : ' ';
    const after = to < this.src.length ? this.src[to] : ' ';
    const space = [SPACE.test(before), SPACE.test(after)];
    const mark = [PUNCTUATION.test(before), PUNCTUATION.test(after)];
    const wide = [WIDE.test(before), WIDE.test(after)];
    const left = !space[1] && (!mark[1] || space[0] || mark[0] || wide[0]);
    const right = !space[0] && (!mark[0] || space[1] || mark[1] || wide[1]);
    return { left, right, mark };
  }

  run(ch) {
    let end = this.at + 1;
    while (this.src[end] === ch) end++;
    const n = end - this.at;
    if (n > 3 || (ch === '~' && n !== 2)) return this.literal(n);
    const { left, right, mark } = this.flanks(this.at, end);
    const can_open = ch === '_' ? left && (!right || mark[0]) : left;
    const can_close = ch === '_' ? right && (!left || mark[1]) : right;
    this.at = end;
    const rest = can_close ? this.closeRun(ch, n) : n;
    if (rest && can_open && this.stack.length < MAX_OPEN) this.push(ch, rest);
    else this.text(ch.repeat(rest));
  }

  push(ch, n, s) {
    const item = { k: 'run', s: s || ch, n, opens: [], href: null };
    this.items.push(item);
    this.stack.push({ ch, n, item, off: false });
    this.open[ch]++;
  }

  /* Takes openers off the stack down to `depth`; those that nothing closed stay as text. */
  cut(depth) {
    while (this.stack.length > depth) this.open[this.stack.pop().ch]--;
  }

  find(ch) {
    let d = this.stack.length - 1;
    while (d >= 0 && this.stack[d].ch !== ch) d--;
    return d;
  }

  closeRun(ch, n) {
    while (n > 0 && this.open[ch] > 0) {
      const d = this.find(ch);
      const opener = this.stack[d];
      this.cut(d + 1);
      const use = ch === '~' || (opener.n >= 2 && n >= 2) ? 2 : 1;
      opener.item.opens.push(ch === '~' ? 'del' : use === 2 ? 'strong' : 'em');
      this.items.push({ k: 'close' });
      opener.n -= use;
      opener.item.n = opener.n;
      n -= use;
      if (opener.n === 0) this.cut(d);
    }
    return n;
  }

  bracket(ch) {
    const s = ch === '!' ? '![' : '[';
    if (!this.src.startsWith(s, this.at) || this.stack.length >= MAX_OPEN) return this.literal(1);
    this.at += s.length;
    this.push('[', 1, s);
  }

  link() {
    const d = this.open['['] ? this.find('[') : -1;
    if (d < 0) return this.literal(1);
    const opener = this.stack[d];
    this.at++;
    const target = opener.off ? null : this.match(TARGET);
    const url = target && safeUrl((target[1] ?? target[2]).replace(/\\([!-/:-@[-`{-~])/g, '$1'));
    if (!url) {
      this.stack.splice(d, 1);
      this.open['[']--;
      return this.text(']');
    }
    this.at += target[0].length;
    this.cut(d);
    for (const outer of this.stack) if (outer.ch === '[') outer.off = true;
    opener.item.n = 0;
    opener.item.opens = ['a'];
    opener.item.href = url;
    this.items.push({ k: 'close' });
  }

  angle() {
    const br = this.match(BREAK);
    if (br) {
      this.items.push({ k: 'br' });
      this.at += br[0].length;
      return;
    }
    const link = this.match(ANGLE);
    const url = link && safeUrl(link[1]);
    if (!url) return this.literal(1);
    this.address(link[1], url);
    this.at += link[0].length;
  }

  address(s, url) {
    this.items.push({ k: 'open', tag: 'a', href: url }, { k: 'text', s }, { k: 'close' });
  }

  bare() {
    const before = this.at > 0 ? this.src[this.at - 1] : ' ';
    const found = this.src.startsWith('http', this.at) && !/[\p{L}\p{N}]/u.test(before) && this.match(BARE);
    if (!found) return this.literal(1);
    const s = trimAddress(found[0]);
    const url = safeUrl(s);
    if (!url) return this.literal(found[0].length);
    this.address(s, url);
    this.at += s.length;
  }

  entity() {
    const found = this.match(ENTITY);
    if (!found) return this.literal(1);
    const code = found[1] ? parseInt(found[1], 10) : found[2] ? parseInt(found[2], 16) : -1;
    const s = code < 0 ? ENTITIES[found[3]] : code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : '\ufffd';
    this.text(s ?? found[0]);
    this.at += found[0].length;
  }
}

/* Takes off what ends the sentence and not the address; a closing bracket belongs to it if it holds the opening one. */
function trimAddress(s) {
  let depth = 0;
  for (const ch of s) depth += ch === '(' ? 1 : ch === ')' ? -1 : 0;
  let n = s.length;
  for (; n > 0; n--) {
    const ch = s[n - 1];
    if (ch === ')' && depth < 0) depth++;
    else if (!'.,;:!?\'*_~]'.includes(ch)) break;
  }
  return s.slice(0, n);
}

/* Writes the openers out: first what of them stays text, then what they opened, the outermost (matched last) first. */
function flatten(items) {
  const out = [];
  for (const item of items) {
    if (item.k !== 'run') {
      out.push(item);
      continue;
    }
    if (item.n) out.push({ k: 'text', s: item.s.length > 1 ? item.s : item.s.repeat(item.n) });
    for (let i = item.opens.length - 1; i >= 0; i--) out.push({ k: 'open', tag: item.opens[i], href: item.href });
  }
  return out;
}

export const inline = (src) => new Scanner(src).scan();
