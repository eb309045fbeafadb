/* batch_pages.c: pages and the trees of what is in them. */
#include "engine/batch_pages.h"

#include <string.h>

#include "base/memory.h"

#define PAGE_IDS SUAN__ATTN_BLOCK

static int32_t *ids_of(const suan__pages *p, uint32_t page) {
    return p->ids + (size_t)page * PAGE_IDS;
}

suan_status suan__pages_create(suan__pages *p, uint32_t n, size_t page_bytes, suan_error *err) {
    *p = (suan__pages){.page_bytes = page_bytes, .n = n, .n_free = n, .free = 0, .oldest = SUAN__NO_PAGE, .newest = SUAN__NO_PAGE};
    p->memory = page_bytes <= SIZE_MAX / 2 / n ? suan__pages_alloc(n * page_bytes) : NULL;
    p->pages = suan__calloc(n, sizeof *p->pages);
    p->ids = suan__calloc(n, PAGE_IDS * sizeof *p->ids);
    if (!p->memory || !p->pages || !p->ids) {
        suan__pages_fini(p);
        char text[SUAN__BYTES_TEXT];
        return suan__fail(err, SUAN_ENOMEM, "a cache of %u pages of %s cannot be had", n, suan__bytes_text(text, page_bytes));
    }
    for (uint32_t i = 0; i < n; i++) p->pages[i].older = i + 1 < n ? i + 1 : SUAN__NO_PAGE;
    return SUAN_OK;
}

void suan__pages_fini(suan__pages *p) {
    if (p->memory) suan__pages_free(p->memory, p->n * p->page_bytes);
    suan__free(p->pages);
    suan__free(p->ids);
    memset(p, 0, sizeof *p);
}

/* ---- lists ---- */

static void set_free(suan__pages *p, uint32_t page) {
    p->pages[page] = (suan__page){.older = p->free};
    p->free = page;
    p->n_free++;
}

static void keep(suan__pages *p, uint32_t page) {
    suan__page *g = &p->pages[page];
    g->newer = SUAN__NO_PAGE;
    g->older = p->newest;
    *(p->newest == SUAN__NO_PAGE ? &p->oldest : &p->pages[p->newest].newer) = page;
    p->newest = page;
    p->n_kept++;
}

static void unkeep(suan__pages *p, uint32_t page) {
    suan__page *g = &p->pages[page];
    *(g->older == SUAN__NO_PAGE ? &p->oldest : &p->pages[g->older].newer) = g->newer;
    *(g->newer == SUAN__NO_PAGE ? &p->newest : &p->pages[g->newer].older) = g->older;
    p->n_kept--;
}

static uint32_t *first_child(suan__pages *p, suan__page_root *root, uint32_t parent) {
    return parent == SUAN__NO_PAGE ? &root->first : &p->pages[parent].first;
}

static void detach(suan__pages *p, uint32_t page) {
    suan__page *g = &p->pages[page];
    *(g->before == SUAN__NO_PAGE ? first_child(p, g->root, g->parent) : &p->pages[g->before].next) = g->next;
    if (g->next != SUAN__NO_PAGE) p->pages[g->next].before = g->before;
    g->root->n_pages--;
    g->root = NULL;
}

/* ---- pages ---- */

uint32_t suan__pages_take(suan__pages *p) {
    if (p->n_free == 0) {
        if (p->n_kept == 0) return SUAN__NO_PAGE;
        uint32_t oldest = p->oldest;
        unkeep(p, oldest);
        detach(p, oldest);
        set_free(p, oldest);
    }
    uint32_t page = p->free;
    p->free = p->pages[page].older;
    p->n_free--;
    if (p->is_poisoned) memset(suan__pages_at(p, page), 0xff, p->page_bytes);
    p->pages[page] = (suan__page){.refs = 1,
                                  .parent = SUAN__NO_PAGE,
                                  .first = SUAN__NO_PAGE,
                                  .next = SUAN__NO_PAGE,
                                  .before = SUAN__NO_PAGE,
                                  .older = SUAN__NO_PAGE,
                                  .newer = SUAN__NO_PAGE};
    return page;
}

void suan__pages_ref(suan__pages *p, uint32_t page) {
    if (p->pages[page].refs++ == 0) unkeep(p, page);
}

/* Whether a sibling has the same ids and perhaps more. */
static bool is_said(const suan__pages *p, uint32_t page) {
    const suan__page *g = &p->pages[page];
    uint32_t other = g->parent == SUAN__NO_PAGE ? g->root->first : p->pages[g->parent].first;
    for (; other != SUAN__NO_PAGE; other = p->pages[other].next) {
        if (other != page && p->pages[other].n_ids >= g->n_ids &&
            memcmp(ids_of(p, other), ids_of(p, page), g->n_ids * sizeof(int32_t)) == 0)
            return true;
    }
    return false;
}

void suan__pages_unref(suan__pages *p, uint32_t page) {
    suan__page *g = &p->pages[page];
    if (--g->refs > 0) return;
    if (g->root && g->n_ids > 0 && (g->first != SUAN__NO_PAGE || !is_said(p, page))) {
        keep(p, page);
        return;
    }
    if (g->root) detach(p, page);
    set_free(p, page);
}

/* ---- trees ---- */

static uint32_t n_common(const int32_t *a, const int32_t *b, uint32_t n) {
    uint32_t i = 0;
    while (i < n && a[i] == b[i]) i++;
    return i;
}

uint32_t suan__pages_find(const suan__pages *p, const suan__page_root *root, uint32_t parent, const int32_t *ids, uint32_t n,
                          uint32_t *page) {
    uint32_t best = 0, at = parent == SUAN__NO_PAGE ? root->first : p->pages[parent].first;
    *page = SUAN__NO_PAGE;
    for (; at != SUAN__NO_PAGE && best < n; at = p->pages[at].next) {
        uint32_t most = p->pages[at].n_ids < n ? p->pages[at].n_ids : n, common = n_common(ids_of(p, at), ids, most);
        if (common <= best) continue;
        best = common;
        *page = at;
    }
    return best;
}

void suan__pages_attach(suan__pages *p, suan__page_root *root, uint32_t parent, uint32_t page, uint64_t owner) {
    suan__page *g = &p->pages[page];
    uint32_t *first = first_child(p, root, parent);
    g->root = root;
    g->parent = parent;
    g->owner = owner;
    g->next = *first;
    if (*first != SUAN__NO_PAGE) p->pages[*first].before = page;
    *first = page;
    root->n_pages++;
}

uint32_t suan__pages_extend(suan__pages *p, uint32_t page, const int32_t *ids, uint32_t n) {
    suan__page *g = &p->pages[page];
    memcpy(ids_of(p, page) + g->n_ids, ids, n * sizeof *ids);
    g->n_ids += n;
    if (g->n_ids < PAGE_IDS) return page;
    uint32_t other = *first_child(p, g->root, g->parent);
    for (; other != SUAN__NO_PAGE; other = p->pages[other].next) {
        if (other == page || p->pages[other].n_ids < PAGE_IDS || memcmp(ids_of(p, other), ids_of(p, page), PAGE_IDS * sizeof *ids) != 0)
            continue;
        suan__pages_ref(p, other);
        suan__pages_unref(p, page);
        return other;
    }
    return page;
}

/* Children come before their parents, and the deepest first: none recurses. */
void suan__pages_forget(suan__pages *p, suan__page_root *root) {
    uint32_t at = root->first;
    while (at != SUAN__NO_PAGE) {
        while (p->pages[at].first != SUAN__NO_PAGE) at = p->pages[at].first;
        uint32_t parent = p->pages[at].parent;
        unkeep(p, at);
        detach(p, at);
        set_free(p, at);
        at = parent == SUAN__NO_PAGE ? root->first : parent;
    }
}
