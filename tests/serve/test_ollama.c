/* The Ollama interface: requests into asks, events into replies and lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"

static const fake_path to = {&suan__ollama_routes, "/api/chat", ""};

static suan__exchange *chat(const char *body) {
    return fake_request(to.routes, to.path, to.capture, body);
}

static suan__exchange *generate(const char *body) {
    return fake_request(&suan__ollama_routes, "/api/generate", "", body);
}

#define QUESTION "'model': 'm', 'messages': [{'role': 'user', 'content': 'q'}]"

static void test_messages(void **state) {
    suan__exchange *x = chat("{'model': 'm', 'stream': false, 'tools': [], 'messages': [{'role': 'system', 'content': 's'}, {'role': "
                             "'user', 'content': 'q', 'images': "
                             "[]}, {'role': 'assistant', 'content': '', 'thinking': 'hm', 'tool_calls': [{'function': {'name': 'f', "
                             "'arguments': {'a': 1}}}, {'id': 'x', "
                             "'function': {'name': 'g', 'arguments': {}}}]}, {'role': 'tool', 'content': '1', 'tool_name': 'f'}, {'role': "
                             "'tool', 'content': '2', "
                             "'tool_call_id': 'x'}, {'role': 'tool', 'content': '3'}]}");
    if (x->status) fail_msg("%s", x->problem.message);
    assert_json(x->ask->messages, "[{'role': 'system', 'content': 's'}, {'role': 'user', 'content': 'q'}, {'role': 'assistant', "
                                  "'reasoning_content': 'hm', 'tool_calls': [{'type': "
                                  "'function', 'id': 'call_0', 'function': {'name': 'f', 'arguments': {'a': 1}}}, {'type': 'function', "
                                  "'id': 'x', 'function': {'name': 'g', 'arguments': "
                                  "{}}}]}, {'role': 'tool', 'tool_call_id': 'call_0', 'name': 'f', 'content': '1'}, {'role': 'tool', "
                                  "'tool_call_id': 'x', 'name': 'g', 'content': '2'}, "
                                  "{'role': 'tool', 'tool_call_id': 'x', 'name': 'g', 'content': '3'}]");
    assert_false(x->ask->continues_last);
    fake_free(x);
}

static void test_options(void **state) {
    suan__exchange *x =
        chat("{" QUESTION
             ", 'options': {'num_predict': 9, 'temperature': 0.5, 'top_p': 0, 'repeat_last_n': -1, 'repeat_penalty': 1.5, 'stop': 'X', "
             "'num_ctx': 4096, 'mirostat': 0, 'seed': 7}, 'keep_alive': '5m', 'think': 'high', 'format': 'json', 'logprobs': true, "
             "'top_logprobs': 2}");
    assert_true(x->is_stream);
    const suan_request_params *p = &x->ask->params;
    assert_int_equal(p->max_tokens, 9);
    assert_true(p->sampling.temperature == 0.5f && p->sampling.top_p > 0 && p->sampling.repetition_penalty == 1.5f);
    assert_int_equal(p->sampling.penalty_last_n, -1);
    assert_int_equal(p->sampling.seed, 7);
    assert_int_equal(p->n_logprobs, 2);
    assert_string_equal(p->stop[0], "X");
    assert_int_equal(x->ask->think, 1);
    assert_json(x->ask->template_extra, "{'reasoning_effort': 'high'}");
    assert_int_equal(x->ask->format, SUAN__FORMAT_JSON_OBJECT);
    assert_string_equal(x->advisory, "keep_alive, options.num_ctx, options.mirostat");
    fake_free(x);
}

static void test_generate(void **state) {
    suan__exchange *x = generate("{'model': 'm', 'prompt': 'p', 'raw': true, 'stream': false}");
    assert_string_equal(x->ask->text, "p");
    assert_true(x->ask->text_is_raw && x->ask->plain);
    fake_free(x);
    x = generate("{'model': 'm', 'prompt': 'p', 'suffix': 's'}");
    assert_problem(x, SUAN__PROBLEM_UNSUPPORTED, "suffix");
    assert_true(json_is_string(json_object_get(x->reply, "error")));
    fake_free(x);
}

static void test_load(void **state) {
    suan__exchange *x = chat("{'model': 'm', 'stream': false}");
    assert_json(json_object_get(x->reply, "done_reason"), "'load'");
    assert_json(json_object_get(x->reply, "message"), "{'role': 'assistant', 'content': ''}");
    fake_free(x);
    x = generate("{'model': 'm', 'keep_alive': 0, 'stream': false}");
    assert_json(json_object_get(x->reply, "done_reason"), "'unload'");
    fake_free(x);
}

static void test_refused(void **state) {
    fake_refused(&to, "{'messages': []}", SUAN__PROBLEM_INVALID, "model");
    fake_refused(&to, "{'model': 'n'}", SUAN__PROBLEM_NOT_FOUND, "model");
    fake_refused(&to, "{" QUESTION ", 'nonsense': 1}", SUAN__PROBLEM_INVALID, "nonsense");
    fake_refused(&to, "{" QUESTION ", 'format': 'xml'}", SUAN__PROBLEM_INVALID, "format");
    fake_refused(&to, "{" QUESTION ", 'options': {'num_predict': -1000000000}}", SUAN__PROBLEM_INVALID, "options.num_predict");
    fake_refused(&to, "{'model': 'm', 'messages': [{'role': 'user', 'content': 'q', 'images': ['x']}]}", SUAN__PROBLEM_UNSUPPORTED,
                 "messages[0].images");
    fake_refused(&to, "{'model': 'm', 'messages': [{'role': 'tool', 'content': 'q'}]}", SUAN__PROBLEM_INVALID, "messages[0]");
    fake_refused(&to, "{'model': 'm', 'messages': [{'role': 'assistant', 'tool_calls': [{'function': {'name': 'f', 'arguments': '{}'}}]}]}",
                 SUAN__PROBLEM_INVALID, "messages[0].tool_calls[0].function.arguments");
}

/* What differs from run to run. */
static void drop_times(json_t *reply) {
    static const char *const names[] = {"created_at", "total_duration"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_int_equal(json_object_del(reply, names[i]), 0);
}

static void test_whole(void **state) {
    suan__exchange *x = chat("{" QUESTION ", 'stream': false}");
    fake_text(x, SUAN__ASK_START, NULL);
    fake_text(x, SUAN__ASK_REASONING, "hm");
    fake_text(x, SUAN__ASK_TEXT, "a");
    fake_call(x, "c1", "f", "{\"x\": 1}");
    fake_end(x, SUAN__ASK_CALLS, NULL);
    drop_times(x->reply);
    assert_json(x->reply, "{'model': 'm', 'message': {'role': 'assistant', 'content': 'a', 'thinking': 'hm', 'tool_calls': [{'id': 'c1', "
                          "'function': {'index': 0, 'name': "
                          "'f', 'arguments': {'x': 1}}}]}, 'done': true, 'done_reason': 'stop', 'load_duration': 0, 'prompt_eval_count': "
                          "10, 'prompt_eval_duration': 0, "
                          "'eval_count': 5, 'eval_duration': 0, 'suan': {}}");
    fake_free(x);
}

static json_t *next_line(char **at) {
    char *end = strchr(*at, '\n');
    assert_non_null(end);
    json_t *line = json_loadb(*at, (size_t)(end - *at), 0, NULL);
    *at = end + 1;
    return line;
}

static void test_stream(void **state) {
    suan__exchange *x = generate("{'model': 'm', 'prompt': 'p', 'raw': true}");
    fake_text(x, SUAN__ASK_START, NULL);
    fake_text(x, SUAN__ASK_TEXT, "a");
    fake_text(x, SUAN__ASK_TEXT, "");
    fake_end(x, SUAN__ASK_LENGTH, NULL);
    char *at = x->out.data;
    json_t *line = next_line(&at);
    json_object_del(line, "created_at");
    assert_json(line, "{'model': 'm', 'response': 'a', 'done': false}");
    json_decref(line);
    line = next_line(&at);
    drop_times(line);
    assert_json(line, "{'model': 'm', 'response': '', 'done': true, 'done_reason': 'length', 'load_duration': 0, 'prompt_eval_count': 10, "
                      "'prompt_eval_duration': 0, "
                      "'eval_count': 5, 'eval_duration': 0, 'suan': {}}");
    json_decref(line);
    assert_string_equal(at, "");
    assert_true(x->has_ended);
    fake_free(x);
}

static void test_stream_fails(void **state) {
    suan__exchange *x = chat("{" QUESTION "}");
    suan__problem problem;
    suan__problem_set(&problem, SUAN__PROBLEM_BUSY, "", "no");
    suan__ask_event end = {.kind = SUAN__ASK_END, .problem = &problem};
    fake_event(x, &end);
    assert_string_equal(x->out.data, "{\"error\":\"no\"}\n");
    fake_free(x);
}

static void test_unmanaged(void **state) {
    suan__exchange *x = fake_request(&suan__ollama_routes, "/api/pull", "", "{'model': 'x'}");
    assert_int_equal(x->status, 403);
    assert_true(json_is_string(json_object_get(x->reply, "error")));
    fake_free(x);
}

static void test_embed(void **state) {
    suan__exchange *x = fake_request(&suan__ollama_routes, "/api/embed", "",
                                     "{'model': 'm', 'input': ['a', 'b'], 'truncate': true, 'options': {'temperature': 1}}");
    assert_int_equal(x->n_started, 2);
    assert_string_equal(x->advisory, "truncate, options.temperature");
    fake_free(x);
    x = fake_request(&suan__ollama_routes, "/api/embed", "", "{'model': 'm', 'input': ['a', 5]}");
    assert_problem(x, SUAN__PROBLEM_INVALID, "input[1]");
    fake_free(x);
    x = fake_request(&suan__ollama_routes, "/api/embeddings", "", "{'model': 'm'}");
    assert_json(x->reply, "{'embedding': []}");
    fake_free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_options),      cmocka_unit_test(test_generate),
        cmocka_unit_test(test_load),     cmocka_unit_test(test_refused),      cmocka_unit_test(test_whole),
        cmocka_unit_test(test_stream),   cmocka_unit_test(test_stream_fails), cmocka_unit_test(test_unmanaged),
        cmocka_unit_test(test_embed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
