"""Steps: settings, and conversations kept in the browser."""
import json
import os
import pathlib
import tempfile
import time

from steps_base import DONE, LAST, holds, same

TOUCHED = {"temperature": ("0.7", 0.7), "top_p": ("0.9", 0.9), "max_tokens": ("64", 64), "seed": ("42", 42), "presence_penalty": ("0.5", 0.5), "frequency_penalty": ("-0.5", -0.5)}
ROWS = "[...document.querySelectorAll('.row-title')].map((e) => e.textContent)"


def sends_settings(d):
    """each setting reaches the request once touched, and none before"""
    page = d.page
    d.new()
    d.panel()
    for name, (text, _) in TOUCHED.items():
        page.fill("#set-" + name, text)
    page.fill("#set-stop", "END")
    page.choose("#set-thinking", "off")
    page.choose("#set-reasoning_effort", "high")
    d.say("settings")
    body = d.body()
    for name, (_, value) in TOUCHED.items():
        same(body.get(name), value, name)
    same(body.get("stop"), ["END"], "stop")
    same(body.get("chat_template_kwargs"), {"enable_thinking": False}, "chat_template_kwargs")
    same(body.get("reasoning_effort"), "high", "reasoning_effort")
    page.shot("settings")
    d.open()
    same(page.js("document.querySelector('#set-seed').value"), "42", "seed after a reload")
    page.click("#reset")
    same(page.js("[...document.querySelectorAll('#fields input, #fields select')].map((e) => e.value).join('')"), "", "fields emptied")
    d.say("no settings")
    same(sorted(d.body()), ["messages", "model", "stream", "stream_options"], "members")


def refuses_wrong_settings(d):
    """a value out of range is named and not sent"""
    page = d.page
    for text, why in (("9", "From 0 to 2. Not used."), ("-1", "From 0 to 2. Not used.")):
        page.fill("#set-temperature", text)
        same(page.js("document.querySelector('#set-temperature-hint').textContent"), why, "hint")
        same(page.js("document.querySelector('#set-temperature').getAttribute('aria-invalid')"), "true", "aria-invalid")
    page.fill("#set-seed", "1.5")
    same(page.js("document.querySelector('#set-seed-hint').textContent"), "Whole numbers only. Not used.", "hint")
    page.shot("settings-wrong")
    d.say("wrong settings")
    assert "temperature" not in d.body() and "seed" not in d.body(), d.body()
    page.click("#reset")
    same(page.js("document.querySelectorAll('[aria-invalid=true]').length"), 0, "fields that are wrong")


def sends_system_prompt(d):
    """the system prompt comes first, belongs to its conversation and stays"""
    page = d.page
    d.new()
    page.fill("#system", "Answer in one word.")
    d.say("hello")
    same(d.body()["messages"][0], {"role": "system", "content": "Answer in one word."}, "first message")
    d.new()
    same(page.js("document.querySelector('#system').value"), "", "system prompt of a new conversation")
    d.say("other")
    same(d.body()["messages"][0]["role"], "user", "first message")
    page.click(".row:nth-child(2) .row-open")
    page.wait("document.querySelector('#system').value === 'Answer in one word.'")
    d.panel(False)


def lists_conversations(d):
    """new, open, rename, delete"""
    d.fresh()
    page = d.page
    for text in ("alpha", "beta", "gamma"):
        d.new() if text != "alpha" else None
        d.say(text, timeout=60)
    same(page.js(ROWS), ["gamma", "beta", "alpha"], "titles, newest first")
    page.click(".row:nth-child(3) .row-open")
    page.wait("document.querySelector('.bubble').textContent === 'alpha'")
    same(page.js("document.querySelector('.row.current .row-title').textContent"), "alpha", "current")
    page.click(".row:nth-child(3) [aria-label^=Rename]")
    page.wait("document.querySelector('#ask-dialog').open && document.activeElement.id === 'ask-input'")
    page.shot("rename")
    page.text("A better title")
    page.key("Enter")
    page.wait("document.querySelector('#title').textContent === 'A better title'")
    page.click(".row.current [aria-label^=Delete]")
    page.wait("document.querySelector('#ask-dialog').open")
    page.key("Escape")
    page.wait("!document.querySelector('#ask-dialog').open")
    same(page.js("document.querySelectorAll('.row').length"), 3, "rows after Esc")
    page.click(".row.current [aria-label^=Delete]")
    page.click("#ask-ok")
    page.wait("document.querySelectorAll('.row').length === 2 && document.querySelectorAll('.msg').length === 0")
    same(page.js(ROWS), ["gamma", "beta"], "titles after one was deleted")


def outlives_a_reload(d):
    """what was open is open again, with all its messages"""
    page = d.page
    page.click(".row:nth-child(2) .row-open")
    page.wait("document.querySelector('.bubble')?.textContent === 'beta'")
    before = d.last()
    d.open()
    page.wait("document.querySelector('.bubble')?.textContent === 'beta'")
    same(d.last(), before, "answer after a reload")
    same(page.js(ROWS), ["gamma", "beta"], "titles after a reload")


def choose_file(d, path):
    page = d.page
    page.choosers.clear()
    page.click("#import")
    for _ in range(100):
        page.pump()
        if page.choosers:
            break
        time.sleep(0.02)
    assert page.choosers, "no file was asked for"
    page.send("DOM.setFileInputFiles", {"files": [str(path)], "backendNodeId": page.choosers[-1]})


def exports_and_imports(d):
    """export writes JSON; import brings it back, and refuses what it cannot read as a whole"""
    page = d.page
    with tempfile.TemporaryDirectory() as folder:
        page.browser.send("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": folder})
        page.click("#export")
        for _ in range(250):
            files = [f for f in os.listdir(folder) if f.endswith(".json")]
            if files:
                break
            time.sleep(0.02)
        assert files, "nothing was downloaded"
        path = pathlib.Path(folder) / files[0]
        data = json.loads(path.read_text())
        same([data["format"], data["version"], len(data["conversations"])], ["suan conversations", 1, 2], "export")
        for _ in range(2):
            page.click(".row:nth-child(1) .row-open")
            page.click(".row:nth-child(1) [aria-label^=Delete]")
            page.click("#ask-ok")
            page.wait("!document.querySelector('#ask-dialog').open")
        page.wait("document.querySelectorAll('.row').length === 0 && !document.querySelector('#list-empty').hidden")
        choose_file(d, path)
        page.wait(ROWS + ".join() === 'gamma,beta'")
        holds(page.js("document.querySelector('#toast').textContent"), "2 new")
        choose_file(d, path)
        page.wait("document.querySelector('#toast').textContent.includes('2 already here')")
        wrong = {"no.json": "{", "other.json": json.dumps({"a": 1}), "version.json": json.dumps({**data, "version": 9}),
                 "list.json": json.dumps({**data, "conversations": [data["conversations"][0], {"id": "x"}]}),
                 "role.json": json.dumps({**data, "conversations": [{**data["conversations"][0], "messages": [{"role": "tool", "content": 1}]}]})}
        for name, text in wrong.items():
            (pathlib.Path(folder) / name).write_text(text)
            choose_file(d, pathlib.Path(folder) / name)
            page.wait(f"document.querySelector('#toast').textContent.startsWith('{name} was not imported. ')")
        page.shot("import-wrong")
    same(page.js(ROWS), ["gamma", "beta"], "titles after wrong files")
    page.click(".row:nth-child(1) .row-open")
    page.wait("document.querySelector('.bubble')?.textContent === 'gamma'")


def answers_beside_each_other(d):
    """an answer goes on while another conversation is open"""
    page = d.page
    d.new()
    d.say("slow", wait=False)
    page.wait(LAST + ".innerText.length > 20")
    d.new()
    page.wait("document.querySelector('#stop').hidden && document.querySelectorAll('.row .dot.busy').length === 1")
    d.say("quick one")
    page.click(".row:nth-child(2) .row-open")
    page.wait("document.querySelector('#send').hidden")
    n = page.js(LAST + ".innerText.length")
    page.wait(f"{LAST}.innerText.length > {n}")
    page.click("#stop")
    page.wait(DONE)


def sends_settings_to_a_server(d):
    """a real server takes every setting"""
    page = d.page
    d.new()
    d.panel()
    for name, (text, _) in TOUCHED.items():
        page.fill("#set-" + name, "16" if name == "max_tokens" else text)
    page.fill("#set-stop", "END")
    page.choose("#set-thinking", "off")
    page.choose("#set-reasoning_effort", "high")
    page.fill("#system", "Answer in one word.")
    d.say("settings", timeout=60)
    failure = page.js(f"{LAST}.querySelector('.failure')?.innerText")
    page.click("#reset")
    page.fill("#set-max_tokens", "24")
    d.panel(False)
    same(failure, None, "failure")
