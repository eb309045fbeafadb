/* pretok_presets.c: what the names in a GGUF file's tokenizer.ggml.pre stand for.
 *
 * Source: the patterns of the published tokenizer.json files and, for the older DeepSeek models and "default", of llama.cpp's
 * llama-vocab.cpp, whose names these are. All patterns of a list are applied one after the other, matches isolated.
 */
#include <string.h>

#include "text/pretok.h"

#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define TAIL "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}"
#define LOWER "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}"
#define ASCII_PUNCTUATION "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
/* U+4E00-9FA5, U+0800-4E00, U+AC00-D7FF: the CJK line of the first DeepSeek models. */
#define OLD_CJK "[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"

const char suan__pretok_gpt2[] = GPT2 "|\\s+";
const char suan__pretok_kimi_k2[] = "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "&&[^\\p{Han}]]*[" LOWER "&&[^\\p{Han}]]+" CONTRACTION "?"
                                    "|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "&&[^\\p{Han}]]+[" LOWER "&&[^\\p{Han}]]*" CONTRACTION "?"
                                    "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" TAIL;

static const char llama3[] = CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" TAIL;
static const char qwen2[] = CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" TAIL;
static const char qwen35[] = CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" TAIL;
static const char gpt4o[] = "[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]*[" LOWER "]+" CONTRACTION "?|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]+[" LOWER
                            "]*" CONTRACTION "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" TAIL;
static const char tekken[] = "[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]*[" LOWER "]+|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]+[" LOWER
                             "]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" TAIL;
static const char deepseek3_words[] =
    ASCII_PUNCTUATION "[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*" TAIL;
/* The letters of the first DeepSeek language models: Latin, Greek, Cyrillic and some others; most scripts are missing. */
static const char deepseek_llm_letters[] =
    "\\s?[A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}\\x{295}-\\x{2AF}"
    "\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}"
    "\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}"
    "\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}"
    "\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}"
    "\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}"
    "\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}"
    "\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}"
    "\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}"
    "\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}"
    "\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}"
    "\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}"
    "\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}]+";
static const char deepseek_llm_punctuation[] = "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+";

static const char *const list_llama3[] = {llama3, NULL}, *const list_qwen2[] = {qwen2, NULL}, *const list_qwen35[] = {qwen35, NULL},
                         *const list_gpt4o[] = {gpt4o, NULL}, *const list_tekken[] = {tekken, NULL},
                         *const list_kimi[] = {suan__pretok_kimi_k2, NULL}, *const list_gpt2[] = {GPT2, NULL};
static const char *const list_starcoder[] = {"\\p{N}", GPT2, NULL};
static const char *const list_default[] = {"[\\p{P}\\$\\+<=>\\^\\~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]", NULL};
static const char *const list_falcon[] = {"[\\p{P}\\$\\+<=>\\^\\~\\|`]+", GPT2, "[0-9][0-9][0-9]", NULL};
static const char *const list_deepseek3[] = {"\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+", deepseek3_words,
                                             NULL};
static const char *const list_deepseek_llm[] = {"[\\r\\n]", deepseek_llm_letters, deepseek_llm_punctuation, "\\s+$", OLD_CJK, "\\p{N}+",
                                                NULL};
static const char *const list_deepseek_coder[] = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", OLD_CJK, "\\p{N}", NULL};

static const struct {
    const char *name;
    suan__pretok_preset preset;
} presets[] = {
    {"default", {list_default, false, false}},
    {"llama3", {list_llama3, true, true}},
    {"llama-v3", {list_llama3, true, true}},
    {"llama-bpe", {list_llama3, true, true}},
    {"falcon3", {list_llama3, true, true}},
    {"falcon-h1", {list_llama3, true, true}},
    {"pixtral", {list_llama3, true, true}},
    {"midm-2.0", {list_llama3, true, true}},
    {"lfm2", {list_llama3, true, true}},
    {"dbrx", {list_llama3, false, false}},
    {"smaug-bpe", {list_llama3, false, false}},
    {"glm4", {list_llama3, false, false}},
    {"glm5", {list_llama3, false, false}},
    {"chatglm-bpe", {list_llama3, false, false}},
    {"qwen2", {list_qwen2, false, false}},
    {"deepseek-r1-qwen", {list_qwen2, false, false}},
    {"megrez", {list_qwen2, false, false}},
    {"stablelm2", {list_qwen2, false, false}},
    {"hunyuan", {list_qwen2, false, false}},
    {"kormo", {list_qwen2, false, false}},
    {"qwen35", {list_qwen35, false, false}},
    {"deepseek-llm", {list_deepseek_llm, false, false}},
    {"deepseek-coder", {list_deepseek_coder, false, false}},
    {"deepseek-v3", {list_deepseek3, false, false}},
    {"hunyuan-dense", {list_deepseek3, false, false}},
    {"joyai-llm", {list_deepseek3, false, false}},
    {"gpt-4o", {list_gpt4o, true, false}},
    {"llama4", {list_gpt4o, true, false}},
    {"minimax-m2", {list_gpt4o, true, false}},
    {"kimi-k2", {list_kimi, true, false}},
    {"tekken", {list_tekken, true, true}},
    {"gpt-2", {list_gpt2, false, false}},
    {"phi-2", {list_gpt2, false, false}},
    {"olmo", {list_gpt2, false, false}},
    {"mpt", {list_gpt2, false, false}},
    {"starcoder", {list_starcoder, false, false}},
    {"refact", {list_starcoder, false, false}},
    {"command-r", {list_starcoder, false, false}},
    {"smollm", {list_starcoder, false, false}},
    {"codeshell", {list_starcoder, false, false}},
    {"falcon", {list_falcon, false, false}},
};

const suan__pretok_preset *suan__pretok_find_preset(const char *name, size_t n) {
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        if (strlen(presets[i].name) == n && memcmp(presets[i].name, name, n) == 0) return &presets[i].preset;
    }
    return NULL;
}
