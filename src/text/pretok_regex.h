/* pretok_regex.h: the regular expressions of pre-tokenizers, matched in time linear in the text.
 *
 * The dialect is the part of Oniguruma's (Ruby syntax) that tokenizer files use: literals, escapes, classes with nesting, ranges, && and
 * \p{..}, groups, (?i:..), alternation, greedy and lazy quantifiers, possessive ones on a single class, ^ $ \A \z \b \B, and lookahead at
 * one character. Matches are leftmost-first, as a backtracking engine finds them. What is outside the dialect (back-references,
 * look-behind, longer lookahead, atomic groups) is an error when the expression is compiled.
 *
 * How: the expression becomes a small nondeterministic program over classes of code points, and where that stays small a table-driven
 * automaton, built whole at load, so that a compiled expression is constant and threads may share it. Searching for all matches by running
 * the automaton from every position would be quadratic for expressions that look far ahead in vain. What is looked at beyond a match is
 * counted; when it exceeds a multiple of the text, the rest is matched in two passes: backwards, noting which program states can still
 * succeed at each position, then forwards along the states that will (after Frisch and Cardelli, "Greedy Regular Expression Matching",
 * 2004).
 *
 * A byte that is not UTF-8 counts as one U+FFFD, one byte long.
 */
#ifndef SUAN_TEXT_PRETOK_REGEX_H
#define SUAN_TEXT_PRETOK_REGEX_H

#include "base/error.h"
#include "base/memory.h"

typedef struct suan__regex suan__regex;

/* Compiles a pattern of n bytes. *re lives in the arena. The message of an error holds the pattern's part that was not understood. */
suan_status suan__regex_compile(suan__regex **re, suan__arena *arena, const char *pattern, size_t n, suan_error *err);

typedef struct suan__regex_scan {
    const suan__regex *re;
    const unsigned char *text;
    size_t n;
    size_t at;               /* where the next search begins */
    size_t last_end;         /* end of the last match; SIZE_MAX before the first */
    size_t waste;            /* bytes looked at that no match covered */
    size_t waste_limit;      /* beyond it: two passes */
    struct regex_slow *slow; /* state of the two passes, NULL before */
} suan__regex_scan;

/* Starts a search for all matches in text[0..n); text stays borrowed until the end. */
void suan__regex_begin(suan__regex_scan *scan, const suan__regex *re, const char *text, size_t n);
/* 1: the next match is [*begin, *end); 0: there is none; -1: out of memory. An empty match right behind the last match is skipped. */
int suan__regex_next(suan__regex_scan *scan, size_t *begin, size_t *end);
void suan__regex_end(suan__regex_scan *scan);
/* For tests: matches in two passes from the start. */
void suan__regex_force_slow(suan__regex_scan *scan);
/* Bytes and program steps looked at so far by searches of this scan (tests check that it grows linearly). */
uint64_t suan__regex_work(const suan__regex_scan *scan);

#endif
