/* openapi.c: from the tables of routes and members to an OpenAPI description.
 *
 * Each table of members becomes a schema under components; members that are refused are not in it, and additionalProperties is false, so a request that follows the description is
 * one that the checks let through. */
#include "serve/openapi.h"

#include <stdio.h>
#include <string.h>

#include "serve/own.h"

#define REF_BYTES 160

static json_t *reference(const char *table) {
    char text[REF_BYTES];
    snprintf(text, sizeof text, "#/components/schemas/%s", table);
    for (char *c = text; *c; c++)
        if (*c == ' ') *c = '_';
    return json_pack("{s:s}", "$ref", text);
}

/* "a|b" as an enum. */
static json_t *words_schema(const char *words, size_t n) {
    json_t *list = json_array();
    for (const char *end = words + n; list && words < end;) {
        size_t n_word = strcspn(words, "|");
        if (n_word > (size_t)(end - words)) n_word = (size_t)(end - words);
        json_array_append_new(list, json_stringn(words, n_word));
        words += n_word + 1;
    }
    return json_pack("{s:s, s:o}", "type", "string", "enum", list);
}

static json_t *either(json_t *a, json_t *b) {
    return json_pack("{s:[o, o]}", "anyOf", a, b);
}

/* ---- one member ---- */

static void set_range(json_t *schema, const suan__field *row, const char *least, const char *most) {
    if (row->min == 0 && row->max == 0) return;
    bool is_whole = row->min == (double)(int64_t)row->min && row->max == (double)(int64_t)row->max;
    json_object_set_new(schema, least, is_whole ? json_integer((json_int_t)row->min) : json_real(row->min));
    json_object_set_new(schema, most, is_whole ? json_integer((json_int_t)row->max) : json_real(row->max));
}

/* The types of a row, "null" among them where it may be left out. */
static json_t *plain_schema(const suan__field *row) {
    static const struct {
        unsigned type;
        const char *name, *least, *most;
    } types[] = {{SUAN__FIELD_BOOL, "boolean", NULL, NULL},
                 {SUAN__FIELD_INTEGER, "integer", "minimum", "maximum"},
                 {SUAN__FIELD_NUMBER, "number", "minimum", "maximum"},
                 {SUAN__FIELD_STRING, "string", "minLength", "maxLength"},
                 {SUAN__FIELD_ARRAY, "array", "minItems", "maxItems"},
                 {SUAN__FIELD_OBJECT, "object", NULL, NULL}};
    json_t *schema = json_object(), *names = json_array();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!(row->type & types[i].type)) continue;
        json_array_append_new(names, json_string(types[i].name));
        if (types[i].least) set_range(schema, row, types[i].least, types[i].most);
    }
    if (json_array_size(names) && !row->is_required) json_array_append_new(names, json_string("null"));
    if (json_array_size(names)) json_object_set(schema, "type", names);
    json_decref(names);
    return schema;
}

static json_t *list_schema(const suan__field *row, json_t *items) {
    json_t *schema = json_pack("{s:s, s:o}", "type", "array", "items", items);
    set_range(schema, row, "minItems", "maxItems");
    return schema;
}

static json_t *shaped_schema(const suan__server *s, const suan__field *row, const suan__shape *shape) {
    json_t *string = json_pack("{s:s}", "type", "string");
    size_t n = shape->of ? strcspn(shape->of, " ") : 0;
    switch (shape->kind) {
    case SUAN__SHAPE_ONE:
        json_decref(string);
        return reference(shape->of);
    case SUAN__SHAPE_LIST:
        json_decref(string);
        return list_schema(row, reference(shape->of));
    case SUAN__SHAPE_TEXT_OR_LIST:
        return either(string, list_schema(row, reference(shape->of)));
    case SUAN__SHAPE_WORDS:
        json_decref(string);
        return words_schema(shape->of, strlen(shape->of));
    case SUAN__SHAPE_WORDS_OR_ONE:
        json_decref(string);
        return either(words_schema(shape->of, n), reference(shape->of + n + 1));
    case SUAN__SHAPE_STRINGS:
        return list_schema(row, string);
    case SUAN__SHAPE_TEXT_OR_STRINGS:
        return either(json_incref(string), list_schema(row, string));
    case SUAN__SHAPE_MODEL:
        json_decref(string);
        return json_pack("{s:s, s:[s]}", "type", "string", "enum", s->config.model_name);
    default:
        json_decref(string);
        return json_loads(shape->of, 0, NULL);
    }
}

static json_t *member_schema(const suan__server *s, const char *table, const suan__field *row) {
    const suan__shape *shape = suan__shape_find(table, row->name);
    json_t *schema;
    if (row->use == SUAN__FIELD_NEUTRAL) {
        schema = json_pack("{s:[o, n]}", "enum", json_loads(row->neutral, JSON_DECODE_ANY, NULL));
    } else if (shape) {
        schema = shaped_schema(s, row, shape);
        if (schema && !row->is_required) schema = either(schema, json_pack("{s:s}", "type", "null"));
    } else {
        schema = plain_schema(row);
    }
    if (!schema || !row->note || !*row->note) return schema;
    char text[512];
    snprintf(text, sizeof text, "%s%s", row->use == SUAN__FIELD_ADVISES ? "Accepted, changes nothing: " : "", row->note);
    json_object_set_new(schema, "description", json_string(text));
    return schema;
}

/* ---- a table ---- */

static json_t *table_schema(const suan__server *s, const suan__fields *fields) {
    json_t *properties = json_object(), *required = json_array();
    for (size_t i = 0; i < fields->n; i++) {
        const suan__field *row = &fields->rows[i];
        if (row->use == SUAN__FIELD_REFUSED) continue;
        json_object_set_new(properties, row->name, member_schema(s, fields->name, row));
        if (row->is_required) json_array_append_new(required, json_string(row->name));
    }
    json_t *schema = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties", 0);
    if (schema && json_array_size(required)) json_object_set(schema, "required", required);
    json_decref(required);
    const suan__shape *more = suan__shape_find(fields->name, NULL);
    if (schema && more) {
        json_t *extra = json_loads(more->of, 0, NULL);
        json_object_update(schema, extra);
        json_decref(extra);
    }
    return schema;
}

const suan__shape *suan__shape_find(const char *table, const char *member) {
    for (const suan__shape *shape = suan__shapes; shape->table; shape++)
        if (strcmp(shape->table, table) == 0 && (member && shape->member ? strcmp(shape->member, member) == 0 : member == shape->member))
            return shape;
    return NULL;
}

static json_t *all_schemas(const suan__server *s) {
    json_t *schemas = json_object();
    const suan__fields *fields;
    for (size_t i = 0; (fields = suan__fields_table(i)); i++) {
        char name[REF_BYTES];
        snprintf(name, sizeof name, "%s", fields->name);
        for (char *c = name; *c; c++)
            if (*c == ' ') *c = '_';
        json_object_set_new(schemas, name, table_schema(s, fields));
    }
    static const struct {
        const char *name, *schema;
    } errors[] = {
        {"error.openai", "{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"object\",\"required\":["
                         "\"message\",\"type\"],\"properties\":{\"message\":{\"type\":"
                         "\"string\"},\"type\":{\"type\":\"string\"},\"param\":{\"type\":[\"string\",\"null\"]},\"code\":{\"type\":["
                         "\"string\",\"null\"]}}}}}"},
        {"error.anthropic",
         "{\"type\":\"object\",\"required\":[\"type\",\"error\"],\"properties\":{\"type\":{\"const\":\"error\"},\"error\":{\"type\":"
         "\"object\",\"required\":[\"type\",\"message\"],"
         "\"properties\":{\"type\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"}}},\"request_id\":{\"type\":\"string\"}}}"},
        {"error.gemini", "{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"object\",\"required\":["
                         "\"code\",\"message\",\"status\"],\"properties\":{\"code\":{\"type\":"
                         "\"integer\"},\"message\":{\"type\":\"string\"},\"status\":{\"type\":\"string\"}}}}}"},
        {"error.suan", "{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"object\",\"required\":["
                       "\"code\",\"message\"],\"properties\":{\"code\":{\"type\":"
                       "\"integer\"},\"message\":{\"type\":\"string\"},\"param\":{\"type\":[\"string\",\"null\"]}}}}}"},
        {"error.models",
         "{\"anyOf\":[{\"$ref\":\"#/components/schemas/error.openai\"},{\"$ref\":\"#/components/schemas/error.anthropic\"},{\"$ref\":"
         "\"#/components/schemas/error.gemini\"}]}"},
        {"error.ollama", "{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"string\"}}}"},
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        json_object_set_new(schemas, errors[i].name, json_loads(errors[i].schema, 0, NULL));
    return schemas;
}

/* ---- routes ---- */

static json_t *content(const char *type, json_t *schema) {
    return json_pack("{s:{s:o}}", type, "schema", schema);
}

static json_t *good_reply(const suan__operation *o) {
    const char *reply = o ? o->reply : "json";
    json_t *any = json_object(), *types;
    if (strcmp(reply, "page") == 0)
        types = json_pack("{s:{}, s:{}, s:{}}", "text/html", "text/javascript", "text/css");
    else if (strcmp(reply, "text") == 0)
        types = content("text/plain", json_pack("{s:s}", "type", "string"));
    else
        types = content("application/json", json_incref(any));
    if (strcmp(reply, "stream") == 0) json_object_set_new(types, "text/event-stream", json_object());
    if (strcmp(reply, "lines") == 0) json_object_set_new(types, "application/x-ndjson", json_object());
    json_decref(any);
    return json_pack("{s:s, s:o}", "description", "the answer", "content", types);
}

static json_t *replies(const suan__route *route, const suan__operation *o) {
    static const struct {
        const char *status, *what;
        bool has_body; /* only where there is one to be wrong */
    } errors[] = {{"400", "the request is wrong", false},
                  {"401", "no key, or not one of this server's", false},
                  {"403", "Host or Origin is not this server's", false},
                  {"404", "no such path or model", false},
                  {"405", "not with this method", false},
                  {"408", "the request took too long to come", false},
                  {"413", "the request is too large", true},
                  {"415", "the body is no JSON", true},
                  {"429", "the key has its share already; try again", true},
                  {"431", "the headers are too large", false},
                  {"500", "the server failed", false},
                  {"501", "not done here", false},
                  {"503", "busy, loading or stopping; try again", false}};
    json_t *all = json_object();
    char name[64];
    bool is_shared =
        strcmp(route->method, "GET") == 0 && strncmp(route->path, "/v1/models", 10) == 0; /* three interfaces, told apart by headers */
    snprintf(name, sizeof name, "error.%s", is_shared ? "models" : route->dialect->name);
    json_object_set_new(all, "200", good_reply(o));
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (errors[i].has_body && (route->flags & SUAN__ROUTE_NO_BODY)) continue;
        json_object_set_new(
            all, errors[i].status,
            json_pack("{s:s, s:o}", "description", errors[i].what, "content", content("application/json", reference(name))));
    }
    return all;
}

/* "/v1/models/{}" to "/v1/models/{model}"; a path with two captures would need two names, and there is none. */
static const char *template_path(char path[REF_BYTES], const char *pattern) {
    const char *open = strchr(pattern, '{'), *close = open ? strchr(open, '}') : NULL;
    if (!close)
        snprintf(path, REF_BYTES, "%s", pattern);
    else
        snprintf(path, REF_BYTES, "%.*s{name}%s", (int)(open - pattern), pattern, close + 1);
    return path;
}

static json_t *operation(const suan__server *s, const suan__route *route, const suan__operation *o, bool has_name) {
    json_t *op = json_pack("{s:s, s:[s], s:o}", "summary", route->summary ? route->summary : route->path, "tags", route->dialect->name,
                           "responses", replies(route, o));
    if (!op) return NULL;
    if (o && o->body)
        json_object_set_new(op, "requestBody",
                            json_pack("{s:b, s:o}", "required", 1, "content", content("application/json", reference(o->body))));
    if (has_name)
        json_object_set_new(op, "parameters",
                            json_pack("[{s:s, s:s, s:b, s:{s:s, s:[s]}}]", "name", "name", "in", "path", "required", 1, "schema", "type",
                                      "string", "enum", s->config.model_name));
    bool is_open = route->flags & SUAN__ROUTE_PUBLIC || !s->config.keys_file;
    json_object_set_new(op, "security",
                        is_open ? json_array() : json_pack("[{s:[]}, {s:[]}, {s:[]}]", "bearer", "x_api_key", "x_goog_api_key"));
    return op;
}

static void add_operation(json_t *paths, const suan__server *s, const suan__route *route, const suan__operation *o) {
    char path[REF_BYTES], method[16] = "";
    template_path(path, o && o->shown ? o->shown : route->path);
    for (size_t k = 0; route->method[k] && k < sizeof method - 1; k++) method[k] = (char)(route->method[k] | 32);
    json_t *item = json_object_get(paths, path);
    if (!item) json_object_set_new(paths, path, item = json_object());
    if (!json_object_get(item, method)) json_object_set_new(item, method, operation(s, route, o, strchr(path, '{') != NULL));
}

static json_t *all_paths(const suan__server *s) {
    json_t *paths = json_object();
    const suan__route *route;
    for (size_t i = 0; (route = suan__route_at(i)); i++) {
        bool is_shown = false;
        for (const suan__operation *o = suan__operations; o->path; o++) {
            if (strcmp(o->method, route->method) != 0 || strcmp(o->path, route->path) != 0) continue;
            add_operation(paths, s, route, o);
            is_shown = true;
        }
        if (!is_shown) add_operation(paths, s, route, NULL);
    }
    return paths;
}

json_t *suan__openapi(const suan__server *s) {
    json_t *security = json_pack("{s:{s:s, s:s}, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}}", "bearer", "type", "http", "scheme", "bearer",
                                 "x_api_key", "type", "apiKey", "in", "header", "name", "x-api-key", "x_goog_api_key", "type", "apiKey",
                                 "in", "header", "name", "x-goog-api-key");
    return json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:o, s:o}}", "openapi", "3.1.0", "info", "title", "suan", "version", suan_version(),
                     "description", "One model behind the OpenAI, Anthropic, Gemini and Ollama interfaces.", "paths", all_paths(s),
                     "components", "schemas", all_schemas(s), "securitySchemes", security);
}
