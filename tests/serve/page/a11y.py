"""Checks of accessibility on the page as it is now: names, roles, references, headings, landmarks, contrast, sizes. Each gives sentences that say what is wrong."""

# What can be operated must have a name; the browser computes it as it does for screen readers.
OPERABLE = {"button", "link", "textbox", "searchbox", "combobox", "checkbox", "radio", "slider", "spinbutton", "menuitem", "listbox", "switch", "tab", "DisclosureTriangle"}
NAMED = OPERABLE | {"dialog", "region", "navigation", "form", "image", "img", "figure"} - {"figure"}

PAGE = r"""(() => {
const out = [];
const seen = (e) => e.checkVisibility({ opacityProperty: false, visibilityProperty: true }) && !e.closest('[inert]');
const all = [...document.querySelectorAll('body *')].filter(seen);
const at = (e) => e.outerHTML.slice(0, 100).replace(/\s+/g, ' ');
if (!document.documentElement.lang) out.push('html has no lang');
if (!document.title) out.push('no title');

// Each id once; every reference leads somewhere.
const ids = new Map();
for (const e of document.querySelectorAll('[id]')) ids.set(e.id, (ids.get(e.id) || 0) + 1);
for (const [id, n] of ids) if (n > 1) out.push(`id ${id} stands ${n} times`);
for (const name of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for'])
    for (const e of document.querySelectorAll(`[${name}]`))
        for (const id of e.getAttribute(name).split(/\s+/)) if (!ids.has(id)) out.push(`${name}="${id}" leads nowhere: ${at(e)}`);

// Roles and states that ARIA knows, in places where it allows them.
const ROLES = new Set('alert img region status dialog log group presentation none'.split(' '));
const STATES = new Set('label labelledby describedby controls expanded hidden live current invalid busy valuetext checked'.split(' ').map((x) => 'aria-' + x));
for (const e of document.querySelectorAll('*')) {
    if (e.hasAttribute('role') && !ROLES.has(e.getAttribute('role'))) out.push('role: ' + at(e));
    for (const a of e.attributes) if (a.name.startsWith('aria-') && !STATES.has(a.name)) out.push(`${a.name}: ${at(e)}`);
    if (e.tabIndex > 0) out.push('tabindex above 0: ' + at(e));
    if (e.closest('[aria-hidden=true]') && e.tabIndex >= 0 && seen(e) && e.matches('a, button, input, textarea, select')) out.push('hidden but reached: ' + at(e));
}

// Landmarks and headings: one main, one h1, no level left out.
for (const [tag, n] of [['main', 1], ['h1', 1]]) if (document.querySelectorAll(tag).length !== n) out.push(`not ${n} ${tag}`);
let level = 0;
for (const e of all.filter((x) => /^H[1-6]$/.test(x.tagName) && x.closest('main, dialog'))) {
    const n = Number(e.tagName[1]);
    if (n > level + 1 && !e.closest('dialog')) out.push(`h${n} after h${level}: ${at(e)}`);
    if (!e.textContent.trim()) out.push('empty heading: ' + at(e));
    level = n;
}
for (const e of all) if (e.tagName === 'IMG' && !e.hasAttribute('alt')) out.push('no alt: ' + at(e));
for (const e of document.querySelectorAll('ul, ol')) for (const c of e.children) if (c.tagName !== 'LI') out.push('in a list, not an item: ' + at(c));
for (const e of all) if ((e.scrollWidth > e.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)) && e.tabIndex < 0 && !e.querySelector('button, a, [tabindex]') && e.tagName !== 'TEXTAREA')
    out.push('scrolls but takes no focus: ' + at(e));

// Large enough to hit (24 px), except links in text.
for (const e of all.filter((x) => x.matches('button, select, input:not([type=radio], [type=checkbox]), summary'))) {
    const b = e.getBoundingClientRect();
    if (b.width && (b.width < 24 || b.height < 24) && !e.matches('.sr *, .sr, .segment *') && e.type !== 'range') out.push(`smaller than 24 px (${b.width} x ${b.height}): ${at(e)}`);
}

// Contrast of every text against what is painted behind it.
const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
const rgba = (c) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = c;
    canvas.fillRect(0, 0, 1, 1);
    const d = canvas.getImageData(0, 0, 1, 1).data;
    return [d[0], d[1], d[2], d[3] / 255];
};
const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
const behind = (e) => {
    const layers = [];
    for (let n = e; n; n = n.parentElement) {
        const c = rgba(getComputedStyle(n).backgroundColor);
        if (c[3] > 0) layers.push(c);
        if (c[3] === 1) break;
    }
    return layers.reverse().reduce((b, c) => over(c, b), rgba(getComputedStyle(document.body).backgroundColor));
};
const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((x) => (x / 255 <= 0.04045 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
let n_texts = 0;
const check = (e, colour, least, what) => {
    const back = behind(e);
    const r = ratio(over(rgba(colour), back), back);
    n_texts++;
    if (r < least) out.push(`contrast ${r.toFixed(2)} of ${what}: ${at(e)}`);
};
for (const e of all) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || e.closest('.sr, :disabled, svg, .row-tools')) continue;
    const s = getComputedStyle(e);
    const large = parseFloat(s.fontSize) >= 24 || (parseFloat(s.fontSize) >= 18.66 && Number(s.fontWeight) >= 700);
    check(e, s.color, large ? 3 : 4.5, 'text');
    if (Number(s.opacity) < 1) out.push('faded text: ' + at(e));
}
for (const e of all.filter((x) => x.matches('[placeholder]'))) check(e, getComputedStyle(e, '::placeholder').color, 4.5, 'placeholder');
for (const e of all.filter((x) => x.matches('input:not([type=radio], [type=checkbox], [type=range]), select, .panel textarea, dialog input, .composer-box'))) check(e.parentElement, getComputedStyle(e).borderTopColor, 3, 'a field\'s edge');
if (n_texts < 5) out.push('only ' + n_texts + ' texts were found');
return out;
})()"""


def check(page):
    """All that is wrong with the page as it is now."""
    wrong = list(page.js(PAGE))
    for node in page.send("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        if node.get("ignored") or role not in NAMED:
            continue
        if not str(node.get("name", {}).get("value", "")).strip():
            wrong.append(f"a {role} without a name (node {node['nodeId']})")
    return wrong


FOCUS = r"""(() => {
const e = document.activeElement;
if (!e || e === document.body) return null;
const target = e.matches('.segment input') ? e.nextElementSibling : e.matches('#prompt') ? e.closest('.composer-box') : e;
const s = getComputedStyle(target);
const b = target.getBoundingClientRect();
return { id: e.id || e.className || e.tagName, key: [e.tagName, e.id, e.getAttribute('aria-label'), e.textContent.slice(0, 30), Math.round(b.left), Math.round(b.top)].join('|'),
    shown: parseFloat(s.outlineWidth) >= 2 && s.outlineStyle !== 'none', seen: b.width > 0 && b.right > 0 && b.left < innerWidth && Number(s.opacity) > 0 && !e.closest('.row-tools:not(:hover)[hidden]') };
})()"""


def walk(page, most=240):
    """Presses Tab until the focus has come round twice (what is drawn anew meanwhile may send it back to the start); gives what was reached and what was wrong with it."""
    page.js("document.querySelector('.skip').focus()")
    reached, wrong, again = [], [], 0
    for _ in range(most):
        page.key("Tab")
        here = page.js(FOCUS)
        if again > len(reached):
            break
        if here is None:
            continue
        if here["key"] in [r["key"] for r in reached]:
            again += 1
            continue
        reached.append(here)
        if not here["shown"]:
            wrong.append(f"focus is not shown at {here['key']}")
        if not here["seen"]:
            wrong.append(f"focus at something not seen: {here['key']}")
    return [r["id"] for r in reached], wrong
