/* The Gemini interface: requests into asks, schemas, events into replies and streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"

static const fake_path to = {&suan__gemini_routes, "/v1beta/models/{*}", "m:generateContent"};

static suan__exchange *ask(const char *body) {
    return fake_request(to.routes, to.path, to.capture, body);
}

#define QUESTION "'contents': [{'parts': [{'text': 'q'}]}]"

static void test_contents(void **state) {
    fake_messages(
        &to, "{'systemInstruction': {'parts': [{'text': 's'}]}, 'contents': [{'role': 'user', 'parts': [{'text': 'a'}, {'text': 'b'}]}]}",
        "[{'role': 'system', 'content': 's'}, {'role': 'user', 'content': 'a\\nb'}]");
    /* Other spelling; a streamed answer sent back as its pieces. */
    fake_messages(&to,
                  "{'system_instruction': {'role': 'user', 'parts': [{'text': 's'}]}, 'contents': [{'role': 'user', 'parts': [{'text': "
                  "'a'}]}, {'role': 'model', "
                  "'parts': [{'text': 'Hel'}]}, {'role': 'model', 'parts': [{'text': 'lo'}]}, {'role': 'model', 'parts': [{'text': ''}]}, "
                  "{'role': 'user', "
                  "'parts': [{'text': 'b'}]}]}",
                  "[{'role': 'system', 'content': 's'}, {'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'Hello'}, "
                  "{'role': 'user', 'content': "
                  "'b'}]");
    /* Calls and responses, with and without ids. */
    fake_messages(
        &to,
        "{'contents': [{'parts': [{'text': 'q'}]}, {'role': 'model', 'parts': [{'text': 'hm', 'thought': true}, {'functionCall': {'name': "
        "'f', 'args': "
        "{'a': 1}}, 'thoughtSignature': 'eA=='}, {'function_call': {'id': 'x', 'name': 'g'}}]}, {'role': 'user', 'parts': "
        "[{'functionResponse': {'name': "
        "'f', 'response': {'result': 2}}}, {'function_response': {'id': 'x', 'name': 'g', 'response': {}}}]}]}",
        "[{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'reasoning_content': 'hm', 'tool_calls': [{'type': 'function', 'id': "
        "'call_0', "
        "'function': {'name': 'f', 'arguments': {'a': 1}}}, {'type': 'function', 'id': 'x', 'function': {'name': 'g', 'arguments': {}}}]},"
        "{'role': 'tool', 'tool_call_id': 'call_0', 'name': 'f', 'content': '{\\'result\\':2}'}, {'role': 'tool', 'tool_call_id': 'x', "
        "'name': 'g', "
        "'content': '{}'}]");
}

static void test_tools(void **state) {
    suan__exchange *x = ask("{'tools': [{'functionDeclarations': [{'name': 'f', 'description': 'd', 'parameters': {'type': 'OBJECT', "
                            "'properties': {'a': {'type': "
                            "'INTEGER'}}}}, {'name': 'g', 'parameters_json_schema': {'type': 'object'}}, {'name': 'h'}]}], 'toolConfig': "
                            "{'functionCallingConfig': "
                            "{'mode': 'ANY', 'allowedFunctionNames': ['g', 'f']}}, " QUESTION "}");
    assert_int_equal(x->status, 0);
    assert_int_equal(x->ask->tool_choice, SUAN_TOOLS_REQUIRED);
    assert_json(
        x->ask->tools,
        "[{'type': 'function', 'function': {'name': 'f', 'description': 'd', 'parameters': {'type': 'object', 'properties': {'a': {'type': "
        "'integer'}}, 'additionalProperties': false}}}, {'type': 'function', 'function': {'name': 'g', 'parameters': {'type': "
        "'object'}}}]");
    fake_free(x);
}

static void test_config(void **state) {
    suan__exchange *x =
        ask("{'generationConfig': {'temperature': 0.5, 'topK': 3.0, 'top_p': 0, 'maxOutputTokens': 9, 'stop_sequences': ['X'], 'seed': -1, "
            "'candidate_count': 2, 'responseLogprobs': true, 'logprobs': 2, 'thinkingConfig': {'include_thoughts': true, "
            "'thinking_budget': 0}, "
            "'presencePenalty': 0.5}, 'safetySettings': [{'category': 'A', 'threshold': 'B'}], " QUESTION "}");
    assert_int_equal(x->status, 0);
    const suan_request_params *p = &x->ask->params;
    assert_true(p->sampling.temperature == 0.5f && p->sampling.presence_penalty == 0.5f && p->sampling.top_p > 0);
    assert_int_equal(p->sampling.top_k, 3);
    assert_true(p->sampling.seed == UINT64_MAX);
    assert_int_equal(p->max_tokens, 9);
    assert_int_equal(p->n_choices, 2);
    assert_int_equal(p->n_logprobs, 2);
    assert_true(p->want_logprobs);
    assert_string_equal(p->stop[0], "X");
    assert_int_equal(x->ask->think, 0);
    assert_string_equal(x->advisory, "safetySettings, safetySettings[0].category, safetySettings[0].threshold");
    fake_free(x);
}

/* What a Schema becomes. */
static void check_schema(const char *schema, const char *expected) {
    char body[4096];
    snprintf(body, sizeof body, "{'generationConfig': {'responseMimeType': 'application/json', 'responseSchema': %s}, " QUESTION "}",
             schema);
    suan__exchange *x = ask(body);
    if (x->status) fail_msg("%s: %s", body, x->problem.message);
    json_t *found = json_loads(x->ask->format_text, JSON_DECODE_ANY, NULL);
    assert_json(found, expected);
    json_decref(found);
    fake_free(x);
}

static void test_schema(void **state) {
    check_schema("{'type': 'STRING', 'format': 'enum', 'enum': ['a', 'b'], 'nullable': true}",
                 "{'type': ['string', 'null'], 'format': 'enum', 'enum': ['a', 'b', null]}");
    check_schema("{'type': 'INTEGER', 'format': 'int32', 'enum': ['1', '20'], 'minimum': 1}",
                 "{'type': 'integer', 'format': 'int32', 'enum': [1, 20], 'minimum': 1}");
    check_schema("{'type': 'array', 'items': {'type': 'NUMBER'}, 'min_items': '2', 'maxItems': 3}",
                 "{'type': 'array', 'items': {'type': 'number'}, 'minItems': 2, 'maxItems': 3}");
    check_schema(
        "{'anyOf': [{'type': 'STRING', 'format': 'date'}, {'ref': '#/defs/P'}], 'nullable': true, 'defs': {'P': {'type': 'BOOLEAN'}}}",
        "{'anyOf': [{'type': 'string', 'format': 'date'}, {'$ref': '#/$defs/P'}, {'type': 'null'}], '$defs': {'P': {'type': 'boolean'}}}");
    /* The order of properties counts: jansson keeps it. */
    suan__exchange *x = ask("{'generationConfig': {'responseMimeType': 'application/json', 'response_schema': {'type': 'OBJECT', "
                            "'properties': {'a': {'type': 'STRING'}, "
                            "'b': {'type': 'STRING'}, 'c': {'type': 'STRING'}}, 'property_ordering': ['c', 'a']}}, " QUESTION "}");
    const char *text = x->ask->format_text;
    assert_true(strstr(text, "\"c\"") < strstr(text, "\"a\"") && strstr(text, "\"a\"") < strstr(text, "\"b\""));
    fake_free(x);
}

/* Deeper than any honest schema. */
static void test_deep_schema(void **state) {
    suan__buf body = {0};
    suan__buf_printf(&body, "{'generationConfig': {'responseMimeType': 'application/json', 'responseSchema': ");
    for (int i = 0; i < 100; i++) suan__buf_printf(&body, "{'type': 'ARRAY', 'items': ");
    suan__buf_printf(&body, "{'type': 'STRING'}");
    for (int i = 0; i < 100; i++) suan__buf_append(&body, "}", 1);
    suan__buf_printf(&body, "}, " QUESTION "}");
    assert_false(body.failed);
    suan__exchange *x = ask(body.data);
    suan__buf_fini(&body);
    assert_int_equal(x->problem.kind, SUAN__PROBLEM_INVALID);
    assert_non_null(strstr(x->problem.message, "64 levels"));
    fake_free(x);
}

static void test_forms(void **state) {
    suan__exchange *x = ask(
        "{'generationConfig': {'responseMimeType': 'text/x.enum', 'responseSchema': {'type': 'STRING', 'enum': ['a', 'b\\\\c']}}, " QUESTION
        "}");
    assert_int_equal(x->ask->format, SUAN__FORMAT_GBNF);
    assert_string_equal(x->ask->format_text, "root ::= \"a\" | \"b\\\\c\"");
    fake_free(x);
    x = ask("{'generationConfig': {'responseMimeType': 'application/json', 'response_json_schema': {'type': 'object', "
            "'additionalProperties': true}}, " QUESTION "}");
    assert_string_equal(x->ask->format_text, "{\"type\":\"object\",\"additionalProperties\":true}");
    fake_free(x);
    x = ask("{'generationConfig': {'responseMimeType': 'application/json'}, " QUESTION "}");
    assert_string_equal(x->ask->format_text, "{\"type\":[\"object\",\"array\"]}");
    fake_free(x);
}

static void test_refused(void **state) {
    fake_refused(&to, "{}", SUAN__PROBLEM_INVALID, "contents");
    fake_refused(&to, "{'nonsense': 1, " QUESTION "}", SUAN__PROBLEM_INVALID, "nonsense");
    fake_refused(&to, "{'cached_content': 'c', " QUESTION "}", SUAN__PROBLEM_UNSUPPORTED, "cached_content");
    fake_refused(&to, "{'contents': [{'parts': [{'inline_data': {}}]}]}", SUAN__PROBLEM_UNSUPPORTED, "contents[0].parts[0].inline_data");
    fake_refused(&to, "{'contents': [{'parts': [{}]}]}", SUAN__PROBLEM_INVALID, "contents[0].parts[0]");
    fake_refused(&to, "{'contents': [{'role': 'robot', 'parts': [{'text': 'q'}]}]}", SUAN__PROBLEM_INVALID, "contents[0].role");
    fake_refused(&to, "{'contents': [{'parts': [{'functionResponse': {'name': 'f', 'response': {}}}]}]}", SUAN__PROBLEM_INVALID,
                 "contents[0].parts[0].functionResponse");
    fake_refused(&to, "{'tools': [{'googleSearch': {}}], " QUESTION "}", SUAN__PROBLEM_UNSUPPORTED, "tools[0].googleSearch");
    fake_refused(&to, "{'toolConfig': {'functionCallingConfig': {'mode': 'ANY'}}, " QUESTION "}", SUAN__PROBLEM_INVALID,
                 "toolConfig.functionCallingConfig");
    fake_refused(&to, "{'generationConfig': {'candidateCount': 1000000000}, " QUESTION "}", SUAN__PROBLEM_INVALID,
                 "generationConfig.candidateCount");
    fake_refused(&to, "{'generationConfig': {'topK': 1, 'top_k': 1}, " QUESTION "}", SUAN__PROBLEM_INVALID, "generationConfig.topK");
    fake_refused(&to, "{'generationConfig': {'responseModalities': ['IMAGE']}, " QUESTION "}", SUAN__PROBLEM_UNSUPPORTED,
                 "generationConfig.responseModalities");
    fake_refused(&to, "{'generationConfig': {'responseSchema': {}}, " QUESTION "}", SUAN__PROBLEM_INVALID,
                 "generationConfig.responseMimeType");
    fake_refused(&to, "{'model': 'models/n', " QUESTION "}", SUAN__PROBLEM_NOT_FOUND, "model");
}

/* The last colon counts; names may hold others. */
static void test_paths(void **state) {
    static const char body[] = "{" QUESTION "}";
    static const char *const unknown[] = {"m:predict", "m", "n:generateContent", "m:4b:generateContent", "models/m:generateContent:x"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        suan__exchange *x = fake_request(&suan__gemini_routes, "/v1/models/{*}", unknown[i], body);
        assert_int_equal(x->problem.kind, SUAN__PROBLEM_NOT_FOUND);
        fake_free(x);
    }
    suan__exchange *x = fake_request(&suan__gemini_routes, "/v1/models/{*}", "m:countTokens", body);
    assert_json(x->reply, "{'totalTokens': 1}");
    fake_free(x);
}

static void test_error(void **state) {
    suan__exchange *x = ask("{}");
    assert_json(x->reply, "{'error': {'code': 400, 'message': 'contents is missing.', 'status': 'INVALID_ARGUMENT', 'details': [{'@type': "
                          "'type.googleapis.com/google.rpc.BadRequest', 'fieldViolations': [{'field': 'contents', 'description': 'contents "
                          "is missing.'}]}]}}");
    fake_free(x);
}

#define USAGE                                                                                                               \
    "'usageMetadata': {'promptTokenCount': 10, 'candidatesTokenCount': 3, 'totalTokenCount': 15, 'thoughtsTokenCount': 2, " \
    "'cachedContentTokenCount': 4, 'suan': {}}"

static void answer(suan__exchange *x) {
    suan_logprob top[] = {{1, -0.5f}, {7, -2}};
    suan__token token = {.id = 7, .text = "\xff", .n = 1, .logprob = -2, .top = top, .n_top = 2};
    suan__ask_event text = {.kind = SUAN__ASK_TEXT, .text = "a", .n_text = 1, .tokens = &token, .n_tokens = 1};
    fake_text(x, SUAN__ASK_START, NULL);
    fake_text(x, SUAN__ASK_REASONING, "hm");
    fake_event(x, &text);
    fake_call(x, "c1", "f", "{\"x\": 1}");
    fake_end(x, SUAN__ASK_CALLS, NULL);
}

static void test_whole(void **state) {
    suan__exchange *x = ask("{" QUESTION "}");
    answer(x);
    assert_json(x->reply, "{'candidates': [{'content': {'parts': [{'text': 'a'}, {'functionCall': {'id': 'c1', 'name': 'f', 'args': {'x': "
                          "1}}}], 'role': 'model'}, "
                          "'index': 0, 'finishReason': 'STOP'}], 'modelVersion': 'm', 'responseId': 'req_1', " USAGE "}");
    fake_free(x);
    x = ask("{'generationConfig': {'responseLogprobs': true, 'logprobs': 2, 'thinkingConfig': {'includeThoughts': true}}, " QUESTION "}");
    answer(x);
    assert_json(json_array_get(json_object_get(x->reply, "candidates"), 0),
                "{'content': {'parts': [{'text': 'hm', 'thought': true}, {'text': 'a'}, {'functionCall': {'id': 'c1', 'name': 'f', 'args': "
                "{'x': 1}}}], 'role': "
                "'model'}, 'index': 0, 'finishReason': 'STOP', 'avgLogprobs': -2.0, 'logprobsResult': {'chosenCandidates': [{'token': "
                "'\xef\xbf\xbd', 'tokenId': 7, "
                "'logProbability': -2.0}], 'topCandidates': [{'candidates': [{'token': 't', 'tokenId': 1, 'logProbability': -0.5}, "
                "{'token': '\xef\xbf\xbd', "
                "'tokenId': 7, 'logProbability': -2.0}]}]}}");
    fake_free(x);
}

static suan__exchange *stream(const char *path) {
    suan__exchange *x = fake_request(&suan__gemini_routes, path, "m:streamGenerateContent", "{" QUESTION "}");
    fake_text(x, SUAN__ASK_START, NULL);
    fake_text(x, SUAN__ASK_REASONING, "hm");
    fake_text(x, SUAN__ASK_TEXT, "a");
    return x;
}

#define FIRST                                                                                                                              \
    "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"model\"},\"index\":0}],\"modelVersion\":\"m\",\"responseId\":" \
    "\"req_1\"}"
#define LAST                                                                                                                        \
    "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"index\":0,\"finishReason\":\"MAX_TOKENS\"}]," \
    "\"modelVersion\":\"m\","                                                                                                       \
    "\"responseId\":\"req_1\",\"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":3,\"totalTokenCount\":15,"        \
    "\"thoughtsTokenCount\":2,"                                                                                                     \
    "\"cachedContentTokenCount\":4,\"suan\":{}}}"
#define ERROR "{\"error\":{\"code\":503,\"message\":\"no\",\"status\":\"UNAVAILABLE\",\"details\":[]}}"

static void test_stream(void **state) {
    suan__exchange *x = stream("/v1/models/{*}?alt=sse");
    fake_end(x, SUAN__ASK_LENGTH, NULL);
    assert_string_equal(x->out.data, "data: " FIRST "\n\ndata: " LAST "\n\n");
    assert_true(x->has_ended);
    fake_free(x);
    x = stream("/v1/models/{*}");
    fake_end(x, SUAN__ASK_LENGTH, NULL);
    assert_string_equal(x->out.data, "[" FIRST "\n,\n" LAST "\n]\n");
    fake_free(x);
}

static void test_stream_fails(void **state) {
    suan__problem problem;
    suan__problem_set(&problem, SUAN__PROBLEM_BUSY, "", "no");
    suan__ask_event end = {.kind = SUAN__ASK_END, .problem = &problem};
    suan__exchange *x = stream("/v1/models/{*}?alt=sse");
    fake_event(x, &end);
    assert_string_equal(x->out.data, "data: " FIRST "\n\ndata: " ERROR "\n\n");
    fake_free(x);
    x = stream("/v1/models/{*}");
    fake_event(x, &end);
    assert_string_equal(x->out.data, "[" FIRST "\n,\n" ERROR "\n]\n");
    fake_free(x);
    x = fake_request(&suan__gemini_routes, "/v1/models/{*}", "m:streamGenerateContent", "{" QUESTION "}");
    fake_event(x, &end);
    assert_string_equal(x->out.data, "[" ERROR "\n]\n");
    fake_free(x);
}

static void test_embed(void **state) {
    suan__exchange *x =
        fake_request(&suan__gemini_routes, "/v1/models/{*}", "m:batchEmbedContents",
                     "{'requests': [{'model': 'models/m', 'content': {'parts': [{'text': 'a'}]}, 'outputDimensionality': 4}]}");
    static const float values[] = {0.5f, 1};
    suan__ask_event event = {.kind = SUAN__ASK_EMBEDDING, .values = values, .n_values = 2}, end = {.kind = SUAN__ASK_END};
    assert_int_equal(x->n_started, 1);
    assert_string_equal(x->ask->text, "a");
    fake_event(x, &event);
    fake_event(x, &end);
    assert_json(x->reply, "{'embeddings': [{'values': [0.5, 1.0]}]}");
    fake_free(x);
    x = fake_request(&suan__gemini_routes, "/v1/models/{*}", "m:embedContent",
                     "{'content': {'parts': [{'text': 'a'}]}, 'output_dimensionality': 2}");
    assert_int_equal(x->problem.kind, SUAN__PROBLEM_UNSUPPORTED);
    fake_free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contents), cmocka_unit_test(test_tools),       cmocka_unit_test(test_config),
        cmocka_unit_test(test_schema),   cmocka_unit_test(test_deep_schema), cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_paths),       cmocka_unit_test(test_error),
        cmocka_unit_test(test_whole),    cmocka_unit_test(test_stream),      cmocka_unit_test(test_stream_fails),
        cmocka_unit_test(test_embed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
