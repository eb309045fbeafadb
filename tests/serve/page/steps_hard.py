"""Steps: keys, errors, hostile and huge answers."""
import time

import answers
from steps_base import DONE, LAST, holds, same


def asks_for_a_key(d):
    """a key is asked for, a wrong one refused, the right one kept as chosen, and forgotten"""
    page = d.page
    d.fresh()
    d.mock.key = "sk-test"
    d.expected_errors += ["401"]
    d.open()
    page.wait("document.querySelector('#key-dialog').open && document.activeElement.id === 'key'")
    page.shot("key-dialog")
    page.text("wrong")
    page.key("Enter")
    page.wait("document.querySelector('#key-dialog').open && !document.querySelector('#key-wrong').hidden")
    page.text("sk-test")
    page.click("#key-form .primary")
    page.wait("!document.querySelector('#key-dialog').open && document.querySelector('#model').textContent === 'seed-tiny'")
    same(page.js("[sessionStorage.getItem('suan.key'), localStorage.getItem('suan.key')]"), ["sk-test", None], "key in this window only")
    d.say("with a key")
    same(d.mock.authorizations[-1], "Bearer sk-test", "Authorization")
    d.panel()
    page.click("#forget")
    same(page.js("[sessionStorage.getItem('suan.key'), localStorage.getItem('suan.key')]"), [None, None], "key after Forget")
    d.panel(False)
    d.say("without", wait=False)
    page.wait("document.querySelector('#key-dialog').open")
    page.click("#key-cancel")
    page.wait(DONE)
    holds(d.last(), "asks for an API key")
    page.click(".failure .button")
    page.wait("document.querySelector('#key-dialog').open")
    page.click("#key-keep")
    page.fill("#key", "sk-test")
    page.key("Enter")
    page.wait(f"{DONE} && {LAST}.innerText.includes('You said: without')")
    same(page.js("[sessionStorage.getItem('suan.key'), localStorage.getItem('suan.key')]"), [None, "sk-test"], "key in the browser")
    d.panel()
    page.click("#forget")
    d.panel(False)
    d.mock.key = None


def gives_a_server_its_key(d):
    """a real server's question for a key is passed on; a wrong key is refused, the right one opens"""
    page = d.page
    d.expected_errors += ["status of 401"]
    page.scheme("light")
    page.open(d.base)
    page.wait("document.querySelector('#key-dialog').open && document.querySelector('#state').textContent === 'Key needed'")
    page.text("sk-wrong")
    page.key("Enter")
    page.wait("document.querySelector('#key-dialog').open && !document.querySelector('#key-wrong').hidden")
    page.text(d.key)
    page.click("#key-form .primary")
    page.wait("!document.querySelector('#key-dialog').open && document.querySelector('#state').textContent === 'Ready'")


ERRORS = {
    "full": ("no room", "All 4 places are taken.", "wait 7 s"), "many": ("as many requests as it can take", "This key has 8", "wait 2 s"),
    "context": ("longer than the model’s context", "needs 40,000", "new conversation"), "refuse": ("cannot answer this request", "temperature: expected", "settings"),
    "fail": ("The server failed", "The engine failed.", "its log"), "cut": ("ended before its end", "Half an answ", "keep what there is"),
    "error": ("The server failed", "out of luck", "Half an answ"), "rubbish": ("cannot be read", "JSON", "Half an answ"), "length": ("at its limit of tokens", "in the mid", "settings raises it"),
}


def tells_of_errors(d):
    """each failure says what happened, what the server said, and what to do"""
    page = d.page
    d.open()
    d.expected_errors += ["status of 503", "status of 429", "status of 400", "status of 500"]
    for name, parts in ERRORS.items():
        d.new()
        d.say(name)
        for part in parts:
            holds(d.last(), part)
        if name in ("full", "error"):
            page.shot("error-" + name)
    same(page.js("document.querySelectorAll('.failure').length"), 0, "a limit is no failure")
    holds(page.js("document.querySelector('#said').textContent"), "in the mid")
    # The server goes away and comes back.
    d.new()
    d.expected_errors += ["ERR_", "Failed to load"]
    page.send("Network.emulateNetworkConditions", {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
    d.say("hello")
    holds(d.last(), "cannot be reached")
    page.wait("document.querySelector('#state').textContent === 'Not reachable'")
    page.shot("error-unreachable")
    page.send("Network.emulateNetworkConditions", {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
    page.click(".failure .button")
    page.wait(f"{DONE} && {LAST}.innerText.includes('You said: hello')")
    page.wait("document.querySelector('#state').textContent === 'Ready'", 15)


def tells_a_servers_errors(d):
    """a real server's refusal is shown in its own words, with what to do"""
    page = d.page
    d.new()
    d.expected_errors += ["status of 400"]
    d.say("more than fits. " * 20000, timeout=60)
    for part in ("longer than the model’s context", "token", "Begin a new conversation", "Try again"):
        holds(d.last(), part)
    page.shot("real-error")
    d.new()


def runs_no_script_of_a_model(d):
    """hostile Markdown and HTML stay text: no script, no picture, no form, only sound links; unseen characters are shown"""
    page = d.page
    d.new()
    page.js("window.seen = []; document.addEventListener('securitypolicyviolation', (e) => window.seen.push(e.violatedDirective))")
    d.say("hostile")
    time.sleep(0.2)
    same(page.js("window.pwned"), None, "window.pwned")
    same(page.js("window.seen"), [], "violations of the policy")
    for tag in ("script", "img", "iframe", "svg:not(button svg, summary svg)", "form", "style", "base", "meta", "input", "object"):
        same(page.js(f"document.querySelectorAll('.answer {tag}').length"), 0, tag)
    links = page.js("[...document.querySelectorAll('.answer .md a')].map((a) => [a.href, a.textContent])")
    assert all(href.startswith(("https://", "mailto:")) for href, _ in links), links
    holds(str(links), "bank.example evil.example")
    same(page.js("[...document.querySelectorAll('.answer .md *')].flatMap((e) => [...e.attributes]).filter((a) => a.name.startsWith('on') || a.name === 'style').length"), 0, "handlers and styles")
    text = d.last()
    for part in ("<script>window.pwned = 1</script>", "onerror=", "U+202E", "U+2028", "U+E0041", "U+0007", "U+2066", "javascript:window.pwned=3", "window.pwned = 5"):
        holds(text, part)
    page.shot("hostile")
    # The policy itself: neither a string nor HTML becomes a script.
    same(page.js("(() => { try { document.body.insertAdjacentHTML('beforeend', '<b>x</b>'); return 'made'; } catch (e) { return e.name; } })()"), "TypeError", "HTML from a string")
    inline = "(() => { const s = document.createElement('script'); s.append('window.pwned = 9'); document.head.append(s); return window.pwned; })()"
    d.expected_errors += ["Content Security Policy", "TrustedScript", "TrustedHTML"]
    try:
        same(page.js(inline), None, "an inline script")
    except Exception as error:
        holds(str(error), "TrustedScript")


def reads_huge_answers(d):
    """a megabyte of backticks, of code spans, and nesting of thousands take about as long as they are long"""
    page = d.page
    for name in ("ticks", "ticks2", "deep"):
        d.new()
        begun = time.monotonic()
        d.say(name, timeout=30)
        page.wait("new Promise((f) => requestAnimationFrame(() => f(true)))", 30)
        took = time.monotonic() - begun
        print(f"# {name}: {took:.1f} s")
        assert took < 20, f"{name} took {took:.1f} s"
    d.new()


def settles_like_it_streams(d):
    """however an answer is cut into pieces, it ends as the same page"""
    page = d.page
    texts = [answers.RICH, answers.HOSTILE, "a\n1.5 x\n# \n#b\n", "- a\n\n\n- b\n  1. c\n\ntext\n1.", "a|b\n-|-\nc|d\n\n|x", "```\na\n\n```\nb\n~~~\n", "\\[\n- x\n\\]\nend", "a\r\n\r\nb\r\n- c\r"]
    out = page.js(f"""(async () => {{
        const {{ Markdown }} = await import('./page/render.js');
        const wrong = [];
        for (const [i, text] of {texts!r}.entries()) for (const step of [1, 2, 3, 7, 50]) {{
            const [one, many] = [document.createElement('div'), document.createElement('div')];
            new Markdown(one).finish(text);
            const m = new Markdown(many);
            for (let n = step; n < text.length; n += step) m.update(text.slice(0, n));
            m.finish(text);
            if (one.innerHTML !== many.innerHTML) wrong.push([i, step, one.innerHTML.slice(0, 500), many.innerHTML.slice(0, 500)]);
        }}
        return wrong;
    }})()""", 60)
    same(out, [], "pieces and whole")
