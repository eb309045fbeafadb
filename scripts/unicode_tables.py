#!/usr/bin/env python3
"""Writes src/text/unicode_tables.c: the one Unicode version that token ids and chat templates depend on (docs/design.md, section 3,
rule 10).

Needs unicodedata2==16.0.0 (categories, numeric values, combining classes, decompositions) and any Python 3.11 or later (case mappings, of
which the additions of Unicode 16.0 are listed below, and those of later versions are left out). The ranges of White_Space,
Other_Lowercase, Other_Uppercase and Script=Han are stated here, from PropList.txt and Scripts.txt.

    python3 scripts/unicode_tables.py src/text/unicode_tables.c
"""
import sys

import unicodedata2 as ud

VERSION = "16.0.0"
CATEGORIES = ("Cn Cc Cf Co Cs Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs").split()
WHITE_SPACE = [(0x9, 0xD), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
               (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)]
HAN = [(0x2E80, 0x2E99), (0x2E9B, 0x2EF3), (0x2F00, 0x2FD5), (0x3005, 0x3005), (0x3007, 0x3007), (0x3021, 0x3029), (0x3038, 0x303B),
       (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFA6D), (0xFA70, 0xFAD9), (0x16FE2, 0x16FE3), (0x16FF0, 0x16FF1),
       (0x20000, 0x2A6DF), (0x2A700, 0x2B739), (0x2B740, 0x2B81D), (0x2B820, 0x2CEA1), (0x2CEB0, 0x2EBE0), (0x2EBF0, 0x2EE5D),
       (0x2F800, 0x2FA1D), (0x30000, 0x3134A), (0x31350, 0x323AF)]
OTHER_LOWERCASE = [(0xAA, 0xAA), (0xBA, 0xBA), (0x2B0, 0x2B8), (0x2C0, 0x2C1), (0x2E0, 0x2E4), (0x345, 0x345), (0x37A, 0x37A),
                   (0x10FC, 0x10FC), (0x1D2C, 0x1D6A), (0x1D78, 0x1D78), (0x1D9B, 0x1DBF), (0x2071, 0x2071), (0x207F, 0x207F),
                   (0x2090, 0x209C), (0x2170, 0x217F), (0x24D0, 0x24E9), (0x2C7C, 0x2C7D), (0xA69C, 0xA69D), (0xA770, 0xA770),
                   (0xA7F2, 0xA7F4), (0xA7F8, 0xA7F9), (0xAB5C, 0xAB5F), (0xAB69, 0xAB69), (0x10780, 0x10780), (0x10783, 0x10785),
                   (0x10787, 0x107B0), (0x107B2, 0x107BA), (0x1E030, 0x1E06D)]
OTHER_UPPERCASE = [(0x2160, 0x216F), (0x24B6, 0x24CF), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189)]
# Case pairs (upper, lower) that Unicode 16.0 added after 14.0; 15.0 and 15.1 added none.
CASE_16 = [(0x1C89, 0x1C8A), (0xA7CB, 0x264), (0xA7CC, 0xA7CD), (0xA7DA, 0xA7DB), (0xA7DC, 0x19B)]
CASE_16 += [(0x10D50 + i, 0x10D70 + i) for i in range(22)]

# Simple foldings of characters whose full folding is longer: CaseFolding.txt, status S.
FOLD_SIMPLE = [(0x1FD3, 0x390), (0x1FE3, 0x3B0), (0xFB05, 0xFB06)]

ALL = [c for c in range(0x110000)]


def runs(value, default=None):
    out, last = [], None
    for c in ALL:
        v = value(c)
        if v != last:
            out.append((c, v))
            last = v
    return out


def ranges(test):
    out = []
    for c in ALL:
        if not test(c):
            continue
        if out and out[-1][1] == c - 1:
            out[-1] = (out[-1][0], c)
        else:
            out.append((c, c))
    return out


def map_runs(m):
    """A mapping as (first, last, step, delta): first, first + step, ... last map to themselves + delta."""
    out, pairs, i = [], [(c, d - c) for c, d in sorted(m.items())], 0
    while i < len(pairs):
        (c, delta), step, j = pairs[i], 1, i
        if i + 1 < len(pairs) and pairs[i + 1] in ((c + 1, delta), (c + 2, delta)):
            step = pairs[i + 1][0] - c
        while j + 1 < len(pairs) and pairs[j + 1] == (pairs[j][0] + step, delta):
            j += 1
        out.append((c, pairs[j][0], step, delta))
        i = j + 1
    return out


def case_maps():
    lower, upper, title, fold, full_upper, full_lower, full_title = {}, {}, {}, {}, {}, {}, {}
    known = lambda text: all(ud.category(x) != "Cn" for x in text)
    for c in ALL:
        if 0xD800 <= c < 0xE000 or not known(chr(c)):
            continue
        s = chr(c)
        up, low, f = (x if known(x) else s for x in (s.upper(), s.lower(), s.casefold()))
        for text, one, full in ((low, lower, full_lower), (up, upper, full_upper)):
            if len(text) == 1:
                one[c] = ord(text)
            else:
                full[c] = [ord(x) for x in text]
        # Title case: only what differs from upper case.
        if len(s.title()) == 1 and known(s.title()) and s.title() != up:
            title[c] = ord(s.title())
        elif len(s.title()) > 1 and s.title() != up:
            full_title[c] = [ord(x) for x in s.title()]
        fold[c] = ord(f) if len(f) == 1 else lower.get(c, c)
    lower[0x130] = 0x69  # the simple mapping of UnicodeData.txt
    fold.update(FOLD_SIMPLE)
    for u, l in CASE_16:
        lower[u], upper[l], fold[u] = l, u, l
        title.pop(l, None)
    drop = lambda m: {c: d for c, d in sorted(m.items()) if c != d}
    return drop(lower), drop(upper), title, drop(fold), full_upper, full_lower, full_title


def write(out, text):
    out.append(text)


def rows(items, per_line=8):
    lines = []
    for i in range(0, len(items), per_line):
        lines.append("    " + ", ".join(items[i:i + per_line]) + ",")
    return "\n".join(lines)


def main(path):
    assert ud.unidata_version == VERSION, ud.unidata_version
    out = []
    write(out, f"/* unicode_tables.c: made by scripts/unicode_tables.py from Unicode {VERSION}; not edited by hand. */")
    write(out, '#include "text/unicode_tables.h"\n')
    write(out, f'const char suan__unicode_version[] = "{VERSION}";\n')

    cats = runs(lambda c: CATEGORIES.index(ud.category(chr(c))))
    emit = lambda ctype, name, items, per: write(
        out, f"const {ctype} {name}[] = {{\n{rows(items, per)}\n}};\nconst uint32_t {name}_n = {len(items)};\n")
    emit("uint32_t", "suan__unicode_category_runs", [f"0x{c << 5 | v:X}" for c, v in cats], 12)
    emit("suan__unicode_range", "suan__unicode_white_space", [f"{{0x{a:X}, 0x{b:X}}}" for a, b in WHITE_SPACE], 6)
    emit("suan__unicode_range", "suan__unicode_han", [f"{{0x{a:X}, 0x{b:X}}}" for a, b in HAN], 6)
    for name, r in (("other_lowercase", OTHER_LOWERCASE), ("other_uppercase", OTHER_UPPERCASE),
                    ("digit", ranges(lambda c: ud.category(chr(c)) == "No" and ud.digit(chr(c), None) is not None)),
                    ("numeral", ranges(lambda c: ud.category(chr(c))[0] != "N" and ud.numeric(chr(c), None) is not None))):
        emit("suan__unicode_range", f"suan__unicode_{name}", [f"{{0x{a:X}, 0x{b:X}}}" for a, b in r], 6)
    emit("uint32_t", "suan__unicode_ccc_runs", [f"0x{c << 8 | v:X}" for c, v in runs(lambda c: ud.combining(chr(c)))], 12)

    pool, canon, compat = [], [], []
    def place(s):
        text = [ord(x) for x in s]
        at = len(pool)
        pool.extend(text)
        return at, len(text)
    for c in ALL:
        if 0xD800 <= c < 0xE000 or 0xAC00 <= c <= 0xD7A3:
            continue
        nfd, nfkd = ud.normalize("NFD", chr(c)), ud.normalize("NFKD", chr(c))
        if nfd != chr(c):
            canon.append((c, *place(nfd)))
        if nfkd != nfd:
            compat.append((c, *place(nfkd)))
    emit("uint32_t", "suan__unicode_decomposition_pool", [f"0x{c:X}" for c in pool], 14)
    emit("suan__unicode_decomposition", "suan__unicode_canonical", [f"{{0x{c:X}, {a}, {n}}}" for c, a, n in canon], 7)
    emit("suan__unicode_decomposition", "suan__unicode_compatible", [f"{{0x{c:X}, {a}, {n}}}" for c, a, n in compat], 7)
    pairs = []
    for c in ALL:
        d = ud.decomposition(chr(c))
        if not d or d.startswith("<") or " " not in d or 0xAC00 <= c <= 0xD7A3:
            continue
        if ud.normalize("NFC", chr(c)) == chr(c):  # not a composition exclusion
            a, b = (int(x, 16) for x in d.split())
            pairs.append((a, b, c))
    pairs.sort()
    emit("suan__unicode_pair", "suan__unicode_compositions", [f"{{0x{a:X}, 0x{b:X}, 0x{c:X}}}" for a, b, c in pairs], 5)

    lower, upper, title, fold, full_upper, full_lower, full_title = case_maps()
    for name, m in (("lower", lower), ("upper", upper), ("title", title), ("fold", fold)):
        emit("suan__unicode_map", f"suan__unicode_{name}_map",
             [f"{{0x{a:X}, 0x{b:X}, {step}, {delta}}}" for a, b, step, delta in map_runs(m)], 5)
    for name, m in (("lower", full_lower), ("upper", full_upper), ("title", full_title)):
        emit("suan__unicode_full", f"suan__unicode_full_{name}",
             ["{0x%X, {%s}}" % (c, ", ".join(f"0x{x:X}" for x in (d + [0, 0, 0])[:3])) for c, d in m.items()], 4)
    with open(path, "w", encoding="ascii") as f:
        f.write("\n".join(out))


main(sys.argv[1])
