"""Writes tests/data/regex_cases.txt: expressions, texts, and whether Python's re.fullmatch (and re.search) says that they match.

Lines: an expression, behind it the texts with '1' or '0' in front for fullmatch and for search, all separated by tabs; the characters tab,
newline, carriage return and backslash are written as \\t, \\n, \\r, \\\\.
    python3 scripts/gen_regex_cases.py > tests/data/regex_cases.txt
"""
import random
import re
import warnings

warnings.simplefilter("ignore")
random.seed(20)
LETTERS = ["a", "b", "c", "1", " ", "é", "-", "."]
FIXED = [
    r"abc", r"a|b|cd", r"(ab)+", r"(?:ab|c)*d?", r"[a-c]+", r"[^a-c]+", r"[]a]+", r"[^]a]+", r"[a\-c]+", r"[-a]+", r"[a-]+", r"[\d.]+",
    r"\d{3}", r"\d{2,}", r"\d{1,2}-\d{1,2}", r"\w+ \w+", r"\s*\S+\s*", r"\D+", r"\W+", r".*", r"a.c", r"(?s:a.c)", r"(?i:AbC)", r"(?i)abc",
    r"a{,2}b", r"a{2", r"a{x}", r"{", r"a}", r"a{0}b", r"a*?b+?c??", r"\.", r"\n\t\r\x41\u00e9", r"\\", r"(a|b)*abb", r"(a*)*b", r"(a|a?)+",
    r"((a{1,2}){2}){2}", r"(x+x+)+y", r"^abc$", r"^a|b$", r"\Aabc\Z", r"^(a|b)+$", r"(^a|b)", r"()", r"", r"a||b", r"(?P<name>a)b", r"é+",
    r"[à-é]+", r"[^é]", r"\x61{2}", r"[\x00-\x1f]", r"[\s\S]", r"[^\s\S]a|b", r"(?i:É)", r"a(?:b(?:c(?:d)?)?)?", r"$", r"^", r"^$", r"\bab",
    r"(a)\1", r"(?=a)a", r"(?!a)b", r"(?<=a)b", r"a++", r"(", r")", r"[", r"[z-a]", r"*", r"a**", r"\q", r"(?x:a)", r"[\w-a]", r"\x4",
]


def random_expression(depth=0):
    kind = random.randrange(9 if depth < 4 else 3)
    if kind == 0:
        return re.escape(random.choice(LETTERS))
    if kind == 1:
        return random.choice(["[ab]", "[^b]", r"\d", r"\w", r"\s", ".", "[b-c1]", r"[^\w]", "[é-]"])
    if kind == 2:
        return random.choice(["a", "b", "ab", ""])
    if kind in (3, 4, 5):
        return random_expression(depth + 1) + random_expression(depth + 1)
    if kind == 6:
        return "(?:" + random_expression(depth + 1) + "|" + random_expression(depth + 1) + ")"
    if kind == 7:
        return "(" + random_expression(depth + 1) + ")" + random.choice(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])
    return random_expression(depth + 1)


def escape(s):
    return s.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def texts_for(expression):
    texts = {"", "a", "b", "ab", "abc", "aab", "abb", "ABC", "d", "cd", "é", "1", "12", "a\nc", "-", "\\"}
    while len(texts) < 34:
        texts.add("".join(random.choice(LETTERS[:3] if random.random() < 0.5 else LETTERS) for _ in range(random.randrange(1, 9))))
    extra = {r"\d{1,2}-\d{1,2}": "12-3", r"(x+x+)+y": "xxxxy", r"\w+ \w+": "ab c", r"\n\t\r\x41\u00e9": "\n\t\rAé", r"((a{1,2}){2}){2}": "aaaaaa",
             r"a{2": "a{2", r"a{x}": "a{x}", r"{": "{", r"a}": "a}"}
    texts.add(extra.get(expression, "x"))
    return sorted(texts)


expressions = list(FIXED)
while len(expressions) < 400:
    e = random_expression()
    if e not in expressions:
        expressions.append(e)
for e in expressions:
    try:
        compiled = re.compile(e, 0 if "É" in e else re.ASCII)  # case is folded beyond ASCII here
    except re.error:
        print(escape(e))
        continue
    row = [escape(e)]
    for t in texts_for(e):
        row.append("%d%d%s" % (compiled.fullmatch(t) is not None, compiled.search(t) is not None, escape(t)))
    print("\t".join(row))
