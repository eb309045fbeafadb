"""Steps: the server's state, appearance, phone, keyboard, accessibility, and who was asked for anything."""
import os
import subprocess
import sys
import zipfile

import a11y
from steps_base import DONE, LAST, holds, same

BACKGROUND = "getComputedStyle(document.body).backgroundColor"
SIDEWAYS = "document.documentElement.scrollWidth > innerWidth || [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && !e.closest('pre, .table, [inert], .sr') && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80)).join()"
LIGHT, DARK = "rgb(251, 250, 247)", "rgb(23, 22, 20)"


def shows_server(d):
    """speed, requests, context and memory, renewed every second while the page is seen"""
    page = d.page
    d.panel()
    facts = page.wait("document.querySelectorAll('#facts dt').length >= 5 && document.querySelector('#facts').innerText")
    for part in ("Model", "Context", "tokens/s", "Answers", "Weights", "Cache", "Memory of the process", "iB"):
        holds(facts, part)
    page.wait("!document.querySelector('#spark').hidden && document.querySelector('#spark-line').getAttribute('points').split(' ').length >= 3")
    page.pump()
    before = sum(url.endswith("/live") for url in page.requests)
    page.wait("new Promise((f) => setTimeout(() => f(true), 2200))")
    page.pump()
    asked = sum(url.endswith("/live") for url in page.requests) - before
    assert 1 <= asked <= 4, f"asked {asked} times in 2.2 s"


def shows_experts(d):
    """a map of layers and experts, a layer in words, two periods; nothing for dense models"""
    page = d.page
    d.panel()
    page.wait("!document.querySelector('#experts').hidden")
    same(page.js("[document.querySelector('#heat').width, document.querySelector('#heat').height]"), [64, 26], "size of the map")
    colours = page.js("new Set(new Uint32Array(document.querySelector('#heat').getContext('2d').getImageData(0, 0, 64, 26).data.buffer)).size")
    assert colours > 20, f"{colours} colours"
    page.click("#layer")
    page.key("Home")
    for _ in range(3):
        page.key("ArrowRight")
    same(page.js("document.querySelector('#layer-name').textContent"), "Layer 3", "layer by keys")
    holds(page.js("document.querySelector('#layer-text').textContent"), "Most used: ")
    point = page.at("#heat")
    page.send("Input.dispatchMouseEvent", {"type": "mouseMoved", **point})
    page.wait("['Layer 12', 'Layer 13'].includes(document.querySelector('#layer-name').textContent)")
    all_time = page.js("document.querySelector('#layer-text').textContent")
    page.click(".segment label:has([value=minute])")
    page.wait(f"document.querySelector('#layer-text').textContent !== {all_time!r}")
    page.shot("experts-light")
    page.scheme("dark")
    page.shot("experts-dark")
    page.scheme("light")
    page.click(".segment label:has([value=all])")
    d.mock.dense = True
    page.wait("document.querySelector('#experts').hidden")
    d.mock.dense = False
    page.wait("!document.querySelector('#experts').hidden")


def shows_a_models_experts(d):
    """a real mixture's experts: none used at first, then those of a prompt"""
    page = d.page
    d.open()
    d.panel()
    page.wait("!document.querySelector('#experts').hidden")
    page.js("document.querySelector('#layer').scrollIntoView()")
    same(page.js("document.querySelector('#layer-text').textContent"), "Not used in this period.", "before any prompt")
    status = page.js("fetch('v1/completions', { method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: 'Bearer ' + sessionStorage.getItem('suan.key') },"
                     "body: JSON.stringify({ model: document.querySelector('#model').textContent, prompt: 'hello', max_tokens: 20 }) }).then((r) => r.status)")
    same(status, 200, "completion")
    page.wait("document.querySelector('#layer-text').textContent.startsWith('Most used: ')")
    page.shot("real-experts")


def chooses_a_model(d):
    """with several models there is a choice, and it is kept"""
    page = d.page
    d.panel(False)
    same(page.js("document.querySelector('#model-choice').hidden"), True, "choice of one")
    d.mock.models = ["seed-tiny", "other/large"]
    d.open()
    page.wait("!document.querySelector('#model-choice').hidden")
    page.choose("#models", "other/large")
    d.new()
    d.say("hello")
    same(d.body()["model"], "other/large", "model")
    d.open()
    page.wait("document.querySelector('#models').value === 'other/large'")
    d.mock.models = ["seed-tiny"]
    d.open()


def changes_appearance(d):
    """light and dark by the system and by choice; the choice is kept"""
    page = d.page
    d.panel()
    same(page.js(BACKGROUND), LIGHT, "by the system")
    page.click("#themes label:has([value=dark])")
    same(page.js(BACKGROUND), DARK, "chosen dark")
    d.panel(False)
    d.open()
    same(page.js(BACKGROUND), DARK, "dark after a reload")
    page.scheme("dark")
    d.panel()
    page.click("#themes label:has([value=light])")
    same(page.js(BACKGROUND), LIGHT, "chosen light, the system dark")
    page.click("#themes label:has([value=system])")
    same(page.js(BACKGROUND), DARK, "by the dark system")
    page.scheme("light")
    same(page.js(BACKGROUND), LIGHT, "by the light system")
    d.panel(False)


def fits_a_phone(d):
    """from 320 px on nothing is cut or scrolls sideways; drawers open, close and hold the focus"""
    page = d.page
    if d.mock:
        d.new()
        d.say("rich")
        page.click(".row-open")
    for width in (320, 390):
        page.size(width, 640 if width == 320 else 844, 2, True)
        page.wait("getComputedStyle(document.querySelector('#side-open')).display !== 'none'")
        same(page.js(SIDEWAYS) or "", "", f"too wide at {width} px")
        page.js("document.querySelector('#scroll').scrollTop = 0")
        page.shot(f"phone-{width}")
        page.js("document.querySelector('#scroll').scrollTop = 700")
        page.shot(f"phone-{width}-further")
    page.size(320, 640, 2, True)
    page.click("#side-open")
    page.wait("document.activeElement.id === 'side-close' && document.querySelector('#main').inert")
    page.shot("phone-list")
    same(a11y.check(page), [], "accessibility of the list")
    page.key("Escape")
    page.wait("document.activeElement.id === 'side-open' && !document.querySelector('#main').inert && document.querySelector('#side').inert")
    page.click("#side-open")
    page.click("#new")
    page.wait("document.querySelector('#side').inert && document.activeElement.id === 'prompt'")
    page.shot("phone-empty")
    page.click("#panel-open")
    page.wait("document.activeElement.id === 'panel-close' && document.querySelector('#main').inert")
    same(page.js(SIDEWAYS) or "", "", "settings too wide")
    page.shot("phone-settings")
    page.scheme("dark")
    page.shot("phone-settings-dark")
    page.scheme("light")
    same(a11y.check(page), [], "accessibility of the settings")
    page.click("#panel-close")
    page.wait("!document.querySelector('#main').inert")
    d.say("phone", timeout=60)
    same(page.js(SIDEWAYS) or "", "", "an answer too wide")
    page.size(1280, 800)
    page.wait("getComputedStyle(document.querySelector('#side-open')).display === 'none' && !document.querySelector('#side').inert")


def is_operable_by_keyboard(d):
    """Tab reaches everything, the focus shows, the skip link skips, Enter and Space operate"""
    page = d.page
    if d.mock:
        d.new()
        d.say("rich")
    page.fill("#prompt", "x")
    d.panel()
    reached, wrong = a11y.walk(page)
    same(wrong, [], "focus")
    missing = {"new", "export", "import", "row-open", "panel-open", "prompt", "send", "panel-close", "system", "set-temperature", "set-seed", "set-stop", "set-thinking"} - set(reached)
    same(sorted(missing), [], "not reached by Tab")
    page.js("document.querySelector('#panel-close').focus()")
    page.key("Enter")
    page.wait("document.querySelector('#panel').hidden && document.activeElement.id === 'panel-open'")
    page.key(" ")
    page.wait("!document.querySelector('#panel').hidden")
    page.key(" ")
    page.wait("document.querySelector('#panel').hidden")
    page.js("document.activeElement.blur(); document.querySelector('.skip').focus()")
    page.shot("skip-link")
    page.key("Enter")
    page.text("y")
    same(page.js("document.activeElement.id"), "prompt", "focus after the skip link")
    page.js("document.querySelector('#prompt').value = ''")


def is_accessible(d):
    """names, roles, headings, landmarks, contrast and sizes, in each state and both appearances"""
    page = d.page
    d.open()
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        d.panel(False)
        d.new()
        same(a11y.check(page), [], f"empty, {scheme}")
        if d.mock:
            for text in ("rich", "think", "full", "hostile"):
                d.say(text)
                page.js("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
            d.expected_errors += ["503"]
        same(a11y.check(page), [], f"conversation, {scheme}")
        d.panel()
        same(a11y.check(page), [], f"settings, {scheme}")
        page.js("document.querySelector('#panel-body').scrollTop = 9999")
        page.shot("panel-end-" + scheme)
        d.panel(False)
        if page.js("document.querySelectorAll('.row').length"):
            page.click(".row:nth-child(1) .row-open")
            page.click(".row:nth-child(1) [aria-label^=Delete]")
            page.wait("document.querySelector('#ask-dialog').open")
            same(a11y.check(page), [], f"dialog, {scheme}")
            page.click("#ask-cancel")
    page.scheme("light")


def axe_source(folder):
    """The text of axe-core from PyPI, or None."""
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check", "--retries", "0", "--timeout", "10", "-d", folder,
                    "axe-playwright-python==0.1.8"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for name in os.listdir(folder):
        if name.startswith("axe_playwright_python") and name.endswith(".whl"):
            with zipfile.ZipFile(os.path.join(folder, name)) as wheel:
                return next((wheel.read(n).decode() for n in wheel.namelist() if n.endswith("axe.min.js")), None)
    return None


def passes_axe(d):
    """axe-core finds nothing in a conversation with the settings open"""
    page = d.page
    source = axe_source(page.shots)
    if source is None:
        print("# skipped: 2 runs of axe-core, which PyPI did not give")
        return
    # Runs beside the page's own scripts, so that the page's policy need not allow it.
    frame = page.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
    world = page.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "axe", "grantUniveralAccess": True})["executionContextId"]
    run = lambda text: page.send("Runtime.evaluate", {"expression": text, "contextId": world, "awaitPromise": True, "returnByValue": True}, 60)
    run(source + "; 0")
    d.panel()
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        out = run("axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.map((v) => v.id + ': ' + v.help + ': ' + v.nodes.map((n) => n.target + ' ' + n.failureSummary).join(' / ')))")
        assert "value" in out["result"], out
        same(out["result"]["value"], [], f"axe-core, {scheme}")
    page.scheme("light")
    d.panel(False)


def asked_nobody_else(d):
    """no request to another origin, no error in the console, no violation of the policy"""
    d.page.pump()
    others = [url for url in d.page.requests if not url.startswith((d.base, "blob:" + d.base.rstrip("/")))]
    same(others, [], "requests to others")
    assert len(d.page.requests) > 20, "requests were not seen"
    same(d.quiet(), [], "console")
