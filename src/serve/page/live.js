/* The server's state, asked for once a second while the page is seen: speed, requests, memory, experts. */
import { getJson, hasKey } from './api.js';
import { $, bytes, count, h, rate } from './dom.js';

const PERIOD_MS = 1000;
const AWAY_MS = 3000;     // between questions to a server that does not answer
const N_RATES = 120;      // seconds that the curve shows
const N_SNAPSHOTS = 13;   // of the experts' counts, one every five polls: a minute
const N_BEST = 5;

const isNumber = Number.isFinite;

export class Live {
  /* `changed(live)` is called with each answer, and with null when there is none. */
  constructor(changed) {
    this.changed = changed;
    this.rates = [];
    this.snapshots = [];
    this.n_polls = 0;
    this.use = null;
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.poll());
    document.addEventListener('themechange', () => this.draw());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
    $('layer').addEventListener('input', () => this.showLayer());
    for (const input of document.querySelectorAll('input[name=period]')) input.addEventListener('change', () => this.draw());
    $('heat').addEventListener('pointermove', (event) => this.point(event));
    this.timer = 0;
    this.poll();
  }

  async poll() {
    clearTimeout(this.timer);
    if (document.visibilityState !== 'visible') return;
    let wait = PERIOD_MS;
    try {
      this.show(await getJson('live'));
    } catch (error) {
      wait = AWAY_MS;
      await this.away(error);
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), wait);
  }

  /* Why there is no answer: nobody there, a key wanting, or a server without this address. */
  async away(error) {
    let text = 'Not reachable';
    if (error.status === 401) text = hasKey() ? 'Key not accepted' : 'Key needed';
    else if (error.status) {
      text = await getJson('health').then(() => 'Ready', () => 'Not ready');
    }
    this.state(text, text === 'Ready' ? 'ready' : 'away');
    $('server-note').hidden = text === 'Ready';
    $('server-note').textContent = error.status ? error.said || error.what : 'The server does not answer. See that suan serve is running.';
    this.changed(null);
  }

  state(text, dot) {
    $('state').textContent = text;
    $('dot').className = 'dot ' + dot;
  }

  show(live) {
    const { active = 0, queued = 0 } = live.requests || {};
    this.state(active ? (queued ? `${count(active)} answering, ${count(queued)} waiting` : active > 1 ? `${count(active)} answering` : 'Answering') : 'Ready', active ? 'busy' : 'ready');
    $('server-note').hidden = true;
    this.facts(live, active, queued);
    this.rates.push(isNumber(live.tokens_per_second) ? live.tokens_per_second : 0);
    if (this.rates.length > N_RATES) this.rates.shift();
    this.curve();
    this.experts(live.experts);
    this.changed(live);
  }

  facts(live, active, queued) {
    const m = live.memory || {};
    const rows = [['Model', live.model || '']];
    if (isNumber(live.context)) rows.push(['Context', count(live.context) + ' tokens']);
    if (isNumber(live.tokens_per_second)) rows.push(['Speed, all answers', rate(live.tokens_per_second)]);
    rows.push(['Answers', `${count(active)} running, ${count(queued)} waiting`]);
    if (isNumber(m.weights_bytes)) rows.push(['Weights', bytes(m.weights_bytes)]);
    if (isNumber(m.cache_bytes)) rows.push(['Cache', isNumber(m.cache_used_bytes) ? `${bytes(m.cache_used_bytes)} of ${bytes(m.cache_bytes)}` : bytes(m.cache_bytes)]);
    if (isNumber(m.rss_bytes)) rows.push(['Memory of the process', bytes(m.rss_bytes)]);
    const list = $('facts');
    rows.forEach(([name, text], i) => {
      const row = list.children[i] || list.appendChild(h('div', null, h('dt'), h('dd', { dir: 'auto' })));
      if (row.firstChild.textContent !== name) row.firstChild.textContent = name;
      if (row.lastChild.textContent !== text) row.lastChild.textContent = text;
    });
    while (list.children.length > rows.length) list.lastChild.remove();
  }

  curve() {
    const top = Math.max(...this.rates) || 1;
    const x = (i) => 120 - (this.rates.length - 1 - i) * (120 / (N_RATES - 1));
    const points = this.rates.map((r, i) => `${x(i).toFixed(1)},${(30 - (28 * r) / top).toFixed(1)}`);
    $('spark').hidden = this.rates.length < 3;
    $('spark-line').setAttribute('points', points.join(' '));
    $('spark-area').setAttribute('d', `M${x(0).toFixed(1)},32 L${points.join(' L')} L120,32 Z`);
  }

  experts(experts) {
    const fits = experts && Array.isArray(experts.use) && experts.use.length > 0 && experts.use.every((row) => Array.isArray(row) && row.length === experts.use[0].length);
    $('experts').hidden = !fits;
    if (!fits) {
      this.use = null;
      return;
    }
    this.use = experts.use;
    if (this.n_polls++ % 5 === 0) {
      this.snapshots.push(this.use);
      if (this.snapshots.length > N_SNAPSHOTS) this.snapshots.shift();
    }
    $('layer').max = this.use.length - 1;
    this.draw();
  }

  /* The counts of the chosen period. */
  counts() {
    const old = document.querySelector('input[name=period]:checked').value === 'minute' ? this.snapshots[0] : null;
    if (!old || old.length !== this.use.length) return this.use;
    return this.use.map((row, i) => row.map((n, j) => Math.max(0, n - old[i][j])));
  }

  /* One pixel an expert; CSS makes them larger. A layer's strongest expert has the full colour. */
  draw() {
    if (!this.use || $('panel').hidden) return;
    const rows = this.counts();
    const canvas = $('heat');
    canvas.width = rows[0].length;
    canvas.height = rows.length;
    const context = canvas.getContext('2d');
    const image = context.createImageData(canvas.width, canvas.height);
    const colour = (name) => getComputedStyle(canvas).getPropertyValue(name).match(/[\d.]+/g).map(Number);
    const [low, high] = [colour('background-color'), colour('color')];
    rows.forEach((row, i) => {
      const top = Math.max(...row) || 1;
      row.forEach((n, j) => {
        const share = Math.sqrt(n / top);
        for (let c = 0; c < 3; c++) image.data[(i * row.length + j) * 4 + c] = low[c] + (high[c] - low[c]) * share;
        image.data[(i * row.length + j) * 4 + 3] = 255;
      });
    });
    context.putImageData(image, 0, 0);
    canvas.style.aspectRatio = `${canvas.width} / ${Math.min(canvas.width, Math.max(canvas.height, canvas.width / 4))}`;
    canvas.setAttribute('aria-label', `Use of ${count(canvas.width)} experts in ${count(canvas.height)} layers; the slider below tells of one layer`);
    this.showLayer(rows);
  }

  point(event) {
    if (!this.use) return;
    const box = $('heat').getBoundingClientRect();
    $('layer').value = Math.floor(((event.clientY - box.top) / box.height) * this.use.length);
    this.showLayer();
  }

  /* A layer's most used experts in words. */
  showLayer(given) {
    if (!this.use) return;
    const rows = given && given.length ? given : this.counts();
    const i = Math.min(Number($('layer').value), rows.length - 1);
    const total = rows[i].reduce((a, b) => a + b, 0);
    const best = rows[i].map((n, j) => [n, j]).sort((a, b) => b[0] - a[0]).slice(0, N_BEST).filter(([n]) => n > 0);
    $('layer-name').textContent = `Layer ${i}`;
    const text = total ? 'Most used: ' + best.map(([n, j]) => `${j} (${((100 * n) / total).toFixed(1)} %)`).join(', ') : 'Not used in this period.';
    if ($('layer-text').textContent !== text) $('layer-text').textContent = text;
    $('layer').setAttribute('aria-valuetext', `Layer ${i}. ${text}`);
  }
}
