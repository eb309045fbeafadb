"""What the scripted server answers, by the first word of the last paragraph."""
import dataclasses

RICH = """## Adding numbers exactly

A computer keeps a number in a **fixed** number of bits, so most sums are *rounded*. The order then matters:

1. `(a + b) + c` and `a + (b + c)` may differ in the last bit.
2. Threads that finish in another order add in another order.
   - The sum changes from run to run.
   - So does everything ~~below~~ after it.

```c
/* Adds n numbers in one fixed order: the same bits on every machine. */
static float sum(const float *x, size_t n) {
    float total = 0.0f;
    for (size_t i = 0; i < n; i++)
        total += x[i]; // no reassociation
    return total;
}
```

### How large is the difference?

| Numbers | Fixed order | Any order |
|:--|--:|--:|
| 1,000 | 0 | 3 × 10⁻⁶ |
| 1,000,000 | 0 | 2 × 10⁻³ |

> Fix the order once, and *every* machine agrees.

- [x] write the order down
- [ ] test it on another machine

More on this: [What every computer scientist should know](https://example.org/goldberg) or <https://example.com/a_b_c>.

---

And as a formula: \\(s_{i+1} = s_i + x_i\\)
"""

HOSTILE = """<script>window.pwned = 1</script><img src=x onerror="window.pwned = 2"> <svg onload=alert(1)> <iframe src="https://evil.example/"></iframe>

[a](javascript:window.pwned=3) [b](JaVaScRiPt:alert(1)) [c](java
script:alert(1)) [d](data:text/html,<script>alert(1)</script>) [e](vbscript:x) [f](//evil.example/x) [g](/v1/models) [h](&#106;avascript:alert(1)) <javascript:alert(1)>

![picture](https://evil.example/track.png) ![x](data:image/svg+xml,<svg/onload=alert(1)>) [good](https://example.org/ok "title") [bank.example](https://evil.example/) [mail](mailto:a@example.org)

[x](https://example.org/" onclick="window.pwned=4) <a href="javascript:alert(1)">y</a> <style>body{display:none}</style>

````html
```
<script>window.pwned = 5</script>
```
````

Line\u2028separator, override \u202eevil\u202c end, isolate \u2066x\u2069, tag \U000e0041, nul \u0000, bell \u0007.

``` "><img src=x onerror=window.pwned=6>
if (user == "admin\u202e") { }
```

| <b>h</b> | <script>x</script> |
|---|---|
| <img src=x onerror=window.pwned=7> | [z](javascript:1) |

<details open ontoggle=window.pwned=8> <form action=https://evil.example><input name=q></form> <base href=https://evil.example/> <meta http-equiv=refresh content="0;url=https://evil.example/">
"""

THINKING = "The user asks for a sum. **Careful**: `2 + 2` is 4.\n\nI should say so plainly.\n"
PARAGRAPH = "The machine reads one matrix after the other and multiplies; what it has read once it does not forget until the answer is done. "
DEEP = "> " * 3000 + "x\n\n" + "- " * 3000 + "x\n\n" + "*a " * 20000 + "*" * 3 + "\n\n" + "[" * 20000 + "]" * 20000


@dataclasses.dataclass
class Script:
    text: str = ""
    thinking: str = ""
    first_s: float = 0.0
    pause_s: float = 0.002
    piece: int = 8
    finish: str = "stop"
    status: int = 200
    message: str = ""
    code: str = None
    headers: tuple = ()
    broken: str = ""


SCRIPTS = {
    "rich": Script(RICH),
    "hostile": Script(HOSTILE, piece=7, pause_s=0.001),
    "think": Script("2 + 2 = **4**.", THINKING, pause_s=0.02),
    "slow": Script(PARAGRAPH * 200, pause_s=0.02),
    "stall": Script("Late.", first_s=30),
    "long": Script("\n\n".join(PARAGRAPH * 3 for _ in range(12)), piece=40),
    "ticks": Script("`" * (1 << 20), piece=1 << 16),
    "ticks2": Script("a " + "` `` " * 200000, piece=1 << 16),
    "deep": Script(DEEP, piece=1 << 14),
    "length": Script("This ends in the mid", finish="length"),
    "full": Script(status=503, message="All 4 places are taken.", headers=(("Retry-After", "7"),)),
    "many": Script(status=429, message="This key has 8 requests running.", headers=(("Retry-After", "2"),)),
    "context": Script(status=400, message="The request needs 40,000 tokens; the context has 32,768.", code="context_length_exceeded"),
    "refuse": Script(status=400, message="temperature: expected 0 to 2, found 9."),
    "fail": Script(status=500, message="The engine failed."),
    "cut": Script("Half an answ", broken="cut"),
    "error": Script("Half an answ", broken="error"),
    "rubbish": Script("Half an answ", broken="rubbish"),
}


def script(message):
    first = message.split("\n\n")[-1].split(None, 1)[0] if message.strip() else ""
    return SCRIPTS.get(first) or Script(f"You said: {message}")
