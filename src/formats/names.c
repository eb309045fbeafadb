/* names.c: open addressing with linear probing, at most half full; SipHash-1-3 (Aumasson and Bernstein, 2012) as the hash. */
#include "formats/names.h"

#include <string.h>
#include <sys/random.h>

#include "formats/bytes.h"

static inline uint64_t rotl(uint64_t x, int b) {
    return x << b | x >> (64 - b);
}

static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static uint64_t hash(const uint64_t key[2], const char *name, uint32_t n) {
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u};
    const unsigned char *p = (const unsigned char *)name;
    uint32_t left = n;
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t m = suan__load_u64(p);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t m = (uint64_t)n << 56;
    for (uint32_t i = 0; i < left; i++) m |= (uint64_t)p[i] << (8 * i);
    v[3] ^= m;
    sip_round(v);
    v[0] ^= m;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

bool suan__names_init(suan__names *t, suan__arena *arena, uint64_t n) {
    if (n >= UINT64_C(1) << 31) return false;
    uint64_t capacity = 8;
    while (capacity < 2 * n) capacity *= 2;
    t->slots = suan__arena_alloc(arena, capacity, sizeof *t->slots);
    t->mask = capacity - 1;
    /* Where the kernel has no random bits (very early boot), addresses have to do: they are random too, if less so. */
    if (getrandom(t->key, sizeof t->key, GRND_NONBLOCK) != (ssize_t)sizeof t->key) {
        t->key[0] = (uint64_t)(uintptr_t)t->slots;
        t->key[1] = (uint64_t)(uintptr_t)t;
    }
    return t->slots != NULL;
}

/* The slot that holds the name, or the free one where it would go. There is always a free one. */
static suan__name_slot *slot_of(const suan__names *t, const char *name, uint32_t n) {
    uint64_t at = hash(t->key, name, n) & t->mask;
    while (t->slots[at].name && (t->slots[at].n != n || memcmp(t->slots[at].name, name, n) != 0)) at = (at + 1) & t->mask;
    return &t->slots[at];
}

uint64_t suan__names_add(suan__names *t, const char *name, uint32_t n, uint32_t i) {
    suan__name_slot *slot = slot_of(t, name, n);
    if (slot->name) return slot->i;
    *slot = (suan__name_slot){name, n, i};
    return SUAN__NAME_NONE;
}

uint64_t suan__names_find(const suan__names *t, const char *name, uint32_t n) {
    if (!t->slots) return SUAN__NAME_NONE;
    const suan__name_slot *slot = slot_of(t, name, n);
    return slot->name ? slot->i : SUAN__NAME_NONE;
}
