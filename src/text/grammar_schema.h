/* grammar_schema.h: a JSON Schema as nodes of a grammar: what the files of the walker share.
 *
 * A document becomes rows, one for each schema in it. What a value must obey at one place is a conjunction, a set of items: the keywords of
 * a row, or that the value is this one, or one of the alternatives of a row. `$ref` and `allOf` add to a set; `anyOf` and `oneOf` are
 * resolved by making the set once for each alternative. Each set becomes one rule of the grammar, made when it is first asked for, out of a
 * queue: schemas may refer to themselves, and nothing recurses.
 *
 * Failures stick to the builder (suan__builder_fail).
 */
#ifndef SUAN_TEXT_GRAMMAR_SCHEMA_H
#define SUAN_TEXT_GRAMMAR_SCHEMA_H

#include "text/grammar_json.h"

/* Limits; beyond them a schema is SUAN_ELIMIT. */
enum {
    SUAN__SCHEMA_MAX_BYTES = 1 << 20,
    SUAN__SCHEMA_MAX_VALUES = 200000, /* scalars, arrays, objects and keys together */
    SUAN__SCHEMA_MAX_ENUM = 20000,    /* values of one enum */
    SUAN__SCHEMA_MAX_COUNT = 1 << 30, /* minItems and its like */
    SUAN__SCHEMA_MAX_CHAIN = 200,     /* schemas that lead to each other by $ref, allOf, anyOf, oneOf without a step into the value */
    SUAN__SCHEMA_MAX_RULES = 50000,
    SUAN__SCHEMA_MAX_ALTERNATIVES = 4096, /* of anyOf and oneOf at one place, multiplied out */
    SUAN__SCHEMA_MAX_WORK = 20000000
};
#define SUAN__SCHEMA_MAX_MEMORY (UINT64_C(96) << 20)

enum {
    SUAN__T_NULL = 1,
    SUAN__T_BOOLEAN = 2,
    SUAN__T_INTEGER = 4,
    SUAN__T_FRACTION = 8, /* numbers that are no integers */
    SUAN__T_STRING = 16,
    SUAN__T_ARRAY = 32,
    SUAN__T_OBJECT = 64,
    SUAN__T_NUMBER = SUAN__T_INTEGER | SUAN__T_FRACTION,
    SUAN__T_ALL = 127
};

typedef struct suan__schema_row {
    const json_t *json;        /* an object */
    uint32_t parent;           /* row; UINT32_MAX: the document */
    const char *keyword, *key; /* where it stands in its parent; key NULL: index counts, where the keyword has several */
    size_t index;
    unsigned types;
    bool has_own;    /* keywords that say something of the value themselves */
    bool is_checked; /* the alternatives of oneOf exclude one another */
} suan__schema_row;

/* An item: what << 28 | row or value. */
enum { SUAN__ITEM_ROW, SUAN__ITEM_VALUE, SUAN__ITEM_ANY_OF, SUAN__ITEM_ONE_OF, SUAN__ITEM_NEVER, SUAN__ITEM_TYPES };
#define SUAN__ITEM(what, i) ((uint32_t)(what) << 28 | (uint32_t)(i))
#define SUAN__ITEM_WHAT(item) ((item) >> 28)
#define SUAN__ITEM_INDEX(item) ((item)&0xfffffffu)

typedef struct suan__schema_set {
    uint32_t *item, *frame; /* frame: of the row that brought it in (a chain up to where the set began), for items with alternatives */
    uint32_t n, capacity;
    bool is_never;
} suan__schema_set;

typedef struct suan__schema_rule {
    suan__schema_set set;
    suan__node node;
    uint32_t hash;
} suan__schema_rule;

typedef struct suan__schema_frame {
    uint32_t row, up;
} suan__schema_frame;

/* One document at work. */
typedef struct suan__schema {
    suan__builder *b;
    const suan__json_nodes *j;
    const char *what; /* for messages: "schema", "tool f: parameters" */
    const json_t *root;
    bool is_lenient; /* keywords outside of the subset are passed over */
    suan__arena arena;
    suan__schema_row *row;
    uint32_t n_row, c_row, *row_slot, row_mask;
    const json_t **value;
    uint32_t n_value, c_value;
    suan__schema_rule *rule;
    uint32_t n_rule, c_rule, n_made, *rule_slot, rule_mask;
    suan__schema_frame *frame;
    uint32_t n_frame, c_frame;
    struct suan__schema_language *languages; /* of patterns that texts were compared with */
    uint64_t work;
} suan__schema;

/* root: borrowed until the end. j's builder gets the nodes. what: for messages, borrowed too. */
void suan__schema_init(suan__schema *c, const suan__json_nodes *j, const json_t *root, const char *what, bool is_lenient);
void suan__schema_fini(suan__schema *c);
/* Values of the root schema; of them those that are of the types. The rules behind the node are made by suan__schema_finish. */
suan__node suan__schema_root(suan__schema *c, unsigned types);
void suan__schema_finish(suan__schema *c);

/* ---- rows (grammar_schema_rows.c) ---- */

void suan__schema_read(suan__schema *c); /* all rows, and their keywords checked */
/* The row of a schema of the document; UINT32_MAX for a boolean (*is_false says which) and on failure. */
uint32_t suan__schema_row_of(suan__schema *c, const json_t *json, bool *is_false);
const json_t *suan__schema_target(const suan__schema *c, uint32_t row); /* of its $ref; NULL: it has none */
bool suan__schema_failed(const suan__schema *c);
/* Fails: "WHAT: #/POINTER/keyword: ...". keyword NULL: the row itself. */
void suan__schema_fail(suan__schema *c, uint32_t row, const char *keyword, suan_status status, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* What is outside of the subset: fails, or returns (when lenient). */
void suan__schema_refuse(suan__schema *c, uint32_t row, const char *keyword, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Counts work and memory; false above a limit (then c has failed). */
bool suan__schema_may_go_on(suan__schema *c, uint64_t work);
bool suan__schema_grow(suan__schema *c, void **array, uint32_t *capacity, size_t size, uint32_t n); /* arrays from suan__realloc */

/* ---- sets (grammar_schema.c) ---- */

void suan__set_add(suan__schema *c, suan__schema_set *s, uint32_t item, uint32_t frame);
/* Adds a schema: a row's keywords, what it refers to, and so on. */
void suan__set_add_schema(suan__schema *c, suan__schema_set *s, const json_t *schema, uint32_t up);
void suan__set_add_value(suan__schema *c, suan__schema_set *s, const json_t *value);
void suan__set_copy(suan__schema *c, suan__schema_set *to, const suan__schema_set *from);
/* Whether an item with alternatives is there; *i: which. */
bool suan__set_choice(const suan__schema_set *s, uint32_t *i);
/* `from` with item i replaced by its k-th alternative; false: it has no more. */
bool suan__set_choose(suan__schema *c, suan__schema_set *to, const suan__schema_set *from, uint32_t i, size_t k);
/* The rule of a set. */
suan__node suan__schema_rule_of(suan__schema *c, const suan__schema_set *s);
/* Whether surely no value obeys. depth: steps into the value that are looked at. */
bool suan__set_is_empty(suan__schema *c, const suan__schema_set *s, int depth);

/* ---- sets without alternatives ---- */

/* Keywords of one name in the rows of a set: *at counts up from 0; NULL at the end. *row: whose it is. */
const json_t *suan__set_keyword(const suan__schema *c, const suan__schema_set *s, const char *keyword, uint32_t *at, uint32_t *row);
/* The greatest (the least) of counts; `none` without one. */
uint64_t suan__set_count(const suan__schema *c, const suan__schema_set *s, const char *keyword, bool greatest, uint64_t none);
unsigned suan__set_types(const suan__schema *c, const suan__schema_set *s);
/* The value that a set has; NULL: none. */
const json_t *suan__set_value(const suan__schema *c, const suan__schema_set *s);

/* grammar_schema_value.c: constants. */
suan__node suan__schema_value(suan__schema *c, const suan__schema_set *s, const json_t *value);
suan__node suan__schema_enum(suan__schema *c, const suan__schema_set *s, const json_t *values, uint32_t row);
bool suan__json_same(const json_t *a, const json_t *b, int depth); /* numbers by value */
unsigned suan__json_types(const json_t *value);                    /* its type, one bit */
/* Whether the value obeys the keywords of the set that look at no more than a scalar, the type and the number of elements. */
bool suan__set_fits(suan__schema *c, const suan__schema_set *s, const json_t *value);

/* grammar_schema_object.c, grammar_schema_array.c */
suan__node suan__schema_object(suan__schema *c, const suan__schema_set *s);
suan__node suan__schema_array(suan__schema *c, const suan__schema_set *s);
bool suan__set_has_no_object(suan__schema *c, const suan__schema_set *s, int depth);
bool suan__set_has_no_array(suan__schema *c, const suan__schema_set *s, int depth);
/* What the value of a property must obey; what the element at `index` must. */
void suan__set_property(suan__schema *c, const suan__schema_set *s, const char *key, size_t n, suan__schema_set *out);
void suan__set_element(suan__schema *c, const suan__schema_set *s, uint64_t index, suan__schema_set *out);
/* The names that the set speaks of, in order; is_required. The names are owned by the document. */
typedef struct suan__schema_name {
    const char *name;
    size_t n;
    bool is_required;
} suan__schema_name;
suan__schema_name *suan__set_names(suan__schema *c, const suan__schema_set *s, uint32_t *n_names);

/* grammar_schema_string.c */
void suan__schema_check_pattern(suan__schema *c, uint32_t row, const char *keyword, const char *pattern); /* that it is an expression */
suan__node suan__schema_string(suan__schema *c, const suan__schema_set *s);                               /* in its quotes */
/* A string as it is, then `before` and the marker, which does not occur in it; s NULL: any. */
suan__node suan__schema_raw_string(suan__schema *c, const suan__schema_set *s, const char *before, const char *marker);
bool suan__set_has_no_string(suan__schema *c, const suan__schema_set *s);
/* Whether a string obeys pattern and format of a row; whether it matches a pattern of a row. */
bool suan__schema_string_fits(suan__schema *c, uint32_t row, const char *s, size_t n);
bool suan__schema_pattern_has(suan__schema *c, uint32_t row, const char *pattern, const char *s, size_t n);
/* Of quoted strings; NULL: c has failed, or the pattern is passed over. Kept by c. */
const struct suan__language *suan__schema_pattern_language(suan__schema *c, uint32_t row, const char *pattern);
/* Names that the set allows beside those listed. */
void suan__schema_names_language(suan__schema *c, const suan__schema_set *s, const suan__schema_name *names, uint32_t n_names,
                                 struct suan__language *l);
void suan__schema_forget_languages(suan__schema *c);

/* grammar_schema_number.c */
suan__node suan__schema_number(suan__schema *c, const suan__schema_set *s, bool is_integer);
bool suan__set_has_no_number(suan__schema *c, const suan__schema_set *s);
bool suan__schema_number_fits(const suan__schema_row *row, const json_t *value);

#endif
