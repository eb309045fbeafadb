/* utf8.h: UTF-8 by RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF. */
#ifndef SUAN_BASE_UTF8_H
#define SUAN_BASE_UTF8_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* Reads one code point of s[0..n): returns its length 1..4 and sets *cp; 0 when n is 0 or the bytes are invalid or cut short. */
size_t suan__utf8_decode(const char *s, size_t n, uint32_t *cp);
/* Writes a code point (valid) to s, 1..4 bytes. */
size_t suan__utf8_encode(uint32_t cp, char s[4]);
bool suan__utf8_valid(const char *s, size_t n);
/* How many bytes at the end of s[0..n) are the beginning of a character that is not complete yet (0..3); 0 when the tail cannot become
 * valid. */
size_t suan__utf8_incomplete_tail(const char *s, size_t n);
#endif
