/* utf8.c: UTF-8 as RFC 3629, section 4, writes its grammar.
 *
 * The first byte decides the length and which second bytes are allowed; that is where overlong forms (E0 80..9F, F0 80..8F),
 * surrogates (ED A0..BF) and numbers above U+10FFFF (F4 90..BF) are refused. All later bytes are 80..BF.
 */
#include "base/utf8.h"

typedef struct lead {
    size_t length;             /* bytes of the whole character, 0: cannot begin one */
    unsigned char first, last; /* range of the second byte */
    unsigned char bits;        /* payload of the first byte */
} lead;

static lead classify(unsigned char c) {
    if (c < 0x80) return (lead){1, 0, 0, c};
    if (c < 0xC2) return (lead){0, 0, 0, 0};
    if (c < 0xE0) return (lead){2, 0x80, 0xBF, c & 0x1F};
    if (c < 0xF0) return (lead){3, c == 0xE0 ? 0xA0 : 0x80, c == 0xED ? 0x9F : 0xBF, c & 0x0F};
    if (c < 0xF5) return (lead){4, c == 0xF0 ? 0x90 : 0x80, c == 0xF4 ? 0x8F : 0xBF, c & 0x07};
    return (lead){0, 0, 0, 0};
}

/* How many of the n bytes at s fit the character that s[0] begins; at most its length. */
static size_t matching(const unsigned char *s, size_t n, lead l) {
    size_t i = 1;
    if (i < n && i < l.length && (s[i] < l.first || s[i] > l.last)) return i;
    while (i < n && i < l.length && (s[i] & 0xC0) == 0x80) i++;
    return i;
}

size_t suan__utf8_decode(const char *s, size_t n, uint32_t *cp) {
    if (n == 0) return 0;
    const unsigned char *u = (const unsigned char *)s;
    lead l = classify(u[0]);
    if (l.length == 0 || matching(u, n, l) != l.length) return 0;
    uint32_t value = l.bits;
    for (size_t i = 1; i < l.length; i++) value = value << 6 | (u[i] & 0x3F);
    *cp = value;
    return l.length;
}

size_t suan__utf8_encode(uint32_t cp, char s[4]) {
    if (cp < 0x80) {
        s[0] = (char)cp;
        return 1;
    }
    size_t length = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        s[i] = (char)(0x80 | (cp & 0x3F));
        cp >>= 6;
    }
    static const unsigned char marks[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    s[0] = (char)(marks[length] | cp);
    return length;
}

bool suan__utf8_valid(const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t length = suan__utf8_decode(s + i, n - i, &cp);
        if (length == 0) return false;
        i += length;
    }
    return true;
}

size_t suan__utf8_incomplete_tail(const char *s, size_t n) {
    const unsigned char *u = (const unsigned char *)s;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = u[n - back];
        if ((c & 0xC0) == 0x80) continue; /* not a first byte: look further back */
        lead l = classify(c);
        return l.length > back && matching(u + n - back, back, l) == back ? back : 0;
    }
    return 0;
}
