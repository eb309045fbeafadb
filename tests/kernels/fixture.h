/* fixture.h: a reader of safetensors files for the tests of this room, written from the format's description, so that they need no other
 * room. A file that is not as it should be fails the test. */
#ifndef SUAN_TESTS_KERNELS_FIXTURE_H
#define SUAN_TESTS_KERNELS_FIXTURE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fixture {
    char *data; /* the whole file, owned */
    size_t n;
    json_t *header;
} fixture;

/* tests/data/quants/ggml/NAME.safetensors */
void fixture_open(fixture *f, const char *name);
void fixture_close(fixture *f);
/* The elements of a tensor (aligned for any type, owned by the caller: free) and its shape, two dimensions (missing ones are 1). */
void *fixture_tensor(const fixture *f, const char *name, size_t shape[2]);

#endif
