/* output.h: the text of an answer as its tokens come: characters made whole, stop strings found and cut off, bytes held back that may be the beginning of one. */
#ifndef SUAN_ENGINE_OUTPUT_H
#define SUAN_ENGINE_OUTPUT_H

#include "engine/stop.h"
#include "suan/tokenizer.h"

typedef struct suan__output {
    const suan_tokenizer *tokenizer; /* NULL: there is no text */
    suan_detokenizer *detokenizer;
    suan__stop stop;
    char *text; /* not taken yet, or (is_whole) all of it; room for a NUL behind */
    size_t n_text, capacity;
    size_t n_taken;  /* of these */
    bool is_whole;   /* what was taken stays */
    bool found_stop; /* the text ended at a stop string: found */
    size_t n_found;
} suan__output;

/* tokenizer: borrowed until fini; NULL: pushes do nothing. On failure *o is empty. */
suan_status suan__output_init(suan__output *o, const suan_tokenizer *tokenizer, const char *const *stop, size_t n_stop, bool skip_special,
                              suan_error *err);
/* The whole text is kept, with room for max_tokens (below 2^31) of the longest token, as far as that is reasonable. */
suan_status suan__output_reserve(suan__output *o, uint64_t max_tokens, suan_error *err);
void suan__output_fini(suan__output *o); /* a zeroed or finished one is fine */
/* The next token. Ids that the tokenizer does not have say nothing. */
suan_status suan__output_push(suan__output *o, int32_t id, suan_error *err);
/* The end: nothing more can complete a character or a stop string. */
suan_status suan__output_flush(suan__output *o, suan_error *err);
/* Bytes that are past every possible stop string and were not taken yet; they stay where they are until the next push or flush. is_end: also those held back. */
const char *suan__output_take(suan__output *o, bool is_end, size_t *n);
/* The stop string that ended the text, NUL-terminated, until fini; NULL: none did. */
const char *suan__output_found(const suan__output *o);

#endif
