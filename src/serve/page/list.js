/* The list of conversations at the side: open, rename, delete, export, import. */
import { $, ask, h, iconButton, toast } from './dom.js';
import * as store from './store.js';

export const titleOf = (conv) => conv.title || 'New conversation';

/* `app`: {current(), isRunning(id), open(conv), closed(id), renamed(conv)} */
export class List {
  constructor(app) {
    this.app = app;
    $('export').addEventListener('click', () => this.save());
    $('import').addEventListener('click', () => $('import-file').click());
    $('import-file').addEventListener('change', () => this.load());
  }

  show() {
    const current = this.app.current();
    const conversations = store.list();
    $('list').replaceChildren(...conversations.map((conv) => this.row(conv, conv.id === current.id)));
    $('list-empty').hidden = conversations.length > 0;
    $('export').disabled = conversations.length === 0;
  }

  row(conv, is_current) {
    const title = titleOf(conv);
    const running = this.app.isRunning(conv.id);
    const open = h('button', { type: 'button', class: 'row-open', 'aria-current': is_current ? 'true' : null, on: { click: () => this.app.open(conv) } },
      h('span', { class: 'row-title', dir: 'auto', text: title }), running ? h('span', { class: 'dot busy', role: 'img', 'aria-label': 'answering' }) : null);
    return h('li', { class: 'row' + (is_current ? ' current' : '') }, open,
      h('span', { class: 'row-tools' }, iconButton('edit', `Rename “${title}”`, () => this.rename(conv)),
        iconButton('trash', `Delete “${title}”`, () => this.remove(conv))));
  }

  async rename(conv) {
    const title = await ask('Rename conversation', '', 'Rename', titleOf(conv));
    if (!title) return;
    conv.title = title;
    conv.named = true;
    await this.app.keep(conv);
    this.app.renamed(conv);
    this.show();
  }

  async remove(conv) {
    if (!(await ask('Delete conversation?', `“${titleOf(conv)}” is kept in this browser only and cannot be brought back.`, 'Delete'))) return;
    this.app.closed(conv.id);
    await store.remove(conv.id);
    this.show();
    $('prompt').focus();
    toast('Conversation deleted');
  }

  save() {
    const url = URL.createObjectURL(new Blob([store.exportText()], { type: 'application/json' }));
    const name = `suan-conversations-${new Date().toISOString().slice(0, 10)}.json`;
    h('a', { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    toast(`Exported as ${name}`);
  }

  async load() {
    const file = $('import-file').files[0];
    $('import-file').value = '';
    if (!file) return;
    try {
      const { added, newer, same } = await store.importText(await file.text());
      toast(`Imported: ${added} new, ${newer} replaced by newer ones, ${same} already here`);
      this.app.imported();
    } catch (error) {
      toast(`${file.name} was not imported. ${error.message}.`);
    }
    this.show();
  }
}
