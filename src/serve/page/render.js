/* Markdown on the page: blocks and inline items become nodes, all text through text nodes. No model's text is ever read as HTML.
 *
 * An answer grows while it is shown. All its blocks but the last are settled: what follows cannot change them (markdown.js reads
 * blocks from their first line on), so each update parses and builds from the beginning of the last block.
 */
import { copyButton, h } from './dom.js';
import { highlight } from './highlight.js';
import { inline, safeUrl } from './inline.js';
import { parse } from './markdown.js';
import { appendText } from './visible.js';

/* Headings of an answer begin below those of the page and leave no level out, whatever the model wrote. */
const FIRST_LEVEL = 3;
const LAST_LEVEL = 6;

/* A longer stretch without a block's end is no prose; thousands of marks in one line would only keep the browser busy. */
const LONGEST_LINE = 20000;

function appendInline(node, text) {
  if (text.length > LONGEST_LINE) {
    node.className = 'plain';
    appendText(node, text);
    return node;
  }
  const open = [node];
  let links = 0;
  for (const item of inline(text)) {
    const top = open[open.length - 1];
    if (item.k === 'text') appendText(top, item.s);
    else if (item.k === 'br') top.append(h('br'));
    else if (item.k === 'code' || item.k === 'math') {
      const code = h('code', { class: item.k === 'math' ? 'math' : null });
      appendText(code, item.s);
      top.append(code);
    } else if (item.k === 'open') {
      // A bare address inside a link is a part of that link's text.
      if (item.tag === 'a') links++;
      const made = item.tag !== 'a' ? h(item.tag) : links > 1 ? h('span') : link(item.href);
      top.append(made);
      open.push(made);
    } else {
      open.pop();
      if (top.tagName === 'A') showTarget(top);
      if (top.tagName === 'A' || top.tagName === 'SPAN') links--;
    }
  }
  return node;
}

const link = (url) => h('a', { href: url.href, rel: 'noopener noreferrer nofollow', target: '_blank', title: url.href });

/* Says where a link goes unless its text is just that. */
function showTarget(a) {
  const said = safeUrl(a.textContent);
  if (said && said.href === a.href) return;
  const url = new URL(a.href);
  a.append(' ', h('span', { class: 'host', text: url.protocol === 'mailto:' ? url.pathname : url.host }));
}

/* A block of code with its language and a button; the button copies the text as it came. */
function codeBlock({ lang, text }) {
  const code = h('code');
  for (const [cls, s] of highlight(text, lang) || [[null, text]]) {
    const part = cls ? h('span', { class: cls }) : code;
    appendText(part, s);
    if (cls) code.append(part);
  }
  const name = h('span', { class: 'code-lang' });
  appendText(name, lang || 'text');
  return h('div', { class: 'code' }, h('div', { class: 'code-head' }, name, copyButton('Copy code', () => text)),
    h('pre', { tabindex: '0', role: 'group', 'aria-label': lang ? 'Code, ' + lang : 'Code' }, code));
}

function table({ align, head, rows }) {
  const cell = (tag, text, i) => appendInline(h(tag, { dir: 'auto', class: align[i] ? 'to-' + align[i] : null, scope: tag === 'th' ? 'col' : null }), text);
  const row = (texts) => {
    const tr = h('tr', null, ...texts.map((text, i) => cell('td', text, i)));
    if (texts.length < head.length) tr.append(h('td', { colspan: head.length - texts.length }));
    return tr;
  };
  return h('div', { class: 'table', tabindex: '0', role: 'group', 'aria-label': 'Table' },
    h('table', null, h('thead', null, h('tr', null, ...head.map((text, i) => cell('th', text, i)))), h('tbody', null, ...rows.map(row))));
}

function list(block, state) {
  const items = block.items.map(({ done, blocks }) => {
    const li = h('li', { dir: 'auto', class: done === null ? null : 'task' });
    if (done !== null) li.append(h('span', { class: 'box', role: 'img', 'aria-label': done ? 'Done' : 'Open', text: done ? '☑' : '☐' }), ' ');
    for (const inner of blocks) {
      if (block.tight && inner.k === 'p') appendInline(li, inner.text);
      else li.append(build(inner, state));
    }
    return li;
  });
  return h(block.ordered ? 'ol' : 'ul', { start: block.ordered && block.start !== 1 ? block.start : null }, ...items);
}

/* The node of one block. `state.level` is the level of the last heading. */
function build(block, state) {
  switch (block.k) {
  case 'p': return appendInline(h('p', { dir: 'auto' }), block.text);
  case 'h':
    state.level = Math.min(block.n + FIRST_LEVEL - 1, state.level + 1, LAST_LEVEL);
    return appendInline(h('h' + state.level, { dir: 'auto', class: 'as-h' + block.n }), block.text);
  case 'hr': return h('hr');
  case 'code': return codeBlock(block);
  case 'math': {
    const pre = h('pre', { class: 'math', tabindex: '0', role: 'group', 'aria-label': 'Formula' });
    appendText(pre, block.text);
    return pre;
  }
  case 'quote': return h('blockquote', null, ...block.blocks.map((inner) => build(inner, state)));
  case 'list': return list(block, state);
  default: return table(block);
  }
}

/* Shows a text that grows in `node`. */
export class Markdown {
  constructor(node) {
    this.node = node;
    this.settled = 0; // characters whose nodes stay
    this.n_nodes = 0; // their number
    this.level = FIRST_LEVEL - 1;
    this.shown = null;
  }

  /* `text` must begin with what was given before. */
  update(given) {
    const text = given.includes('\r') ? given.replace(/\r\n?/g, '\n') : given;
    if (text === this.shown) return;
    this.shown = text;
    const tail = text.slice(this.settled);
    const blocks = parse(tail);
    const state = { level: this.level };
    const levels = [];
    const nodes = blocks.map((block) => {
      levels.push(state.level);
      return build(block, state);
    });
    while (this.node.childNodes.length > this.n_nodes) this.node.lastChild.remove();
    this.node.append(...nodes);
    const last = blocks.length - 1;
    // Its first two lines must be whole, or more characters could still make them something else.
    if (last < 1 || tail.split('\n', blocks[last].line + 3).length < blocks[last].line + 3) return;
    let at = 0;
    for (let i = 0; i < blocks[last].line; i++) at = tail.indexOf('\n', at) + 1;
    this.settled += at;
    this.n_nodes += last;
    this.level = levels[last];
  }

  /* The text is complete. In the rare case that its end changed how its beginning reads, all is built again. */
  finish(given) {
    this.update(given);
    if (parse(this.shown).length === this.node.childNodes.length) return;
    this.node.replaceChildren();
    Object.assign(this, new Markdown(this.node));
    this.update(given);
  }
}
