/* A little colour for code: comments, strings, numbers and the words that most languages share. Better too little than wrong.
 *
 * Time      linear: each alternative of the pattern takes at least one character and none goes back over what it took; long texts
 *           are not coloured at all
 */

const MAX_TEXT = 40000;

const WORDS = new Set(('abstract and as assert async await auto bool boolean break case catch char class const constexpr continue def default defer ' +
  'del delete do double dyn elif else end enum except export extends extern false final finally float fn for foreach from func function global go ' +
  'if impl implements import in inline int interface is lambda let local long loop match mod module move mut namespace new nil none null nullptr ' +
  'not of operator or override package pass private protected public pub raise record ref return self short signed sizeof static str string ' +
  'struct super switch template then this throw trait true try type typedef typename typeof union unsafe unsigned use using val var virtual void ' +
  'volatile where while with yield None True False select insert update create table').split(' '));
const SQL = new Set('sql mysql postgresql sqlite plsql'.split(' '));

// Which sign begins a comment to the end of the line, and whether /* */ is one.
const HASH = new Set('python py sh bash zsh shell ruby rb yaml yml toml perl r make makefile dockerfile cmake ini conf elixir nim julia powershell'.split(' '));
const SLASH = new Set(('c h cpp c++ cc cxx hpp java js javascript jsx ts typescript tsx go swift kotlin kt scala php cs csharp dart zig css ' +
  'scss json json5 jsonc glsl wgsl cuda d groovy proto objc').split(' '));
const DASH = new Set('sql mysql postgresql sqlite plsql lua haskell hs ada vhdl elm'.split(' '));

const DOUBLE = '"(?:[^"\\\\\\n]|\\\\.)*"?';
const rest = (single) => `(?<string>${DOUBLE}|'(?:[^'\\\\\\n]|\\\\.)${single}')|(?<number>\\b\\d[\\w.]*)|(?<word>[A-Za-z_]\\w*)|[^\\w"'\`/#[-]+|[^]`;
const SLASHES = '(?<comment>//[^\\n]*|/\\*[^]*?(?:\\*/|$))';
const PATTERNS = {
  hash: new RegExp(`(?<comment>(?<!\\S)#[^\\n]*)|(?<doc>"""[^]*?(?:"""|$))|${rest('*')}`, 'gu'),
  slash: new RegExp(`${SLASHES}|(?<doc>\`(?:[^\`\\\\]|\\\\[^])*\`?)|${rest('*')}`, 'gu'),
  rust: new RegExp(`${SLASHES}|(?<doc>r#"[^]*?(?:"#|$))|${rest('')}`, 'gu'), // 'a is a lifetime, not a text
  dash: new RegExp(`(?<comment>--[^\\n]*)|(?<doc>\\[\\[[^]*?(?:\\]\\]|$))|${rest('*')}`, 'gu'),
};

const kindOf = (lang) => (lang === 'rust' || lang === 'rs' ? 'rust' : HASH.has(lang) ? 'hash' : SLASH.has(lang) ? 'slash' : DASH.has(lang) ? 'dash' : null);

/* Pieces [class or null, text] that make up the text; null if it is not to be coloured. */
export function highlight(text, lang) {
  const name = lang.toLowerCase();
  const kind = kindOf(name);
  if (!kind || text.length > MAX_TEXT) return null;
  const out = [];
  for (const { 0: s, groups } of text.matchAll(PATTERNS[kind])) {
    const word = groups.word && (WORDS.has(s) || (SQL.has(name) && WORDS.has(s.toLowerCase())));
    const cls = groups.comment ? 'c-note' : groups.string || groups.doc ? 'c-text' : groups.number ? 'c-num' : word ? 'c-word' : null;
    const last = out[out.length - 1];
    if (last && last[0] === cls) last[1] += s;
    else out.push([cls, s]);
  }
  return out;
}
