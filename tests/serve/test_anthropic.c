/* The Messages interface: requests into asks, events into replies and streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"

static const fake_path to = {&suan__anthropic_routes, "/v1/messages", ""};

static suan__exchange *ask(const char *body) {
    return fake_request(to.routes, to.path, to.capture, body);
}

#define HEAD "{'model': 'm', 'max_tokens': 5, "

static void test_messages(void **state) {
    fake_messages(&to, HEAD "'messages': [{'role': 'user', 'content': 'hi'}]}", "[{'role': 'user', 'content': 'hi'}]");
    fake_messages(&to,
                  HEAD "'system': [{'type': 'text', 'text': 'a'}, {'type': 'text', 'text': 'b'}],"
                       "'messages': [{'role': 'user', 'content': [{'type': 'text', 'text': 'x', 'cache_control': {'type': 'ephemeral'}}]},"
                       "{'role': 'user', 'content': 'y'}]}",
                  "[{'role': 'system', 'content': 'a\\nb'}, {'role': 'user', 'content': 'x\\ny'}]");
    /* A call, its result and more of the user. Thinking of this turn is kept. */
    fake_messages(
        &to,
        HEAD
        "'messages': [{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': ["
        "{'type': 'thinking', 'thinking': 'hm', 'signature': 's'}, {'type': 'text', 'text': 'let me'}, {'type': 'tool_use', 'id': 't1', "
        "'name': 'f', 'input': {'a': 1}}]},"
        "{'role': 'user', 'content': [{'type': 'tool_result', 'tool_use_id': 't1', 'content': [{'type': 'text', 'text': '7'}], "
        "'is_error': true}]}]}",
        "[{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'reasoning_content': 'hm', 'content': 'let me', 'tool_calls': [{'type': "
        "'function', 'id': 't1', 'function': {'name': 'f', 'arguments': {'a': 1}}}]},"
        "{'role': 'tool', 'tool_call_id': 't1', 'name': 'f', 'content': 'Error: 7'}]");
    /* That of turns before is left out. */
    fake_messages(&to,
                  HEAD
                  "'messages': [{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': [{'type': 'thinking', 'thinking': 'hm', "
                  "'signature': ''}, {'type': 'text', 'text': 'a'}]}, {'role': 'user', 'content': 'r'}]}",
                  "[{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'a'}, {'role': 'user', 'content': 'r'}]");
    fake_messages(&to,
                  HEAD
                  "'messages': [{'role': 'user', 'content': [{'type': 'document', 'title': 'T', 'source': {'type': 'text', 'media_type': "
                  "'text/plain', 'data': 'D'}}, {'type': 'text', 'text': 'q'}]}]}",
                  "[{'role': 'user', 'content': 'T\\nD\\nq'}]");
}

static void test_prefill(void **state) {
    suan__exchange *x = ask(HEAD "'messages': [{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'The ('}]}");
    assert_true(x->ask->continues_last);
    assert_int_equal(x->ask->think, -2);
    fake_free(x);
    fake_refused(
        &to,
        HEAD
        "'messages': [{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': [{'type': 'tool_use', 'id': 'a', 'name': 'f', "
        "'input': {}}]}]}",
        SUAN__PROBLEM_INVALID, "messages[1]");
}

static void test_options(void **state) {
    suan__exchange *x = ask(
        HEAD "'temperature': 0.5, 'top_k': 3, 'top_p': 0.25, 'stop_sequences': ['X'], 'metadata': {'user_id': 'u'}, 'thinking': {'type': "
             "'enabled', 'budget_tokens': 2000}, 'output_config': {'effort': 'xhigh', 'format': {'type': 'json_schema', 'schema': {'type': "
             "'object'}}}, 'tools': [{'name': 'f', 'description': 'd', 'input_schema': {'type': 'object'}}], 'tool_choice': {'type': "
             "'tool', 'name': 'f', 'disable_parallel_tool_use': true}, 'messages': [{'role': 'user', 'content': 'q'}]}");
    assert_int_equal(x->status, 0);
    assert_int_equal(x->ask->params.max_tokens, 5);
    assert_true(x->ask->params.sampling.temperature == 0.5f && x->ask->params.sampling.top_p == 0.25f);
    assert_int_equal(x->ask->params.sampling.top_k, 3);
    assert_string_equal(x->ask->params.stop[0], "X");
    assert_int_equal(x->ask->think, 1);
    assert_json(x->ask->template_extra, "{'reasoning_effort': 'high'}");
    assert_int_equal(x->ask->format, SUAN__FORMAT_JSON_SCHEMA);
    assert_string_equal(x->ask->format_text, "{\"type\":\"object\"}");
    assert_json(x->ask->tools, "[{'type': 'function', 'function': {'name': 'f', 'description': 'd', 'parameters': {'type': 'object'}}}]");
    assert_int_equal(x->ask->tool_choice, SUAN_TOOLS_NAMED);
    assert_string_equal(x->ask->tool_name, "f");
    assert_true(x->ask->one_call);
    assert_string_equal(x->advisory, "metadata, metadata.user_id");
    fake_free(x);
}

static void test_refused(void **state) {
    fake_refused(&to, "{'model': 'm', 'messages': [{'role': 'user', 'content': 'q'}]}", SUAN__PROBLEM_INVALID, "max_tokens");
    fake_refused(&to, "{'model': 'n', 'max_tokens': 5, 'messages': [{'role': 'user', 'content': 'q'}]}", SUAN__PROBLEM_NOT_FOUND, "model");
    fake_refused(&to, HEAD "'nonsense': 1, 'messages': [{'role': 'user', 'content': 'q'}]}", SUAN__PROBLEM_INVALID, "nonsense");
    fake_refused(&to, HEAD "'container': 'c', 'messages': [{'role': 'user', 'content': 'q'}]}", SUAN__PROBLEM_UNSUPPORTED, "container");
    fake_refused(&to, HEAD "'messages': [{'role': 'user', 'content': [{'type': 'image', 'source': {}}]}]}", SUAN__PROBLEM_UNSUPPORTED,
                 "messages[0].content[0]");
    fake_refused(&to, HEAD "'messages': [{'role': 'user', 'content': [{'type': 'tool_result', 'tool_use_id': 'x'}]}]}",
                 SUAN__PROBLEM_INVALID, "messages[0].content[0]");
    fake_refused(&to, HEAD "'messages': [{'role': 'user', 'content': 'q'}], 'tools': [{'type': 'web_search_20250305', 'name': 'w'}]}",
                 SUAN__PROBLEM_UNSUPPORTED, "tools[0]");
    fake_refused(&to, HEAD "'messages': [{'role': 'user', 'content': 'q'}], 'tool_choice': {'type': 'any'}}", SUAN__PROBLEM_INVALID,
                 "tool_choice");
    fake_refused(&to, HEAD "'messages': [{'role': 'robot', 'content': 'q'}]}", SUAN__PROBLEM_INVALID, "messages[0].role");
    fake_refused(&to, HEAD "'messages': []}", SUAN__PROBLEM_INVALID, "messages");
}

static void test_error(void **state) {
    suan__exchange *x = ask("{'model': 'm'}");
    assert_int_equal(x->status, 400);
    assert_json(x->reply,
                "{'type': 'error', 'error': {'type': 'invalid_request_error', 'message': 'messages is missing.'}, 'request_id': 'req_1'}");
    fake_free(x);
}

#define QUESTION "'messages': [{'role': 'user', 'content': 'q'}]}"
#define USAGE "'input_tokens': 6, 'cache_creation_input_tokens': 0, 'cache_read_input_tokens': 4"

static void test_whole(void **state) {
    suan__exchange *x = ask(HEAD QUESTION);
    fake_text(x, SUAN__ASK_START, NULL);
    fake_text(x, SUAN__ASK_REASONING, "hm");
    fake_text(x, SUAN__ASK_TEXT, "a");
    fake_text(x, SUAN__ASK_TEXT, "b");
    fake_call(x, "call_1", "f", "{\"x\": 1}");
    fake_end(x, SUAN__ASK_CALLS, NULL);
    assert_json(
        x->reply,
        "{'id': 'msg_1', 'type': 'message', 'role': 'assistant', 'model': 'm', 'content': [{'type': 'thinking', 'thinking': 'hm', "
        "'signature': 'c3Vhbi0x'}, {'type': 'text', 'text': 'ab'}, {'type': 'tool_use', 'id': 'call_1', 'name': 'f', 'input': {'x': 1}}],"
        "'stop_reason': 'tool_use', 'stop_sequence': null, 'usage': {" USAGE
        ", 'output_tokens': 5, 'output_tokens_details': {'thinking_tokens': 2}, 'suan': {}}}");
    fake_free(x);
}

/* Arguments that break off: the members that are whole. */
static void test_cut_calls(void **state) {
    static const char *const cuts[][2] = {
        {"", "{}"},
        {"{", "{}"},
        {"{\"a\": 12", "{}"},
        {"{\"a\": 12, \"b", "{'a': 12}"},
        {"{\"a\": [1, {\"b\": \"x,}\\\"\"}, 3", "{'a': [1, {'b': 'x,}\\\"'}]}"},
        {"{\"a\": {\"b\": true} ", "{'a': {'b': true}}"},
        {"{\"a\": {\"b\": true, ", "{'a': {'b': true}}"},
    };
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        suan__exchange *x = ask(HEAD QUESTION);
        fake_text(x, SUAN__ASK_START, NULL);
        fake_call(x, "c", "f", cuts[i][0]);
        fake_end(x, SUAN__ASK_LENGTH, NULL);
        assert_json(json_object_get(json_array_get(json_object_get(x->reply, "content"), 0), "input"), cuts[i][1]);
        fake_free(x);
    }
}

/* A call whose beginning finds no memory: what follows of it has no place, and the request fails. */
static void test_no_memory(void **state) {
    suan__exchange *x = ask(HEAD QUESTION);
    fake_text(x, SUAN__ASK_START, NULL);
    suan__alloc_fail_at(1);
    fake_call(x, "c", "f", "{\"x\": 1}");
    suan__alloc_fail_at(0);
    fake_end(x, SUAN__ASK_CALLS, NULL);
    assert_problem(x, SUAN__PROBLEM_INTERNAL, "");
    fake_free(x);
}

static const char *reason_of(suan__ask_finish finish) {
    static char reason[64];
    suan__exchange *x = ask(HEAD QUESTION);
    fake_end(x, finish, finish == SUAN__ASK_STOP_STRING ? "X" : NULL);
    snprintf(reason, sizeof reason, "%s", json_string_value(json_object_get(x->reply, "stop_reason")));
    assert_json(json_object_get(x->reply, "stop_sequence"), finish == SUAN__ASK_STOP_STRING ? "'X'" : "null");
    fake_free(x);
    return reason;
}

static void test_reasons(void **state) {
    assert_string_equal(reason_of(SUAN__ASK_STOP), "end_turn");
    assert_string_equal(reason_of(SUAN__ASK_STOP_STRING), "stop_sequence");
    assert_string_equal(reason_of(SUAN__ASK_LENGTH), "max_tokens");
    assert_string_equal(reason_of(SUAN__ASK_CONTEXT), "model_context_window_exceeded");
}

#define EVENT(name, rest) "event: " name "\ndata: {\"type\":\"" name "\"" rest "}\n\n"

static void test_stream(void **state) {
    suan__exchange *x = ask(HEAD "'stream': true, " QUESTION);
    fake_text(x, SUAN__ASK_START, NULL);
    fake_text(x, SUAN__ASK_REASONING, "hm");
    fake_text(x, SUAN__ASK_TEXT, "a");
    fake_text(x, SUAN__ASK_TEXT, "");
    fake_call(x, "c1", "f", "{}");
    fake_end(x, SUAN__ASK_CALLS, NULL);
    assert_true(x->has_ended);
    assert_string_equal(
        x->out.data,
        EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],"
                               "\"stop_reason\":null,"
                               "\"stop_sequence\":null,\"usage\":{\"input_tokens\":6,\"cache_creation_input_tokens\":0,\"cache_read_input_"
                               "tokens\":4,\"output_tokens\":0}}") EVENT("ping", "")
            EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}")
                EVENT("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}") EVENT(
                    "content_block_delta",
                    ",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c3Vhbi0x\"}") EVENT("content_block_stop",
                                                                                                              ",\"index\":0")
                    EVENT("content_block_start", ",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}") EVENT(
                        "content_block_delta",
                        ",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}") EVENT("content_block_stop", ",\"index\":1")
                        EVENT("content_block_start",
                              ",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"f\",\"input\":{}}")
                            EVENT("content_block_delta", ",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}")
                                EVENT("content_block_delta",
                                      ",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"}\"}")
                                    EVENT("content_block_stop", ",\"index\":2") EVENT(
                                        "message_delta",
                                        ",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":6,"
                                        "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":4,\"output_tokens\":5,"
                                        "\"output_tokens_details\":{\"thinking_tokens\":2},\"suan\":{}}") EVENT("message_stop", ""));
    fake_free(x);
}

static void test_stream_fails(void **state) {
    suan__exchange *x = ask(HEAD "'stream': true, " QUESTION);
    suan__problem problem;
    suan__problem_set(&problem, SUAN__PROBLEM_BUSY, "", "no");
    suan__ask_event end = {.kind = SUAN__ASK_END, .problem = &problem};
    fake_event(x, &end);
    assert_string_equal(x->out.data,
                        EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"no\"},\"request_id\":\"req_1\""));
    assert_true(x->has_ended);
    fake_free(x);
}

/* Thinking that is not to be shown: an empty block that has a signature. */
static void test_hidden(void **state) {
    suan__exchange *x = ask(HEAD "'thinking': {'type': 'adaptive', 'display': 'omitted'}, " QUESTION);
    fake_text(x, SUAN__ASK_REASONING, "hm");
    fake_end(x, SUAN__ASK_STOP, NULL);
    assert_json(json_object_get(x->reply, "content"), "[{'type': 'thinking', 'thinking': '', 'signature': 'c3Vhbi0x'}]");
    fake_free(x);
}

/* max_tokens 0 reads the prompt and draws nothing. */
static void test_warm(void **state) {
    suan__exchange *x = ask("{'model': 'm', 'max_tokens': 0, " QUESTION);
    suan__ask_event end = {.kind = SUAN__ASK_END, .usage = {.n_prompt = 3}};
    assert_true(x->ask->params.only_prompt);
    fake_event(x, &end);
    assert_json(json_object_get(x->reply, "stop_reason"), "'max_tokens'");
    assert_json(json_object_get(x->reply, "content"), "[]");
    fake_free(x);
}

static void test_count(void **state) {
    suan__exchange *x = fake_request(&suan__anthropic_routes, "/v1/messages/count_tokens", "", "{'model': 'm', 'system': 's', " QUESTION);
    assert_json(x->reply, "{'input_tokens': 2}");
    fake_free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),  cmocka_unit_test(test_prefill),      cmocka_unit_test(test_options),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_error),        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_cut_calls), cmocka_unit_test(test_no_memory),    cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_stream),    cmocka_unit_test(test_stream_fails), cmocka_unit_test(test_hidden),
        cmocka_unit_test(test_warm),      cmocka_unit_test(test_count)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
