/* Characters that a reader cannot see but that change what is seen: they are shown by name instead of being obeyed.
 *
 * A text may turn the direction of what follows (bidirectional overrides: code that reads otherwise than it runs), hide words in
 * tag characters, or break lines with separators. Joiners that scripts and emoji need (U+200C, U+200D) and the plain
 * direction marks stay as they are.
 */
import { h } from './dom.js';

const NAMES = {
  0x7f: 'DEL', 0x85: 'NEL', 0xad: 'soft hyphen', 0x2028: 'line separator', 0x2029: 'paragraph separator', 0x202a: 'left-to-right embedding',
  0x202b: 'right-to-left embedding', 0x202c: 'pop directional', 0x202d: 'left-to-right override', 0x202e: 'right-to-left override',
  0x2066: 'left-to-right isolate', 0x2067: 'right-to-left isolate', 0x2068: 'first strong isolate', 0x2069: 'pop isolate',
  0xfeff: 'byte order mark', 0xfffc: 'object replacement',
};

// Everything of Cc but tab and line feed, the controls of direction, separators, annotation marks and tag characters.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc]|[\u{e0000}-\u{e007f}]/u;
const EACH = new RegExp(UNSEEN.source, 'gu');

/* Appends `text` to `node` as text nodes, with a mark in place of each unseen character. */
export function appendText(node, text) {
  if (!UNSEEN.test(text)) {
    node.append(text);
    return;
  }
  let from = 0;
  for (const match of text.matchAll(EACH)) {
    if (match.index > from) node.append(text.slice(from, match.index));
    node.append(mark(match[0].codePointAt(0)));
    from = match.index + match[0].length;
  }
  if (from < text.length) node.append(text.slice(from));
}

function mark(code) {
  const name = 'U+' + code.toString(16).toUpperCase().padStart(4, '0');
  return h('span', { class: 'unseen', title: NAMES[code] || 'invisible character', text: name });
}
