/* Markdown's blocks: text in, a tree of blocks out; inline.js reads what stands in their lines, render.js makes nodes.
 *
 * Blocks    {k: 'p', text} {k: 'h', n, text} {k: 'hr'} {k: 'code', lang, text} {k: 'quote', blocks}
 *           {k: 'math', text}
 *           {k: 'list', ordered, start, tight, items: [{done: null|bool, blocks}]} {k: 'table', align, head, rows};
 *           each with `line`, where it begins among the lines given
 * Time      linear in the text times MAX_DEPTH: a container's lines are copied once for each level; below the last level
 *           everything is a paragraph
 * Dialect   CommonMark and GitHub's tables and task lists, kinder where models are careless: a nested list may be indented by two,
 *           a fence by anything. Left out: code by indentation, headings by underlining, references, HTML (shown as text).
 */

const MAX_DEPTH = 8;
const MAX_FORMULA = 50; // lines

const FENCE = /^[ \t]*(`{3,}|~{3,})(.*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const ITEM = /^([-*+]|\d{1,9}[.)])(?=[ \t]|$)/;
const TASK = /^\[([ xX])\][ \t]+/;
const DELIMITER = /^:?-+:?$/;

/* How far a line is indented: a tab counts as four columns. */
function indentOf(line) {
  let columns = 0;
  for (let i = 0; line[i] === ' ' || line[i] === '\t'; i++) columns += line[i] === ' ' ? 1 : 4;
  return columns;
}

/* The line without up to `columns` of its indentation. */
function strip(line, columns) {
  let i = 0;
  for (; columns > 0 && (line[i] === ' ' || line[i] === '\t'); i++) columns -= line[i] === ' ' ? 1 : 4;
  return ' '.repeat(Math.max(0, -columns)) + line.slice(i);
}

/* The number of lines of a displayed formula that begins at line `i` and ends with a line's end, or 0. */
function formulaLines(lines, i) {
  const first = lines[i].trim();
  const end = first.startsWith('$$') ? '$$' : first.startsWith('\\[') ? '\\]' : '';
  if (!end) return 0;
  if (first.length >= 4 && first.endsWith(end)) return 1;
  for (let n = 1; n < MAX_FORMULA && i + n < lines.length; n++)
    if (lines[i + n].includes(end)) return lines[i + n].trim().endsWith(end) ? n + 1 : 0;
  return 0;
}

/* A thematic break: three or more of one of - * _ with nothing but spaces between. */
function isRule(line) {
  let mark = '';
  let n = 0;
  for (const ch of line) {
    if (ch === ' ' || ch === '\t') continue;
    if (n === 0 && (ch === '-' || ch === '*' || ch === '_')) mark = ch;
    if (ch !== mark) return false;
    n++;
  }
  return n >= 3;
}

/* The cells of a table's row. A bar after a backslash does not part cells. */
function cells(line) {
  const out = [];
  let cell = '';
  let from = 0;
  const row = line.trim();
  const start = row.startsWith('|') ? 1 : 0;
  from = start;
  for (let i = start; i < row.length; i++) {
    if (row[i] === '\\' && row[i + 1] === '|') {
      cell += row.slice(from, i) + '|';
      from = i + 2;
      i++;
    } else if (row[i] === '|') {
      out.push((cell + row.slice(from, i)).trim());
      cell = '';
      from = i + 1;
    }
  }
  if (from < row.length || cell) out.push((cell + row.slice(from)).trim());
  return out;
}

/* The alignments that a table's second line gives, or null if it is none that fits the header. */
function delimiters(header, line) {
  if (line === undefined || !header.includes('|') || !/^[ \t|:-]+$/.test(line) || !line.includes('-')) return null;
  const columns = cells(line);
  if (columns.length !== cells(header).length || !columns.every((c) => DELIMITER.test(c))) return null;
  return columns.map((c) => (c.endsWith(':') ? (c.startsWith(':') ? 'center' : 'right') : null));
}

/* What a line starts, if anything: a paragraph ends before it. A numbered list may only break into a paragraph with 1. */
function starts(lines, i, in_paragraph) {
  const line = lines[i];
  const text = line.trimStart();
  if (text === '') return 'blank';
  const ch = text[0];
  if ((ch === '`' || ch === '~') && fence(line)) return 'fence';
  if (ch === '#' && HEADING.test(line)) return 'heading';
  if (ch === '>') return 'quote';
  if ((ch === '$' || ch === '\\') && formulaLines(lines, i)) return 'math';
  if ((ch === '-' || ch === '*' || ch === '_') && isRule(text)) return 'rule';
  const item = ITEM.exec(text);
  if (item && !(in_paragraph && (/^\d/.test(text) ? parseInt(text, 10) !== 1 : text.length === 1))) return 'list';
  if (line.includes('|') && delimiters(line, lines[i + 1])) return 'table';
  return null;
}

function fence(line) {
  const found = FENCE.exec(line);
  return found && !(found[1][0] === '`' && found[2].includes('`')) ? found : null;
}

class Parser {
  constructor(lines, depth) {
    this.lines = lines;
    this.depth = depth;
    this.at = 0;
  }

  parse() {
    const blocks = [];
    while (this.at < this.lines.length) {
      const line = this.at;
      const block = this.block();
      if (block) blocks.push({ line, ...block });
    }
    return blocks;
  }

  block() {
    switch (starts(this.lines, this.at, false)) {
    case 'blank': this.at++; return null;
    case 'fence': return this.code();
    case 'heading': return this.heading();
    case 'math': return this.formula();
    case 'rule': this.at++; return { k: 'hr' };
    case 'quote': return this.depth < MAX_DEPTH ? this.quote() : this.paragraph();
    case 'list': return this.depth < MAX_DEPTH ? this.list() : this.paragraph();
    case 'table': return this.table();
    default: return this.paragraph();
    }
  }

  paragraph() {
    const from = this.at++;
    const deep = this.depth >= MAX_DEPTH;
    while (this.at < this.lines.length) {
      const kind = starts(this.lines, this.at, true);
      if (kind && !(deep && (kind === 'quote' || kind === 'list'))) break;
      this.at++;
    }
    const text = this.lines.slice(from, this.at).map((line) => line.trim()).join('\n');
    return { k: 'p', text };
  }

  heading() {
    const [, marks, rest] = HEADING.exec(this.lines[this.at++]);
    let text = (rest || '').trimEnd();
    let end = text.length;
    while (end > 0 && text[end - 1] === '#') end--;
    if (end === 0 || text[end - 1] === ' ') text = text.slice(0, end).trimEnd();
    return { k: 'h', n: marks.length, text };
  }

  /* A fence ends at one of the same kind that is at least as long and stands alone, or with the text. */
  code() {
    const first = this.lines[this.at++];
    const [, open, info] = fence(first);
    const indent = indentOf(first);
    const text = [];
    for (; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at];
      const close = fence(line);
      if (close && close[1][0] === open[0] && close[1].length >= open.length && !close[2].trim()) {
        this.at++;
        break;
      }
      text.push(strip(line, indent));
    }
    return { k: 'code', lang: info.trim().split(/\s/, 1)[0].slice(0, 40), text: text.join('\n') };
  }

  formula() {
    const n = formulaLines(this.lines, this.at);
    this.at += n;
    return { k: 'math', text: this.lines.slice(this.at - n, this.at).join('\n') };
  }

  quote() {
    const inner = [];
    for (; this.at < this.lines.length; this.at++) {
      const text = this.lines[this.at].trimStart();
      if (text[0] !== '>') break;
      inner.push(text.slice(text[1] === ' ' ? 2 : 1));
    }
    return { k: 'quote', blocks: new Parser(inner, this.depth + 1).parse() };
  }

  table() {
    const head = cells(this.lines[this.at]);
    const align = delimiters(this.lines[this.at], this.lines[this.at + 1]);
    const rows = [];
    for (this.at += 2; this.at < this.lines.length; this.at++) {
      if (starts(this.lines, this.at, false) || !this.lines[this.at].includes('|')) break;
      rows.push(cells(this.lines[this.at]));
    }
    return { k: 'table', align, head, rows };
  }

  list() {
    const marker = (line) => ITEM.exec(line.trimStart())[1];
    const ordered = (m) => m.length > 1;
    const base = indentOf(this.lines[this.at]);
    const first = marker(this.lines[this.at]);
    const list = { k: 'list', ordered: ordered(first), start: ordered(first) ? parseInt(first, 10) : 1, tight: true, items: [] };
    let blank_before = false;
    while (this.at < this.lines.length) {
      const line = this.lines[this.at];
      if (starts(this.lines, this.at, false) !== 'list' || indentOf(line) >= base + 2 || indentOf(line) + 1 < base) break;
      if (ordered(marker(line)) !== list.ordered) break;
      if (blank_before) list.tight = false;
      const { inner, blank_after } = this.item(base, marker(line));
      blank_before = blank_after;
      const task = TASK.exec(inner[0]);
      if (task) inner[0] = inner[0].slice(task[0].length);
      const blocks = new Parser(inner, this.depth + 1).parse();
      if (blocks.length > 1 && inner.some((text, i) => text === '' && i > 0 && i + 1 < inner.length) && blocks.some((b, i) => i > 0 && b.k === 'p'))
        list.tight = false;
      list.items.push({ done: task ? task[1] !== ' ' : null, blocks });
    }
    return list;
  }

  /* The lines of one item without its marker and indentation. Lines that are not indented belong to it only as the lazy rest of
   * a paragraph; blank lines only if something of the item follows. */
  item(base, mark) {
    const first = this.lines[this.at++].trimStart();
    let gap = mark.length;
    while (gap < first.length && gap < mark.length + 4 && first[gap] === ' ') gap++;
    if (first[gap] === ' ' || gap === first.length) gap = Math.min(mark.length + 1, first.length);
    const inner = [first.slice(gap)];
    const depth = base + Math.max(gap, 2);
    let blanks = 0;
    let fenced = null;
    for (; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at];
      if (line.trim() === '') {
        blanks++;
        continue;
      }
      const inside = indentOf(line) >= base + 2;
      if (!inside && (blanks || fenced || starts(this.lines, this.at, false))) break;
      const text = strip(line, depth);
      for (; blanks; blanks--) inner.push('');
      inner.push(text);
      const mark_here = fence(text);
      if (mark_here) fenced = !fenced ? mark_here[1] : mark_here[1].startsWith(fenced) && !mark_here[2].trim() ? null : fenced;
    }
    return { inner, blank_after: blanks > 0 };
  }
}

/* `text` has line feeds only. */
export const parse = (text) => new Parser(text.split('\n'), 0).parse();
