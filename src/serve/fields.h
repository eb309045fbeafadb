/* fields.h: what a request's JSON may hold: tables that the checks, the documents, the OpenAPI description and the tests share.
 *
 * Every member of every object is honoured, accepted because it only advises (then the reply's header x-suan-advisory names it), or refused with its name. Members that no
 * table knows are refused.
 */
#ifndef SUAN_SERVE_FIELDS_H
#define SUAN_SERVE_FIELDS_H

#include "serve/exchange.h"

typedef enum suan__field_use {
    SUAN__FIELD_HONOURED = 0,
    SUAN__FIELD_ADVISES, /* accepted, changes nothing, named in the header */
    SUAN__FIELD_REFUSED, /* known, and not offered here */
    SUAN__FIELD_NEUTRAL  /* refused unless it has its neutral value (null always is): `neutral` as JSON */
} suan__field_use;

typedef enum suan__field_type { /* may be or-ed: a string or an array */
                                SUAN__FIELD_ANY = 0,
                                SUAN__FIELD_BOOL = 1,
                                SUAN__FIELD_INTEGER = 2, /* 3.0 counts as one */
                                SUAN__FIELD_NUMBER = 4,
                                SUAN__FIELD_STRING = 8,
                                SUAN__FIELD_ARRAY = 16,
                                SUAN__FIELD_OBJECT = 32
} suan__field_type;

typedef struct suan__field {
    const char *name;
    suan__field_use use;
    unsigned type; /* of suan__field_type */
    double min,
        max; /* INTEGER, NUMBER: its range (both 0: -2^53 to 2^53); ARRAY, STRING: of the number of elements or bytes (both 0: at most 2^20 elements, any bytes) */
    bool is_required;
    const char *neutral; /* NEUTRAL: "1", "false", "\"auto\"", "[]" */
    const char *note;    /* a few words for documents: what it does, or why it is refused */
} suan__field;

typedef struct suan__fields {
    const char *name; /* of the object, in documents and tests: "openai.chat" */
    const suan__field *rows;
    size_t n;
    bool both_spellings; /* Gemini: camelCase names also in snake_case */
} suan__fields;

/* Checks every member of `object`; where: its path for messages ("" for the body, "messages[0]"). Null members count as absent. Advisory ones are noted on the exchange. */
bool suan__fields_check(suan__exchange *x, const json_t *object, const suan__fields *fields, const char *where, suan__problem *problem);
/* After a check. NULL where it is absent or null; finds both spellings where the table has them. */
json_t *suan__field_get(const json_t *object, const suan__fields *fields, const char *name);
/* A STRING that has to be one of the words in `words` ("low|medium|high"); true where v is NULL or no string. */
bool suan__field_word(const json_t *v, const char *words, const char *where, suan__problem *problem);
/* Of an INTEGER (3.0 counts) or NUMBER that was checked; `absent` where v is NULL. */
int64_t suan__field_integer(const json_t *v, int64_t absent);
double suan__field_number(const json_t *v, double absent);
/* The path of a member, "where.name" or "name", and of an element, "where[i]"; returns path. */
#define SUAN__PATH_BYTES 128
const char *suan__field_path(char path[SUAN__PATH_BYTES], const char *where, const char *name);
const char *suan__item_path(char path[SUAN__PATH_BYTES], const char *where, size_t i);
/* Notes a member of which this server takes no notice, for x-suan-advisory (a list of at most 1,000 bytes; control characters are escaped). */
void suan__note_advisory(suan__exchange *x, const char *name);

/* Each interface's tables; NULL behind the last. fields_tables.c puts them into one list. */
extern const suan__fields *const suan__openai_tables[],
    *const suan__responses_tables[], *const suan__anthropic_tables[], *const suan__gemini_tables[], *const suan__ollama_tables[];
/* All tables, for /openapi.json, docs and tests; NULL behind the last. */
const suan__fields *suan__fields_table(size_t i);

#endif
