/* unicode.h: properties, case and normal forms of one pinned Unicode version (suan__unicode_version). Token ids and what chat templates
 * render depend on it, so no locale and no system library is asked.
 *
 * A code point above U+10FFFF or a surrogate is unassigned (Cn) and maps to itself. All functions are pure; threads: safe.
 */
#ifndef SUAN_TEXT_UNICODE_H
#define SUAN_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* General categories, in the order of the generated table. */
typedef enum suan__category {
    SUAN__CN,
    SUAN__CC,
    SUAN__CF,
    SUAN__CO,
    SUAN__CS,
    SUAN__LL,
    SUAN__LM,
    SUAN__LO,
    SUAN__LT,
    SUAN__LU,
    SUAN__MC,
    SUAN__ME,
    SUAN__MN,
    SUAN__ND,
    SUAN__NL,
    SUAN__NO,
    SUAN__PC,
    SUAN__PD,
    SUAN__PE,
    SUAN__PF,
    SUAN__PI,
    SUAN__PO,
    SUAN__PS,
    SUAN__SC,
    SUAN__SK,
    SUAN__SM,
    SUAN__SO,
    SUAN__ZL,
    SUAN__ZP,
    SUAN__ZS,
    SUAN__N_CATEGORIES
} suan__category;

extern const char suan__unicode_version[];

suan__category suan__unicode_category(uint32_t cp);
bool suan__unicode_is_space(uint32_t cp); /* White_Space */
bool suan__unicode_is_han(uint32_t cp);
bool suan__unicode_is_letter(uint32_t cp);      /* L */
bool suan__unicode_is_number(uint32_t cp);      /* N */
bool suan__unicode_is_word(uint32_t cp);        /* L, M, Nd, Pc: \w of regular expressions */
bool suan__unicode_is_punctuation(uint32_t cp); /* P */
bool suan__unicode_is_decimal(uint32_t cp);     /* Nd */
bool suan__unicode_is_digit(uint32_t cp);       /* Numeric_Type Decimal or Digit */
bool suan__unicode_is_numeric(uint32_t cp);     /* Numeric_Type of any kind: N and Han numerals */
bool suan__unicode_is_printable(uint32_t cp);   /* not C and not Z, but U+0020 is: str.isprintable of Python */
bool suan__unicode_is_lower(uint32_t cp);       /* Lowercase */
bool suan__unicode_is_upper(uint32_t cp);       /* Uppercase */
bool suan__unicode_is_cased(uint32_t cp);       /* Cased: the two above and Lt */
bool suan__unicode_is_case_ignorable(uint32_t cp);

/* Simple case mappings: one code point to one. */
uint32_t suan__unicode_lower(uint32_t cp);
uint32_t suan__unicode_upper(uint32_t cp);
uint32_t suan__unicode_fold(uint32_t cp);
/* Full mappings without context: writes 1 to 3 code points, returns how many. */
size_t suan__unicode_lower_full(uint32_t cp, uint32_t out[3]);
size_t suan__unicode_upper_full(uint32_t cp, uint32_t out[3]);
size_t suan__unicode_title_full(uint32_t cp, uint32_t out[3]);

unsigned suan__unicode_combining_class(uint32_t cp);

/* Normal forms of a sequence of code points. Bits 24 to 31 of each element are the caller's marks: a mark of a result is the AND of the
 * marks of all it was made of. Elements whose low 24 bits exceed U+10FFFF are copied and never combine. */
typedef enum suan__normal_form { SUAN__NFC = 1, SUAN__NFD, SUAN__NFKC, SUAN__NFKD } suan__normal_form;
#define SUAN__CP_MASK 0x00FFFFFFu

/* Longest decomposition of one code point. */
#define SUAN__MAX_DECOMPOSITION 18
/* Writes the decomposition of one code point to out, returns its length (1 when it has none). */
size_t suan__unicode_decompose(uint32_t cp, bool compatible, uint32_t out[SUAN__MAX_DECOMPOSITION]);
/* The composition of a and b, 0 when there is none. */
uint32_t suan__unicode_compose(uint32_t a, uint32_t b);
/* Puts combining marks of a decomposed sequence into canonical order, in place, in O(n log n). False: out of memory. */
bool suan__unicode_reorder(uint32_t *cp, size_t n);
/* Composes a reordered sequence in place, returns the new length. */
size_t suan__unicode_compose_all(uint32_t *cp, size_t n);

#endif
