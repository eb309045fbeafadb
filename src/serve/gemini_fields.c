/* gemini_fields.c: what requests of the Gemini interface may hold. The members are those of google-genai 1.75 to 3.4 and of the public description of v1beta. */
#include "serve/field_rows.h"
#include "serve/gemini.h"

static const suan__field generate_rows[] = {
    HONOURED("model", STRING, "the path names it already; the same or absent"),
    REQUIRED_RANGE("contents", ARRAY, 1, 100000, "turns of user and model"),
    HONOURED("systemInstruction", OBJECT, "a content of text"),
    RANGE("tools", ARRAY, 0, 1024, "declarations of functions"),
    HONOURED("toolConfig", OBJECT, "whether functions are called"),
    HONOURED("generationConfig", OBJECT, "how it is answered"),
    ADVISES("safetySettings", ARRAY, "nothing is filtered here"),
    ADVISES("labels", OBJECT, "for the vendor's bills"),
    ADVISES("serviceTier", STRING, "there is one tier"),
    ADVISES("store", BOOLEAN, "prompts are not kept here"),
    REFUSED("cachedContent", "prefixes are kept without being told"),
    REFUSED("continuationToken", "answers end where they end"),
};
static const suan__field config_rows[] = {
    RANGE("temperature", NUMBER, 0, 2, "0: always the most probable token"),
    RANGE("topP", NUMBER, 0, 1, "the most probable tokens whose sum reaches it; 0: one token"),
    RANGE("topK", INTEGER, 0, 2147483647, "0: all tokens"),
    RANGE("candidateCount", INTEGER, 1, 8, "answers"),
    RANGE("maxOutputTokens", INTEGER, 1, 2147483647, "of each answer, thoughts included"),
    HONOURED("stopSequences", ARRAY, "up to 64 strings"),
    HONOURED("seed", INTEGER, "the same seed, the same answer"),
    RANGE("presencePenalty", NUMBER, -2, 2, "for tokens that occurred"),
    RANGE("frequencyPenalty", NUMBER, -2, 2, "for each time that a token occurred"),
    HONOURED("responseMimeType", STRING, "text/plain; application/json (without a schema: an object or an array); text/x.enum"),
    HONOURED("responseSchema", OBJECT, "Schema that the text follows"),
    HONOURED("responseJsonSchema", OBJECT | BOOLEAN, "JSON Schema that the text follows"),
    HONOURED("_responseJsonSchema", OBJECT | BOOLEAN, "the same"),
    HONOURED("responseLogprobs", BOOLEAN, "logprobsResult of each candidate"),
    RANGE("logprobs", INTEGER, 0, 20, "the most probable tokens beside each"),
    HONOURED("thinkingConfig", OBJECT, "whether the model thinks, and shows it"),
    HONOURED("responseModalities", ARRAY, "TEXT"),
    ADVISES("mediaResolution", STRING, "this model reads text only"),
    ADVISES("enableEnhancedCivicAnswers", BOOLEAN, "there is one kind of answer"),
    ADVISES("routingConfig", OBJECT, "there is one model"),
    ADVISES("modelSelectionConfig", OBJECT, "there is one model"),
    REFUSED("speechConfig", "this model writes text only"),
    REFUSED("imageConfig", "this model writes text only"),
    REFUSED("audioTimestamp", "this model reads text only"),
    REFUSED("responseFormat", "responseMimeType and responseSchema say it"),
    REFUSED("translationConfig", "this model writes text only"),
    REFUSED("audioTranscriptionConfig", "this model reads text only"),
};
static const suan__field thinking_rows[] = {
    HONOURED("includeThoughts", BOOLEAN, "thoughts are part of the reply; false if absent"),
    RANGE("thinkingBudget", INTEGER, -1, 2147483647,
          "0: no thinking; -1: as the model does; else thinking is closed behind so many tokens"),
    HONOURED("thinkingLevel", STRING, "handed to the template as reasoning_effort"),
};
static const suan__field content_rows[] = {
    HONOURED("role", STRING, "user, model, function; absent: user"),
    REQUIRED("parts", ARRAY, "text, functionCall, functionResponse"),
};
static const suan__field part_rows[] = {
    HONOURED("text", STRING, "the text"),
    HONOURED("thought", BOOLEAN, "the text is a thought"),
    HONOURED("thoughtSignature", STRING, "any is taken: thoughts are text like other text here"),
    HONOURED("functionCall", OBJECT, "of the model"),
    HONOURED("functionResponse", OBJECT, "of the user"),
    ADVISES("partMetadata", OBJECT, "not told to the model"),
    REFUSED("inlineData", "this model reads text only"),
    REFUSED("fileData", "this server fetches nothing"),
    REFUSED("executableCode", "this server runs no code"),
    REFUSED("codeExecutionResult", "this server runs no code"),
    REFUSED("videoMetadata", "this model reads text only"),
    REFUSED("mediaResolution", "this model reads text only"),
    REFUSED("mediaProcessing", "this model reads text only"),
    REFUSED("toolCall", "this server runs no tools"),
    REFUSED("toolResponse", "this server runs no tools"),
};
static const suan__field call_rows[] = {
    HONOURED("id", STRING, "of the call"),
    REQUIRED_RANGE("name", STRING, 1, 256, "of the function"),
    HONOURED("args", OBJECT, "arguments"),
    NEUTRAL("partialArgs", "[]", "calls are whole here"),
    NEUTRAL("willContinue", "false", "calls are whole here"),
};
static const suan__field response_rows[] = {
    HONOURED("id", STRING, "of the call; absent: the first one of that name without a response"),
    REQUIRED_RANGE("name", STRING, 1, 256, "of the function"),
    REQUIRED("response", OBJECT, "handed to the template as JSON"),
    NEUTRAL("parts", "[]", "this model reads text only"),
    NEUTRAL("willContinue", "false", "responses are whole here"),
    ADVISES("scheduling", STRING, "the answer comes at once"),
};
#define NO_TOOL "this server runs no tools"
static const suan__field tool_rows[] = {
    RANGE("functionDeclarations", ARRAY, 0, 1024, "functions that the client runs"),
    REFUSED("googleSearch", NO_TOOL),
    REFUSED("googleSearchRetrieval", NO_TOOL),
    REFUSED("codeExecution", NO_TOOL),
    REFUSED("urlContext", NO_TOOL),
    REFUSED("computerUse", NO_TOOL),
    REFUSED("fileSearch", NO_TOOL),
    REFUSED("googleMaps", NO_TOOL),
    REFUSED("retrieval", NO_TOOL),
    REFUSED("enterpriseWebSearch", NO_TOOL),
    REFUSED("parallelAiSearch", NO_TOOL),
    REFUSED("exaAiSearch", NO_TOOL),
    NEUTRAL("mcpServers", "[]", "this server calls no other server"),
};
static const suan__field declaration_rows[] = {
    REQUIRED_RANGE("name", STRING, 1, 128, "letters, digits, _ . : -"),
    HONOURED("description", STRING, "for the model"),
    HONOURED("parameters", OBJECT, "Schema; arguments always follow it"),
    HONOURED("parametersJsonSchema", OBJECT, "JSON Schema; arguments always follow it"),
    ADVISES("response", OBJECT, "not told to the model"),
    ADVISES("responseJsonSchema", OBJECT, "not told to the model"),
    NEUTRAL("behavior", "\"BLOCKING\"", "the answer waits for responses"),
};
static const suan__field tool_config_rows[] = {
    HONOURED("functionCallingConfig", OBJECT, "whether functions are called"),
    ADVISES("retrievalConfig", OBJECT, NO_TOOL),
    NEUTRAL("includeServerSideToolInvocations", "false", NO_TOOL),
};
static const suan__field calling_rows[] = {
    HONOURED("mode", STRING, "AUTO, ANY, NONE, VALIDATED (as AUTO: arguments always follow their schema)"),
    HONOURED("allowedFunctionNames", ARRAY, "the others are not offered"),
    NEUTRAL("streamFunctionCallArguments", "false", "calls are whole here"),
};
static const suan__field safety_rows[] = {
    ADVISES("category", STRING, "nothing is filtered here"),
    ADVISES("threshold", STRING, "nothing is filtered here"),
    ADVISES("method", STRING, "nothing is filtered here"),
};
static const suan__field schema_rows[] = {
    HONOURED("type", STRING, "STRING, NUMBER, INTEGER, BOOLEAN, ARRAY, OBJECT, NULL, in any case"),
    HONOURED("format", STRING, "as in JSON Schemas; int32, enum and the like say nothing"),
    HONOURED("title", STRING, "for the model"),
    HONOURED("description", STRING, "for the model"),
    HONOURED("nullable", BOOLEAN, "null is allowed too"),
    HONOURED("enum", ARRAY, "the values"),
    HONOURED("items", OBJECT, "of arrays"),
    HONOURED("minItems", INTEGER | STRING, "of arrays"),
    HONOURED("maxItems", INTEGER | STRING, "of arrays"),
    HONOURED("properties", OBJECT, "of objects; without additionalProperties there are no others"),
    HONOURED("propertyOrdering", ARRAY, "the order in which properties are written"),
    HONOURED("required", ARRAY, "of objects"),
    HONOURED("minProperties", INTEGER | STRING, "of objects"),
    HONOURED("maxProperties", INTEGER | STRING, "of objects"),
    HONOURED("additionalProperties", BOOLEAN | OBJECT, "of objects"),
    HONOURED("minimum", NUMBER, "of numbers"),
    HONOURED("maximum", NUMBER, "of numbers"),
    HONOURED("minLength", INTEGER | STRING, "of strings"),
    HONOURED("maxLength", INTEGER | STRING, "of strings"),
    HONOURED("pattern", STRING, "of strings"),
    HONOURED("anyOf", ARRAY, "schemas"),
    HONOURED("default", ANYTHING, "for the model"),
    HONOURED("example", ANYTHING, "for the model"),
    HONOURED("defs", OBJECT, "schemas for ref"),
    HONOURED("ref", STRING, "#/defs/NAME"),
};
static const suan__field count_rows[] = {
    HONOURED("contents", ARRAY, "turns of user and model"),
    HONOURED("generateContentRequest", OBJECT, "a whole request, instead of contents"),
    HONOURED("model", STRING, "the path names it already; the same or absent"),
};
static const suan__field embed_rows[] = {
    HONOURED("model", STRING, "the path names it already; the same or absent"),
    REQUIRED("content", OBJECT, "a content of text"),
    ADVISES("taskType", STRING, "not told to the model"),
    ADVISES("title", STRING, "not told to the model"),
    RANGE("outputDimensionality", INTEGER, 1, 1048576, "the model's own number, no other"),
};
static const suan__field batch_embed_rows[] = {
    HONOURED("model", STRING, "the path names it already; the same or absent"),
    REQUIRED_RANGE("requests", ARRAY, 1, 2048, "as of embedContent"),
};

TABLE(suan__gemini_generate_fields, "gemini.generateContent", generate_rows, true);
TABLE(suan__gemini_config_fields, "gemini.generationConfig", config_rows, true);
TABLE(suan__gemini_thinking_fields, "gemini.thinkingConfig", thinking_rows, true);
TABLE(suan__gemini_content_fields, "gemini.content", content_rows, true);
TABLE(suan__gemini_part_fields, "gemini.part", part_rows, true);
TABLE(suan__gemini_call_fields, "gemini.functionCall", call_rows, true);
TABLE(suan__gemini_response_fields, "gemini.functionResponse", response_rows, true);
TABLE(suan__gemini_tool_fields, "gemini.tool", tool_rows, true);
TABLE(suan__gemini_declaration_fields, "gemini.functionDeclaration", declaration_rows, true);
TABLE(suan__gemini_tool_config_fields, "gemini.toolConfig", tool_config_rows, true);
TABLE(suan__gemini_calling_fields, "gemini.functionCallingConfig", calling_rows, true);
TABLE(suan__gemini_safety_fields, "gemini.safetySetting", safety_rows, true);
TABLE(suan__gemini_schema_fields, "gemini.schema", schema_rows, true);
TABLE(suan__gemini_count_fields, "gemini.countTokens", count_rows, true);
TABLE(suan__gemini_embed_fields, "gemini.embedContent", embed_rows, true);
TABLE(suan__gemini_batch_embed_fields, "gemini.batchEmbedContents", batch_embed_rows, true);

const suan__fields *const suan__gemini_tables[] = {&suan__gemini_generate_fields,
                                                   &suan__gemini_config_fields,
                                                   &suan__gemini_thinking_fields,
                                                   &suan__gemini_content_fields,
                                                   &suan__gemini_part_fields,
                                                   &suan__gemini_call_fields,
                                                   &suan__gemini_response_fields,
                                                   &suan__gemini_tool_fields,
                                                   &suan__gemini_declaration_fields,
                                                   &suan__gemini_tool_config_fields,
                                                   &suan__gemini_calling_fields,
                                                   &suan__gemini_safety_fields,
                                                   &suan__gemini_schema_fields,
                                                   &suan__gemini_count_fields,
                                                   &suan__gemini_embed_fields,
                                                   &suan__gemini_batch_embed_fields,
                                                   NULL};
