/* The messages of the open conversation, and the answers that are being written. */
import { chat, withKey } from './api.js';
import { $, ask, copyButton, count, h, icon, iconButton, rate, say, seconds } from './dom.js';
import { Markdown } from './render.js';
import { apply } from './settings.js';
import * as store from './store.js';
import { appendText } from './visible.js';

const SAVE_MS = 2000;  // how often a growing answer is kept
const SPEED_MS = 250;  // how often its speed is shown anew
const NEAR_PX = 60;    // so near to the end the view follows the answer
const FEW = 8;         // tokens of which a speed would say nothing
const REST = 4;        // after each drawing, the page rests this many times as long

/* What the model is sent: the system prompt and every message that says something. Two questions in a row (an answer between
 * them failed) become one, since many templates want the roles to alternate. */
function toRequest(conv) {
  const out = [];
  if (conv.system.trim()) out.push({ role: 'system', content: conv.system });
  for (const { role, content } of conv.messages) {
    const last = out[out.length - 1];
    if (!content) continue;
    if (role === 'user' && last && last.role === 'user') last.content += '\n\n' + content;
    else out.push({ role, content });
  }
  return out;
}

function statsText({ tokens, rate: r, first_ms, joules }) {
  const parts = [];
  if (tokens !== undefined) parts.push(count(tokens) + (tokens === 1 ? ' token' : ' tokens'));
  if (r !== undefined) parts.push(rate(r));
  if (first_ms !== undefined) parts.push('first after ' + seconds(first_ms));
  if (joules !== undefined) parts.push((joules < 10 ? joules.toFixed(1) : count(Math.round(joules))) + ' J');
  return parts.join(' · ');
}

/* Grows a text field with its text; CSS limits it. */
export function fit(area) {
  area.style.height = 'auto';
  area.style.height = area.scrollHeight + 'px';
}

/* Enter is for sending only where it is not for choosing a word in an input method. */
export const isSend = (event) => event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229;

class UserView {
  constructor(message, owner) {
    this.message = message;
    this.owner = owner;
    this.node = h('article', { class: 'msg user' });
    this.show();
  }

  show() {
    const body = h('div', { class: 'bubble', dir: 'auto' });
    appendText(body, this.message.content);
    this.node.replaceChildren(h('h2', { class: 'sr', text: 'You' }), body, h('div', { class: 'tools' },
      copyButton('Copy message', () => this.message.content), this.button = iconButton('edit', 'Edit message', () => this.edit())));
  }

  edit() {
    const area = h('textarea', { class: 'editor', 'aria-label': 'Edit message', rows: '1' });
    const close = () => {
      this.show();
      this.button.focus();
    };
    const done = () => area.value.trim() && this.owner.edited(this.message, area.value.trim());
    area.value = this.message.content;
    area.addEventListener('input', () => fit(area));
    area.addEventListener('keydown', (event) => {
      if (isSend(event)) {
        event.preventDefault();
        done();
      } else if (event.key === 'Escape') {
        event.stopPropagation();
        close();
      }
    });
    this.node.replaceChildren(h('h2', { class: 'sr', text: 'You' }), area, h('div', { class: 'edit-foot' },
      h('span', { class: 'hint', text: 'What follows this message is answered anew.' }),
      h('button', { type: 'button', class: 'button', text: 'Cancel', on: { click: close } }),
      h('button', { type: 'button', class: 'button primary', text: 'Send', on: { click: done } })));
    fit(area);
    area.focus();
  }
}

class AnswerView {
  constructor(message, owner) {
    this.message = message;
    this.owner = owner;
    this.label = h('span');
    this.thoughts = h('div', { class: 'md thoughts' });
    this.think = h('details', { class: 'think', hidden: true, on: { toggle: () => this.showThoughts() } },
      h('summary', null, icon('chevron'), this.label), this.thoughts);
    this.body = h('div', { class: 'md' });
    this.wait = h('p', { class: 'wait', text: 'Waiting for the first word' });
    this.foot = h('div', { class: 'foot' });
    this.markdown = new Markdown(this.body);
    this.node = h('article', { class: 'msg answer' }, h('h2', { class: 'sr', text: 'Answer' }), this.think, this.body, this.wait, this.foot);
    this.update();
    if (message.state !== 'running') this.finish();
  }

  showThoughts() {
    if (!this.think.open) return;
    this.thoughtsMarkdown ??= new Markdown(this.thoughts);
    this.thoughtsMarkdown.update(this.message.thinking || '');
  }

  update() {
    const { content, thinking, thinking_ms, state } = this.message;
    this.think.hidden = !thinking;
    const thinks = state === 'running' && !content;
    const label = thinks ? 'Thinking' : thinking_ms === undefined ? 'Thoughts' : 'Thought for ' + seconds(thinking_ms);
    if (this.label.textContent !== label) this.label.textContent = label;
    this.think.classList.toggle('busy', thinks);
    this.wait.hidden = state !== 'running' || Boolean(content || thinking);
    this.showThoughts();
    this.markdown.update(content);
  }

  finish() {
    const { message } = this;
    this.update();
    this.markdown.finish(message.content);
    this.node.removeAttribute('aria-busy');
    const tools = h('div', { class: 'tools' });
    if (message.content) tools.append(copyButton('Copy answer', () => message.content));
    tools.append(iconButton('again', 'Answer again', () => this.owner.again(message)));
    if (message.stats) tools.append(h('span', { class: 'stats', text: statsText(message.stats) }));
    this.foot.replaceChildren();
    if (message.state === 'stopped') this.foot.append(h('p', { class: 'note', text: 'Stopped here.' }));
    if (message.state === 'length')
      this.foot.append(h('p', { class: 'note', text: 'The answer ended at its limit of tokens. “Longest answer” in the settings raises it.' }));
    if (message.failure) this.foot.append(this.failure(message.failure));
    if (message.content || !message.failure) this.foot.append(tools);
  }

  failure({ what, said, advice }) {
    const box = h('div', { class: 'failure' }, h('p', { class: 'failure-what', text: what }));
    if (said) {
      const p = h('p', { class: 'failure-said', dir: 'auto' });
      appendText(p, said);
      box.append(p);
    }
    box.append(h('p', { text: advice }), h('button', { type: 'button', class: 'button', text: 'Try again', on: { click: () => this.owner.again(this.message) } }));
    return box;
  }
}

/* `app`: {model(), n_ctx(), keep(conv), changed()} */
export class Chat {
  constructor(app) {
    this.app = app;
    this.conv = store.create();
    this.runs = new Map();  // conversation's id -> its running answer
    this.views = new Map(); // message's id -> its view
    this.follow = true;
    this.top = 0;           // where the view was at the last scrolling
    const scroll = $('scroll');
    scroll.addEventListener('scroll', () => this.scrolled());
    $('jump').addEventListener('click', () => {
      this.toEnd();
      $('prompt').focus();
    });
    new ResizeObserver(() => this.follow && this.toEnd()).observe($('messages'));
    setInterval(() => this.showSpeed(), SPEED_MS);
  }

  run() {
    return this.runs.get(this.conv.id);
  }

  open(conv) {
    this.conv = conv;
    this.views.clear();
    $('messages').replaceChildren();
    for (const message of conv.messages) this.add(message);
    this.toEnd();
    this.changed();
  }

  changed() {
    const running = Boolean(this.run());
    $('empty').hidden = this.conv.messages.length > 0;
    $('messages').hidden = this.conv.messages.length === 0;
    const had_focus = document.activeElement === $('send') || document.activeElement === $('stop');
    $('send').hidden = running;
    $('stop').hidden = !running;
    $('send').disabled = !$('prompt').value.trim();
    if (had_focus) (running ? $('stop') : $('prompt')).focus();
    this.showSpeed();
    this.app.changed();
  }

  add(message) {
    const view = message.role === 'user' ? new UserView(message, this) : new AnswerView(message, this);
    this.views.set(message.id, view);
    if (message.state === 'running') view.node.setAttribute('aria-busy', 'true');
    $('messages').append(view.node);
    return view;
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = $('scroll');
    const is_near = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    // Only going back ends the following: the answer may have grown since the view came to its end.
    if (is_near || scrollTop < this.top) this.follow = is_near;
    this.top = scrollTop;
    $('jump').hidden = this.follow;
  }

  toEnd() {
    this.follow = true;
    $('jump').hidden = true;
    $('scroll').scrollTop = $('scroll').scrollHeight;
  }

  /* Takes the messages from number `i` on away. */
  cut(i) {
    for (const { id } of this.conv.messages.splice(i)) {
      const view = this.views.get(id);
      if (view) view.node.remove();
      this.views.delete(id);
    }
  }

  send(text) {
    const { conv } = this;
    const message = { id: store.newId(), role: 'user', content: text };
    conv.messages.push(message);
    if (!conv.named && !conv.title) conv.title = titleFrom(text);
    this.add(message);
    this.answer();
  }

  /* The user wrote a message anew: the conversation goes on from there. */
  edited(message, text) {
    const i = this.conv.messages.indexOf(message);
    if (i < 0) return;
    this.stop();
    this.cut(i);
    if (i === 0 && !this.conv.named) this.conv.title = '';
    this.send(text);
    $('prompt').focus();
  }

  async again(message) {
    const i = this.conv.messages.indexOf(message);
    if (i < 0 || this.run()) return;
    if (i + 1 < this.conv.messages.length && !(await ask('Answer again?', 'The messages after this answer are taken away.', 'Answer again'))) return;
    this.cut(i);
    this.answer();
    $('prompt').focus();
  }

  stop() {
    const run = this.run();
    if (!run) return;
    run.stopped = true;
    run.control.abort();
    this.settle(run);
  }

  /* Begins an answer to the conversation as it is. */
  answer() {
    const { conv } = this;
    const body = { model: this.app.model(), messages: toRequest(conv) };
    apply(body);
    const message = { id: store.newId(), role: 'assistant', content: '', state: 'running' };
    conv.messages.push(message);
    const run = { conv, message, control: new AbortController(), begun: performance.now(), first: 0, last: 0, n: 0, saved: 0, frame: 0, thinking_from: 0, over: false };
    this.runs.set(conv.id, run);
    say('');
    this.add(message);
    this.toEnd();
    conv.updated = Date.now();
    this.app.keep(conv);
    this.changed();
    this.write(run, body);
  }

  async write(run, body) {
    const { message } = run;
    try {
      const { finish, usage } = await withKey(() => chat(body, run.control.signal, (piece) => this.piece(run, piece)));
      if (run.over) return;
      message.state = finish === 'length' ? 'length' : 'done';
      if (usage) run.usage = usage;
    } catch (error) {
      if (run.over) return;
      message.state = 'failed';
      const wait = error.retry_s ? ` The server suggests to wait ${count(error.retry_s)} s.` : '';
      message.failure = { what: error.what || 'The page failed', said: error.said ?? String(error), advice: (error.advice || 'Reload it, then try again.') + wait };
    }
    this.settle(run);
  }

  piece(run, { thinking, text }) {
    if (run.over) return;
    const { message } = run;
    const now = performance.now();
    run.first ||= now;
    run.last = now;
    run.n++;
    if (thinking) {
      run.thinking_from ||= now;
      message.thinking = (message.thinking || '') + thinking;
      message.thinking_ms = now - run.thinking_from;
    }
    if (text) message.content += text;
    if (now - run.saved > SAVE_MS) {
      run.saved = now;
      this.app.keep(run.conv);
    }
    run.frame ||= setTimeout(() => requestAnimationFrame(() => this.draw(run)), run.rest || 0);
  }

  /* Shows what an answer has become. What takes long to draw is drawn less often, so that the page stays quick. */
  draw(run) {
    const begun = performance.now();
    const view = this.views.get(run.message.id);
    if (view && !run.over) view.update();
    // Asking for a height makes the browser lay the page out now, so that its time counts too.
    if (view) run.height = view.node.offsetHeight;
    run.rest = REST * (performance.now() - begun);
    run.frame = 0;
  }

  /* The answer is over: done, stopped or failed. */
  settle(run) {
    const { message, conv } = run;
    run.over = true;
    if (run.stopped) message.state = 'stopped';
    if (message.thinking_ms !== undefined) message.thinking_ms = Math.round(message.thinking_ms);
    message.stats = this.statsOf(run);
    this.runs.delete(conv.id);
    conv.updated = Date.now();
    this.app.keep(conv);
    const view = this.views.get(message.id);
    if (view) {
      view.finish();
      if (message.failure) say(`${message.failure.what}. ${message.failure.said} ${message.failure.advice}`);
      else say((run.stopped ? 'Stopped. ' : 'Answer: ') + view.body.textContent);
    }
    this.changed();
  }

  /* The server's count of tokens where it gave one; a stopped answer has only the number of pieces, which it shows no count for. */
  statsOf({ begun, first, last, n, usage }) {
    if (!first) return undefined;
    const stats = { first_ms: Math.round(first - begun) };
    const tokens = usage && Number.isFinite(usage.completion_tokens) ? usage.completion_tokens : null;
    if (tokens !== null) stats.tokens = tokens;
    if (usage && Number.isFinite(usage.prompt_tokens)) stats.prompt = usage.prompt_tokens;
    // What the machine's meter says of this answer, where it has one.
    if (usage && usage.suan && Number.isFinite(usage.suan.joules)) stats.joules = usage.suan.joules;
    if (last > first && (tokens ?? n) >= FEW) stats.rate = Math.round((((tokens ?? n) - 1) / (last - first)) * 1e5) / 100;
    return stats;
  }

  /* The line below the message field: the running answer's speed, else how full the context is. */
  showSpeed() {
    const run = this.run();
    const text = run ? this.speedOf(run) : this.contextUsed();
    if ($('speed').textContent !== text) $('speed').textContent = text;
  }

  speedOf({ begun, first, last, n }) {
    if (!first) return 'Reading… ' + seconds(performance.now() - begun);
    const parts = ['First token after ' + seconds(first - begun)];
    if (n >= FEW && last > first) parts.unshift(rate((n - 1) / ((last - first) / 1000)));
    return parts.join(' · ');
  }

  contextUsed() {
    const last = this.conv.messages[this.conv.messages.length - 1];
    if (!last || !last.stats || last.stats.prompt === undefined) return '';
    const n_ctx = this.app.n_ctx();
    let used = last.stats.prompt + last.stats.tokens;
    if (n_ctx && used > n_ctx) used = n_ctx; // the last token of a full context is drawn, but has no place in it any more
    return count(used) + (n_ctx ? ' of ' + count(n_ctx) : '') + ' tokens of context';
  }
}

function titleFrom(text) {
  const line = text.trim().split('\n', 1)[0];
  if (line.length <= 60) return line;
  const cut = line.slice(0, 60);
  const space = cut.lastIndexOf(' ');
  return (space > 30 ? cut.slice(0, space) : cut) + '…';
}
