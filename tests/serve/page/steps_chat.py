"""Steps: messages and answers."""
import time

from steps_base import DONE, LAST, holds, same


def opens(d):
    """the empty page stands, with the model and the server's state"""
    d.open()
    page = d.page
    page.wait("document.querySelector('#state').textContent === 'Ready'")
    page.wait("document.querySelector('#model').textContent.length > 0")
    same(page.js("document.activeElement.id"), "prompt", "what has the focus")
    same(page.js("document.querySelector('#send').disabled"), True, "Send without a text")
    page.scheme("light")
    page.shot("empty-light")
    page.scheme("dark")
    page.shot("empty-dark")
    page.scheme("light")
    same(d.quiet(), [], "console")


def sends(d):
    """Enter sends, Shift+Enter begins a line, the button sends too"""
    page = d.page
    page.fill("#prompt", "first line")
    page.key("Enter", shift=True)
    page.text("second line")
    before = len(d.mock.bodies)
    same(page.js("document.querySelector('#prompt').value"), "first line\nsecond line", "field after Shift+Enter")
    same(len(d.mock.bodies), before, "requests after Shift+Enter")
    page.key("Enter")
    page.wait("document.querySelectorAll('.answer').length === 1")
    page.wait(DONE)
    holds(d.last(), "You said: first line")
    page.fill("#prompt", "by button")
    page.click("#send")
    page.wait("document.querySelectorAll('.answer').length === 2")
    page.wait(DONE)
    body = d.body()
    same([m["role"] for m in body["messages"]], ["user", "assistant", "user"], "roles")
    same(body["messages"][0]["content"], "first line\nsecond line", "message sent")
    same(sorted(body), ["messages", "model", "stream", "stream_options"], "members without touched settings")
    same(page.js("document.querySelector('#title').textContent"), "first line", "title")


def streams_and_tells_speed(d):
    """words appear one by one, with speed and time to the first; the end is read out once"""
    page = d.page
    d.new()
    d.say("slow", wait=False)
    page.wait(LAST + ".innerText.length > 40")
    n = page.js(LAST + ".innerText.length")
    page.wait(f"{LAST}.innerText.length > {n}")
    page.wait("/\\d tokens\\/s · First token after \\d/.test(document.querySelector('#speed').textContent)")
    same(page.js("document.querySelector('#said').textContent"), "", "read out while streaming")
    page.wait("/answering/i.test(document.querySelector('#state').textContent)")
    page.shot("streaming")
    page.key("Escape")
    page.wait(DONE)
    d.say("hello")
    holds(page.js("document.querySelector('#said').textContent"), "You said: hello")
    holds(page.js(LAST + ".querySelector('.stats').textContent"), " tokens · ")
    holds(page.js(LAST + ".querySelector('.stats').textContent"), " · 3.3 J")
    holds(page.js("document.querySelector('#speed').textContent"), "of 32,768 tokens of context")


def renders_markdown(d):
    """headings, lists, tables, code, quotes, links, emphasis"""
    page = d.page
    d.new()
    d.say("rich")
    for selector, n in (("h3", 1), ("h4", 1), ("ol > li", 2), ("ul ul, ol ul", 1), ("table", 1), ("th[scope=col]", 3), ("td", 6), ("blockquote", 1), ("pre code", 1), ("strong", 1),
                        ("del", 1), ("hr", 1), (".task", 2), ("code.math", 1), ("code span.c-word", 1), ("code span.c-note", 1)):
        found = page.js(f"{LAST}.querySelectorAll('.md {selector}').length")
        assert found >= n, f"{selector}: found {found}, expected {n}"
    links = page.js(f"[...{LAST}.querySelectorAll('a')].map((a) => [a.href, a.rel, a.target, a.textContent])")
    same([link[0] for link in links], ["https://example.org/goldberg", "https://example.com/a_b_c"], "addresses")
    assert all("noopener" in link[1] and link[2] == "_blank" for link in links), links
    holds(links[0][3], "example.org")
    same(links[1][3], "https://example.com/a_b_c", "an address that speaks for itself")
    page.js("document.querySelector('#scroll').scrollTop = 0")
    page.shot("answer-light")
    page.scheme("dark")
    page.shot("answer-dark")
    page.scheme("light")


def copies(d):
    """the buttons copy code, answer and message as they came"""
    page = d.page
    page.js("document.querySelector('.code').scrollIntoView()")
    page.click(".code-head button")
    page.wait("navigator.clipboard.readText().then((t) => t.startsWith('/* Adds n numbers') && t.includes('for (size_t i = 0; i < n; i++)\\n        total'))")
    page.click(".answer .tools [aria-label='Copy answer']")
    page.wait("navigator.clipboard.readText().then((t) => t.startsWith('## Adding numbers exactly'))")
    page.click(".user .tools [aria-label='Copy message']")
    page.wait("navigator.clipboard.readText().then((t) => t === 'rich')")
    # Without the clipboard's newer interface, as on pages without TLS.
    page.js("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })")
    page.click(".code-head button")
    page.wait("document.querySelector('#said').textContent === 'Copied'")
    page.js("delete navigator.clipboard")
    page.wait("navigator.clipboard.readText().then((t) => t.startsWith('/* Adds n numbers'))")


def folds_thinking(d):
    """thoughts are folded, open on a click, and say how long they took"""
    page = d.page
    d.new()
    d.say("think", wait=False)
    page.wait(f"{LAST}.querySelector('.think summary').textContent === 'Thinking' && !{LAST}.querySelector('.think').hidden")
    page.wait(DONE)
    same(page.js(f"{LAST}.querySelector('details').open"), False, "open before a click")
    assert page.js(f"/^Thought for \\d+\\.\\d s$/.test({LAST}.querySelector('summary').textContent)"), page.js(LAST + ".querySelector('summary').textContent")
    page.click(".answer summary")
    page.wait(f"{LAST}.querySelector('.thoughts strong')?.textContent === 'Careful'")
    page.shot("thinking")
    d.say("and more")
    assert all("asks for a sum" not in m["content"] for m in d.body()["messages"]), "thoughts were sent back"


def stops(d):
    """the button and Esc stop; what was said stays; the server sees the client leave"""
    page = d.page
    for how in ("button", "Escape"):
        d.new()
        d.mock.gone.clear()
        d.say("slow", wait=False)
        page.wait(LAST + ".innerText.length > 40")
        if how == "button":
            page.click("#stop")
        else:
            page.key("Escape")
        page.wait(DONE)
        holds(d.last(), "Stopped here.")
        holds(d.last(), "The machine reads")
        assert d.mock.gone.wait(5), "the server did not see the client leave"
        same(page.js("document.activeElement.id"), "prompt", "focus after " + how)
    d.say("stall", wait=False)
    page.wait("/^Reading… \\d/.test(document.querySelector('#speed').textContent)")
    page.click("#stop")
    page.wait(DONE)
    d.say("after a stop")
    same([m["content"] for m in d.body()["messages"]][-1], "stall\n\nafter a stop", "two questions in a row are one")


def edits(d):
    """a message written anew is answered anew, and what followed is gone"""
    page = d.page
    d.new()
    d.say("one")
    d.say("two")
    page.click(".user [aria-label='Edit message']")
    page.wait("document.activeElement.classList.contains('editor')")
    page.shot("editing")
    page.text(" changed")
    page.key("Escape")
    page.wait("!document.querySelector('.editor')")
    same(page.js("document.querySelectorAll('.msg').length"), 4, "messages after Esc")
    same(page.js("document.activeElement.getAttribute('aria-label')"), "Edit message", "focus after Esc")
    page.click(".user [aria-label='Edit message']")
    page.text(" changed")
    page.click(".edit-foot .primary")
    page.wait("document.querySelectorAll('.msg').length === 2")
    page.wait(DONE)
    same([m["content"] for m in d.body()["messages"]], ["one changed"], "messages sent")
    holds(d.last(), "You said: one changed")


def answers_again(d):
    """an answer is given again; an earlier one after a question"""
    page = d.page
    before = len(d.mock.bodies)
    page.click(".answer [aria-label='Answer again']")
    page.wait("document.querySelectorAll('.answer').length === 1")
    page.wait(DONE)
    same(len(d.mock.bodies), before + 1, "requests")
    same([m["role"] for m in d.body()["messages"]], ["user"], "roles")
    d.say("second")
    page.click(".answer [aria-label='Answer again']")
    page.wait("document.querySelector('#ask-dialog').open")
    page.click("#ask-cancel")
    page.wait("!document.querySelector('#ask-dialog').open")
    same(page.js("document.querySelectorAll('.msg').length"), 4, "messages after Cancel")
    page.click(".answer [aria-label='Answer again']")
    page.wait("document.querySelector('#ask-dialog').open")
    page.click("#ask-ok")
    page.wait("document.querySelectorAll('.msg').length === 2")
    page.wait(DONE)


def follows_the_end(d):
    """the view follows the answer until the user scrolls away, and comes back by a button"""
    page = d.page
    d.new()
    d.say("long")
    page.wait("(() => { const s = document.querySelector('#scroll'); return s.scrollHeight - s.scrollTop - s.clientHeight < 5; })()")
    d.say("slow", wait=False)
    page.wait(LAST + ".innerText.length > 20")
    page.js("document.querySelector('#scroll').scrollTop = 0")
    page.wait("!document.querySelector('#jump').hidden")
    time.sleep(0.2)
    same(page.js("document.querySelector('#scroll').scrollTop"), 0, "scrolled away and still there")
    page.shot("long-scrolled")
    page.click("#jump")
    page.wait("document.querySelector('#jump').hidden && document.querySelector('#scroll').scrollTop > 100")
    page.key("Escape")
    page.wait(DONE)


def sends_to_a_model(d):
    """a real model answers in a stream, with speed and number of tokens"""
    d.page.scheme("light")
    d.say("Write a short story about a cat.", timeout=60)
    assert d.page.js(LAST + ".querySelector('.md:not(.thoughts)').innerText.length") > 0 or d.page.js(LAST + ".querySelector('.think')"), "an empty answer"
    assert d.page.js(f"!{LAST}.querySelector('.failure')"), d.last()
    holds(d.page.js(LAST + ".querySelector('.stats').textContent"), "token")
    holds(d.page.js("document.querySelector('#speed').textContent"), "tokens of context")
    d.page.shot("real-answer")


def stops_a_model(d):
    """Esc stops a real model, and the server is free soon after"""
    d.new()
    d.say("Count from one to ten thousand.", wait=False)
    d.page.wait(f"{LAST}.innerText.length > 10 || {DONE}", 60)
    d.page.key("Escape")
    d.page.wait(DONE)
    d.page.wait("document.querySelector('#state').textContent === 'Ready'", 20)


def edits_with_a_model(d):
    """a message to a real model is written anew"""
    page = d.page
    d.new()
    d.say("one", timeout=60)
    page.click(".user [aria-label='Edit message']")
    page.text(" changed")
    page.key("Enter")
    page.wait("document.querySelector('.bubble').textContent === 'one changed'")
    page.wait(DONE, 60)
    assert page.js(f"!{LAST}.querySelector('.failure')"), d.last()


def answers_again_with_a_model(d):
    """with the same seed, an answer given again is the same"""
    page = d.page
    d.panel()
    page.fill("#set-seed", "7")
    page.fill("#set-max_tokens", "24")
    d.panel(False)
    texts = []
    for _ in range(2):
        page.js(LAST + ".dataset.old = ''")
        page.click(".answer [aria-label='Answer again']")
        page.wait(f"{LAST} && !('old' in {LAST}.dataset) && {DONE}", 60)
        texts.append(page.js(LAST + ".querySelector('.md:not(.thoughts)').innerText"))
    same(texts[1], texts[0], "the same seed")
