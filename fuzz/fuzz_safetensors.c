/* fuzz_safetensors.c: a whole safetensors file. What is accepted must cover the data section exactly. */
#include <string.h>

#include "formats/bytes.h"
#include "formats/safetensors.h"
#include "fuzz.h"

/* The header length is taken from the file when it fits; otherwise all behind the eight bytes is the header, so that mutations of the
 * length do not waste the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    suan__safetensors s;
    suan__arena arena;
    suan_error err = {0};
    if (n < 8) return 0;
    uint64_t length = suan__load_u64(data);
    if (length > n - 8) length = n - 8;
    char *json = malloc(length ? length : 1);
    if (!json) return 0;
    memcpy(json, data + 8, length);
    suan__arena_init(&arena, 1 << 12);
    suan_status status = suan__safetensors_parse(&s, &arena, json, length, n, "fuzz.safetensors", &err);
    FUZZ_ASSERT(status == SUAN_OK || (status < 0 && err.status == status && err.message[0]));
    uint64_t end = s.data_offset;
    for (uint64_t i = 0; i < s.n_tensors; i++) {
        FUZZ_ASSERT(s.tensors[i].offset == end && s.tensors[i].name[0]);
        end += s.tensors[i].n_bytes;
    }
    FUZZ_ASSERT(status != SUAN_OK || end == n);
    for (uint64_t i = 0; i < s.n_metadata; i++) FUZZ_ASSERT(s.metadata_keys[i] && s.metadata_values[i]);
    suan__arena_fini(&arena);
    free(json);
    return 0;
}
