/* The page of suan serve: puts the parts together and hears the keyboard. */
import { getJson, hasKey, setKey, withKey } from './api.js';
import { Chat, fit, isSend } from './chat.js';
import { $, h, keep, kept, toast } from './dom.js';
import { List, titleOf } from './list.js';
import { Live } from './live.js';
import * as settings from './settings.js';
import * as store from './store.js';

const CURRENT = 'suan.current'; // which conversation this window has open
const narrow = matchMedia('(max-width: 899px)');
const overlay = matchMedia('(max-width: 1199px)');

let model = '';
let n_ctx = 0;
let told_full = false;
let no_key = false; // the user was asked for a key and gave none

const session = {
  get: () => {
    try {
      return sessionStorage.getItem(CURRENT);
    } catch {
      return null;
    }
  },
  set: (id) => {
    try {
      sessionStorage.setItem(CURRENT, id);
    } catch {
      /* A reload begins with a new conversation. */
    }
  },
};

async function keepConversation(conv) {
  try {
    await store.put(conv);
  } catch (error) {
    if (!told_full) toast(`The browser does not keep this conversation: ${error.message}. Export or delete old ones.`);
    told_full = true;
  }
}

const chat = new Chat({
  model: () => model,
  n_ctx: () => n_ctx,
  keep: keepConversation,
  changed: () => {
    showTitle();
    list.show();
  },
});

const list = new List({
  current: () => chat.conv,
  isRunning: (id) => chat.runs.has(id),
  open: (conv) => {
    openConversation(conv);
    closeSide();
    $('prompt').focus();
  },
  keep: keepConversation,
  renamed: showTitle,
  imported: () => store.get(chat.conv.id) && !chat.run() && openConversation(store.get(chat.conv.id)),
  closed: (id) => {
    if (chat.conv.id !== id) {
      const run = chat.runs.get(id);
      if (run) run.control.abort();
      return;
    }
    chat.stop();
    openConversation(store.create());
  },
});

function showTitle() {
  $('title').textContent = titleOf(chat.conv);
  document.title = (chat.conv.title ? chat.conv.title + ' – ' : '') + 'suan';
}

function openConversation(conv) {
  session.set(conv.id);
  chat.open(conv);
  $('system').value = conv.system;
  fit($('system'));
}

/* The drawers: beside the conversation where there is room, above it where there is not; what is covered takes no focus. */
function arrange() {
  const side_open = $('side').classList.contains('open');
  const panel_over = overlay.matches && !$('panel').hidden;
  $('side').inert = (narrow.matches && !side_open) || panel_over;
  $('main').inert = panel_over || (narrow.matches && side_open);
  $('scrim').hidden = !$('main').inert;
  $('side-open').setAttribute('aria-expanded', String(side_open));
  $('panel-open').setAttribute('aria-expanded', String(!$('panel').hidden));
  document.documentElement.classList.toggle('with-panel', !$('panel').hidden);
}

function openSide() {
  $('side').classList.add('open');
  arrange();
  $('side-close').focus();
}

function closeSide() {
  const was = $('side').classList.contains('open');
  $('side').classList.remove('open');
  arrange();
  if (was) $('side-open').focus();
}

function showPanel(open, focus = true) {
  $('panel').hidden = !open;
  if (!overlay.matches) keep('suan.panel', open ? 'open' : null);
  arrange();
  if (open) {
    fit($('system'));
    live.draw();
  }
  if (focus) $(open ? 'panel-close' : 'panel-open').focus();
}

async function sendPrompt() {
  await opened;
  const text = $('prompt').value.trim();
  if (!text || chat.run()) return;
  $('prompt').value = '';
  fit($('prompt'));
  chat.send(text);
}

function onKey(event) {
  if (event.key !== 'Escape' || event.isComposing || document.querySelector('dialog[open]')) return;
  if (overlay.matches && !$('panel').hidden) showPanel(false);
  else if (narrow.matches && $('side').classList.contains('open')) closeSide();
  else if (chat.run()) {
    event.preventDefault();
    chat.stop();
  }
}

function listen() {
  $('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    sendPrompt();
  });
  $('prompt').addEventListener('input', () => {
    fit($('prompt'));
    $('send').disabled = !$('prompt').value.trim();
  });
  $('prompt').addEventListener('keydown', (event) => {
    if (!isSend(event)) return;
    event.preventDefault();
    sendPrompt();
  });
  $('stop').addEventListener('click', () => chat.stop());
  $('new').addEventListener('click', () => {
    openConversation(store.create());
    closeSide();
    $('prompt').focus();
  });
  $('system').addEventListener('input', () => {
    fit($('system'));
    chat.conv.system = $('system').value;
  });
  $('system').addEventListener('change', () => chat.conv.messages.length && keepConversation(chat.conv));
  $('side-open').addEventListener('click', openSide);
  $('side-close').addEventListener('click', closeSide);
  $('panel-open').addEventListener('click', () => showPanel($('panel').hidden));
  $('panel-close').addEventListener('click', () => showPanel(false));
  $('scrim').addEventListener('click', () => ($('panel').hidden ? closeSide() : showPanel(false)));
  $('models').addEventListener('change', () => {
    model = $('models').value;
    keep('suan.model', model);
  });
  $('forget').addEventListener('click', () => {
    setKey('', false);
    toast('The key is forgotten');
  });
  document.addEventListener('keydown', onKey);
  document.addEventListener('keychange', showForget);
  narrow.addEventListener('change', arrange);
  overlay.addEventListener('change', arrange);
  addEventListener('pagehide', () => {
    for (const run of chat.runs.values()) store.put(run.conv);
  });
}

const showForget = () => { $('forget').hidden = !hasKey(); };

/* The models there are; with several of them the user chooses. */
async function loadModels() {
  try {
    const { data } = await withKey(() => getJson('v1/models'));
    const names = data.map((entry) => entry.id);
    const before = kept('suan.model');
    model = names.includes(before) ? before : names[0] || '';
    $('models').replaceChildren(...names.map((name) => h('option', { value: name, text: name, selected: name === model })));
    $('model-choice').hidden = names.length < 2;
    $('model').textContent = names.length < 2 ? model : '';
  } catch (error) {
    no_key = error.status === 401;
    /* The line of the server's state says what is wrong; the model is asked for again when it is back. */
  }
  showForget();
}

const live = new Live((state) => {
  if (!state) return;
  if (!model && !no_key) loadModels();
  n_ctx = Number.isFinite(state.context) ? state.context : 0;
});

async function openFirst() {
  const keeps = await store.open();
  openConversation(store.get(session.get()) || store.create());
  if (!keeps) toast('This browser keeps no data for the page: conversations last until it is closed');
}

function begin() {
  settings.setup();
  listen();
  if (!overlay.matches && kept('suan.panel')) showPanel(true, false);
  arrange();
  $('prompt').focus({ preventScroll: true });
  loadModels();
}

const opened = openFirst();
begin();
