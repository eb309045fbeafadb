/* Small helpers to build the page. Text from a model, a file or a server only ever becomes a text node. */

export const $ = (id) => document.getElementById(id);

/* An element with attributes, listeners and children. `props`: class, text, on: {event: f}; all else is set as an attribute,
 * true as an empty one; false, null and undefined leave it out. Children: nodes or strings, null is skipped. */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name === 'class') node.className = value;
    else if (name === 'text') node.textContent = value;
    else if (name === 'on') for (const [event, f] of Object.entries(value)) node.addEventListener(event, f);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

/* One of the icons that index.html defines as symbols. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', '#i-' + name);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}

export function iconButton(name, label, onclick) {
  return h('button', { type: 'button', class: 'icon-button small', 'aria-label': label, title: label, on: { click: onclick } }, icon(name));
}

let toastTimer = 0;

/* A short line at the foot of the page; screen readers read it. */
export function toast(text) {
  const box = $('toast');
  box.textContent = text;
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { box.hidden = true; }, 6000);
}

let saidTimer = 0;

/* Reads a text to users of screen readers, whole, once. It is taken away again so that nobody finds it a second time. */
export function say(text) {
  $('said').textContent = text;
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => { $('said').textContent = ''; }, 5000);
}

/* Copies a text, on pages without TLS too, where browsers keep the clipboard's newer interface away. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h('textarea', { class: 'sr', 'aria-hidden': 'true', tabindex: '-1' });
    const before = document.activeElement;
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (before) before.focus();
    return done;
  }
}

/* A button that copies what `text()` gives and says so. */
export function copyButton(label, text) {
  const button = iconButton('copy', label, async () => {
    const done = await copy(text());
    button.replaceChildren(icon(done ? 'check' : 'copy'));
    say(done ? 'Copied' : 'The browser does not allow copying here');
    setTimeout(() => button.replaceChildren(icon('copy')), 1600);
  });
  return button;
}

/* Asks in a dialog. `field`: the text to begin with, or null for a mere question. Gives the text (true without a field), or null
 * when the user thought better of it. */
export function ask(title, text, ok, field = null) {
  const dialog = $('ask-dialog');
  $('ask-title').textContent = title;
  $('ask-text').textContent = text;
  $('ask-text').hidden = !text;
  $('ask-ok').textContent = ok;
  $('ask-field').hidden = field === null;
  $('ask-input').value = field || '';
  return new Promise((resolve) => {
    let answer = null;
    const once = new AbortController();
    const on = (node, event, f) => node.addEventListener(event, f, { signal: once.signal });
    on($('ask-form'), 'submit', (event) => {
      event.preventDefault();
      answer = field === null ? true : $('ask-input').value.trim() || null;
      dialog.close();
    });
    on($('ask-cancel'), 'click', () => dialog.close());
    on(dialog, 'close', () => {
      once.abort();
      resolve(answer);
    });
    dialog.showModal();
    if (field === null) $('ask-ok').focus();
    else $('ask-input').select();
  });
}

/* What the browser keeps under a name, or `otherwise`; storage may be switched off. */
export function kept(name, otherwise = null) {
  try {
    return localStorage.getItem(name) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    /* No storage: the setting lasts as long as the page. */
  }
}

const number = new Intl.NumberFormat('en');

export const count = (n) => number.format(n);

export function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  while (n >= 1024 && i + 1 < units.length) {
    n /= 1024;
    i++;
  }
  return (i && n < 100 ? n.toFixed(1) : Math.round(n)) + ' ' + units[i];
}

export const seconds = (ms) => (ms < 95 ? Math.round(ms) + ' ms' : (ms < 9950 ? (ms / 1000).toFixed(1) : count(Math.round(ms / 1000))) + ' s');
export const rate = (r) => (r < 100 ? r.toFixed(1) : count(Math.round(r))) + ' tokens/s';
