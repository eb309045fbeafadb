/* fuzz.h: what a fuzz target is: one function that takes bytes as if they were a file, and must survive all of them.
 *
 * Built with libFuzzer (-Dfuzz=true, clang) each target is a program that searches for bytes that break it; built with replay.c it is a
 * program that runs the files given to it, which the ordinary tests do with the corpus.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A finding that is no bug of memory: a promise of the header was broken. */
#define FUZZ_ASSERT(cond)     \
    do {                      \
        if (!(cond)) abort(); \
    } while (0)

#endif
