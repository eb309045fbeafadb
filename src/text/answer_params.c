/* answer_params.c: calls that write their parameters one by one: DSML, GLM, Qwen3-Coder, and Llama's NAME.call(..). The arguments become a JSON
 * object, in the order of the parameters. */
#include <stdlib.h>
#include <string.h>

#include "text/answer_call.h"

#define BAR "\xef\xbd\x9c"
#define DSML BAR "DSML" BAR

/* A reader's place. */
typedef struct place {
    const char *s;
    size_t n, at;
} place;

static void skip_space(place *p) {
    p->at = suan__json_space(p->s, p->n, p->at);
}

/* Takes `mark` when it stands here. MORE: the text ends inside it. */
static suan__scan take(place *p, const char *mark) {
    size_t n = strlen(mark), there = p->n - p->at < n ? p->n - p->at : n;
    if (memcmp(p->s + p->at, mark, there) != 0) return SUAN__SCAN_BAD;
    if (there < n) return SUAN__SCAN_MORE;
    p->at += n;
    return SUAN__SCAN_DONE;
}

/* Takes what stands before `mark`, and the mark. */
static suan__scan take_until(place *p, const char *mark, const char **text, size_t *n_text) {
    const char *found = memmem(p->s + p->at, p->n - p->at, mark, strlen(mark));
    if (!found) return SUAN__SCAN_MORE;
    *text = p->s + p->at;
    *n_text = (size_t)(found - *text);
    p->at += *n_text + strlen(mark);
    return SUAN__SCAN_DONE;
}

/* Takes a value: up to the first `close` that the next parameter or the end of the call follows, so that a value may hold the mark. */
static suan__scan take_value(place *p, const char *close, const char *const follow[2], const char **text, size_t *n_text) {
    place at = *p;
    for (;;) {
        const char *part;
        size_t n_part;
        if (take_until(&at, close, &part, &n_part) != SUAN__SCAN_DONE) return SUAN__SCAN_MORE;
        place behind = at;
        skip_space(&behind);
        for (int i = 0; i < 2; i++) {
            place next = behind;
            suan__scan r = take(&next, follow[i]);
            if (r == SUAN__SCAN_BAD) continue;
            if (r == SUAN__SCAN_MORE) return r;
            *text = p->s + p->at;
            *n_text = (size_t)(part + n_part - *text);
            p->at = at.at;
            return SUAN__SCAN_DONE;
        }
    }
}

/* ---- the arguments ---- */

static bool append_quoted(suan__buf *b, const char *s, size_t n) {
    json_t *text = json_stringn(s, n);
    char *quoted = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
    bool is_done = quoted && suan__buf_append(b, quoted, strlen(quoted));
    free(quoted);
    json_decref(text);
    return is_done;
}

/* Whether the object so far has the quoted key already. */
static bool has_key(const suan__buf *object, const char *key, size_t n_key) {
    suan__json_member m;
    for (size_t at = 0; object->n > 1 && suan__json_next_member(object->data, object->n, &at, &m);)
        if (m.n_key == n_key && memcmp(m.key, key, n_key) == 0) return true;
    return false;
}

/* Adds a parameter to the object, which lacks its closing brace. */
static bool add_parameter(suan__buf *object, const char *key, size_t n_key, const char *value, size_t n_value, bool is_string) {
    suan__buf quoted = {0};
    bool is_done = append_quoted(&quoted, key, n_key) && !has_key(object, quoted.data, quoted.n) &&
                   suan__buf_append(object, object->n > 1 ? ", " : "", object->n > 1 ? 2 : 0) &&
                   suan__buf_append(object, quoted.data, quoted.n) && suan__buf_append(object, ": ", 2);
    suan__buf_fini(&quoted);
    if (!is_done) return false;
    if (is_string) return append_quoted(object, value, n_value);
    return suan__json_is_value(value, n_value) && suan__buf_append(object, value, n_value);
}

static bool is_string_type(const json_t *type) {
    return json_is_string(type) && strcmp(json_string_value(type), "string") == 0;
}

/* What the tools declare a parameter as. */
typedef enum declared { DECLARED_NOTHING, DECLARED_STRING, DECLARED_OTHER } declared;
static declared declared_type(const json_t *tools, const char *name, const char *key, size_t n_key) {
    size_t i;
    json_t *tool;
    json_array_foreach((json_t *)tools, i, tool) {
        const json_t *function = json_object_get(tool, "function");
        if (!function) function = tool;
        const char *its_name = json_string_value(json_object_get(function, "name"));
        if (!its_name || strcmp(its_name, name) != 0) continue;
        const json_t *properties = json_object_get(json_object_get(function, "parameters"), "properties");
        const json_t *type = json_object_get(json_object_getn(properties, key, n_key), "type");
        bool is_string = is_string_type(type);
        for (size_t k = 0; k < json_array_size(type); k++) is_string |= is_string_type(json_array_get(type, k));
        return is_string ? DECLARED_STRING : type ? DECLARED_OTHER : DECLARED_NOTHING;
    }
    return DECLARED_NOTHING;
}

/* Templates that print a value as Python does write these words; NULL for all others. */
static const char *json_of_python(const char *s, size_t n) {
    static const char *const words[][2] = {{"True", "true"}, {"False", "false"}, {"None", "null"}};
    for (int i = 0; i < 3; i++)
        if (n == strlen(words[i][0]) && memcmp(s, words[i][0], n) == 0) return words[i][1];
    return NULL;
}

/* ---- the calls ---- */

typedef struct params_syntax {
    const char *before_name, *behind_name; /* behind_name NULL: white space, a parameter or the end */
    const char *key, *behind_key, *value;  /* value NULL: it follows the key, and a newline at each end is not part of it */
    const char *close;                     /* of a value */
    const char *end[2];                    /* of the call */
    bool is_marked;                        /* string="true" or "false" behind the key */
} params_syntax;

static suan__scan read_parameter(const params_syntax *x, place *p, const json_t *tools, suan__call *call) {
    const char *key, *value;
    size_t n_key, n_value;
    bool is_string = false;
    suan__scan r = take_until(p, x->behind_key, &key, &n_key);
    if (r != SUAN__SCAN_DONE) return r;
    if (x->is_marked) {
        r = take(p, "true\">");
        is_string = r == SUAN__SCAN_DONE;
        if (r == SUAN__SCAN_BAD) r = take(p, "false\">");
    } else if (x->value) {
        skip_space(p);
        r = take(p, x->value);
    }
    if (r != SUAN__SCAN_DONE) return r;
    r = take_value(p, x->close, (const char *const[2]){x->key, x->end[0]}, &value, &n_value);
    if (r != SUAN__SCAN_DONE) return r;
    if (!x->value && !x->is_marked) {
        if (n_value > 0 && value[0] == '\n') value++, n_value--;
        if (n_value > 0 && value[n_value - 1] == '\n') n_value--;
    }
    if (!x->is_marked) {
        declared type = declared_type(tools, call->name.data, key, n_key);
        const char *word = type == DECLARED_OTHER ? json_of_python(value, n_value) : NULL;
        if (word) value = word, n_value = strlen(word);
        is_string = type == DECLARED_STRING || !suan__json_is_value(value, n_value);
    }
    return add_parameter(&call->arguments, key, n_key, value, n_value, is_string) ? SUAN__SCAN_DONE : SUAN__SCAN_BAD;
}

/* Takes the name; the object of arguments is open. */
static bool open_call(suan__call *call, const char *name, size_t n_name) {
    if (!suan__call_set(call, name, n_name, "null", 4)) return false;
    call->arguments.n = 1;
    return true;
}

static suan__scan read_name(const params_syntax *x, place *p, suan__call *call) {
    const char *name;
    size_t n_name = 0;
    skip_space(p);
    suan__scan r = x->before_name ? take(p, x->before_name) : SUAN__SCAN_DONE;
    if (r != SUAN__SCAN_DONE) return r;
    if (x->behind_name) {
        r = take_until(p, x->behind_name, &name, &n_name);
    } else {
        name = p->s + p->at;
        while (p->at + n_name < p->n && name[n_name] != '<' && suan__json_space(name + n_name, 1, 0) == 0) n_name++;
        p->at += n_name;
    }
    if (r != SUAN__SCAN_DONE) return r;
    return open_call(call, name, n_name) ? SUAN__SCAN_DONE : SUAN__SCAN_BAD;
}

static suan__scan read_params(const params_syntax *x, const char *body, size_t n, const json_t *tools, suan__call *call, size_t *end) {
    place p = {body, n, 0};
    suan__scan r = read_name(x, &p, call);
    while (r == SUAN__SCAN_DONE) {
        skip_space(&p);
        r = take(&p, x->key);
        if (r == SUAN__SCAN_BAD) break;
        if (r == SUAN__SCAN_DONE) r = read_parameter(x, &p, tools, call);
        if (r != SUAN__SCAN_DONE) return r;
    }
    if (r == SUAN__SCAN_MORE || call->name.n == 0) return r;
    r = SUAN__SCAN_DONE; /* no further parameter: the end */
    for (int i = 0; i < 2 && x->end[i] && r == SUAN__SCAN_DONE; i++) {
        skip_space(&p);
        r = take(&p, x->end[i]);
    }
    *end = p.at;
    return r == SUAN__SCAN_DONE && !suan__buf_append(&call->arguments, "}", 1) ? SUAN__SCAN_BAD : r;
}

/* A value may hold the end mark, and what breaks off is no call: is_last makes no difference. */
#define READER(name, ...)                                                                                                             \
    suan__scan suan__call_read_##name(const suan__call_syntax *syntax, const char *body, size_t n, bool is_last, const json_t *tools, \
                                      suan__call *call, size_t *end) {                                                                \
        static const params_syntax x = __VA_ARGS__;                                                                                   \
        (void)syntax, (void)is_last;                                                                                                  \
        return read_params(&x, body, n, tools, call, end);                                                                            \
    }
READER(dsml, {NULL, "\">", "<" DSML "parameter name=\"", "\" string=\"", NULL, "</" DSML "parameter>", {"</" DSML "invoke>", NULL}, true})
READER(glm, {NULL, NULL, "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", {"</tool_call>", NULL}, false})
READER(coder, {"<function=", ">", "<parameter=", ">", NULL, "</parameter>", {"</function>", "</tool_call>"}, false})

/* ---- NAME.call(KEY="VALUE", ..) ---- */

static size_t word_length(const place *p) {
    size_t n = 0;
    while (p->at + n < p->n) {
        char c = p->s[p->at + n];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) break;
        n++;
    }
    return n;
}

bool suan__call_read_python(const char *s, size_t n, suan__call *call) {
    place p = {s, n, suan__json_space(s, n, 0)};
    size_t n_name = word_length(&p);
    if (!open_call(call, p.s + p.at, n_name)) return false;
    p.at += n_name;
    if (take(&p, ".call(") != SUAN__SCAN_DONE) return false;
    for (bool is_first = true; skip_space(&p), take(&p, ")") != SUAN__SCAN_DONE; is_first = false) {
        if (!is_first && take(&p, ",") != SUAN__SCAN_DONE) return false;
        skip_space(&p);
        const char *key = p.s + p.at, *value;
        size_t n_key = word_length(&p), n_value;
        p.at += n_key;
        if (n_key == 0 || take(&p, "=") != SUAN__SCAN_DONE || p.at == p.n) return false;
        bool is_string = p.s[p.at] == '"';
        if (is_string) {
            p.at++;
            if (take_value(&p, "\"", (const char *const[2]){",", ")"}, &value, &n_value) != SUAN__SCAN_DONE) return false;
        } else {
            value = p.s + p.at;
            if (suan__json_value(value, p.n - p.at, &n_value) != SUAN__SCAN_DONE) return false;
            p.at += n_value;
        }
        if (!add_parameter(&call->arguments, key, n_key, value, n_value, is_string)) return false;
    }
    skip_space(&p);
    return p.at == p.n && suan__buf_append(&call->arguments, "}", 1);
}
