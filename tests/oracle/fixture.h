/* fixture.h: the cases of the outside oracles: a model as a directory and (mostly) as a GGUF file, prompts, the reference's logits at all
 * positions, and what it writes greedily.
 *
 * Cases are looked for in $SUAN_FIXTURES/oracle, then in tests/data/oracle, which holds a few of them so that a clone alone has something
 * to check. Reading them uses the library's own container readers, which have tests of their own.
 */
#ifndef TESTS_ORACLE_FIXTURE_H
#define TESTS_ORACLE_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/cmocka_all.h"

#define FIXTURE_PROMPTS 3

typedef struct fixture_prompt {
    int32_t *ids; /* [n] */
    size_t n;
    float *logits;   /* [n][n_vocab] */
    float *rounded;  /* the same with the published round trips; NULL: the case has none */
    int32_t *greedy; /* [n_greedy] */
    size_t n_greedy;
} fixture_prompt;

typedef struct fixture {
    const char *name;
    char dir[1024], gguf[1100]; /* gguf: "" when the case has no such file */
    double tolerance, tolerance_rounded;
    size_t n_vocab;
    fixture_prompt prompts[FIXTURE_PROMPTS];
} fixture;

/* The families of the project, in the order in which they are reported. */
#define FIXTURE_CASES 26
extern const char *const fixture_cases[FIXTURE_CASES];

/* The path of a file or folder of the fixtures ("weights/stories260k"), or of tests/data; false when it is in neither. */
bool fixture_find(char *path, size_t capacity, const char *name);
/* False when the case is in no folder (it is then counted as skipped); a case that is there and broken fails the test. */
bool fixture_open(fixture *f, const char *name);
void fixture_close(fixture *f);

#endif
