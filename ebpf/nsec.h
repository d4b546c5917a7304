/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which NSEC fragments prove that the question name does not exist (RFC 4035 §3.1.3). The closest encloser's children are
 * a sorted array, each with the NSEC that covers what sorts just after it: one bounded search for the next closer name's label.
 */
#ifndef APPLIANCE_PROVE_H
#define APPLIANCE_PROVE_H

#define CHILDREN_STEPS 24 /* halvings of 16.7 million children */
#define BLOCKS_MASK 511

/* A block of entries of 16 octets: its chunk and where it starts in there. */
struct block {
  u8 *chunk;
  u64 start;
};

static inline struct block find_block(u8 *blocks, u64 number)
{
  u64 b = number * 4;
  MASK(b, BLOCKS_MASK * 4);
  u64 ref = *(u32 *)(blocks + b);
  u32 chunk = ref >> 16;
  return (struct block){ (u8 *)heap.lookup(&chunk), (ref & 0xffff) << 4 };
}

static inline void *entry_in(struct block *b, u64 i)
{
  u64 offset = b->start + i * 16;
  u8 *chunk = b->chunk;
  if (!chunk)
    return 0;
  OPAQUE(chunk);
  MASK(offset, 0xffff0);
  return chunk + offset;
}

/* Entry `i` of an array whose block references start at `blocks`. */
static inline void *block_entry(u8 *blocks, u64 i)
{
  struct block b = find_block(blocks, i / DENIAL_BLOCK);
  return entry_in(&b, i % DENIAL_BLOCK);
}

/*
 * Canonical order (RFC 4034 §6.1) of a stored label against the question's at `at`, of equal first eight octets. The lengths live in
 * memory between the steps, or the verifier would tell apart what each comparison says of them, twenty-four times over.
 */
static inline s64 label_is_after(struct query *q, u64 at, u32 ref)
{
  u8 *stored = heap_at(ref);
  if (!stored)
    return 0;
  q->nsec.stored_len = *stored;
  for (u64 i = 0; i < 8; i++) {
    FORGET();
    u64 o = i * 8, len = q->nsec.label_len, stored_len = q->nsec.stored_len;
    if (o >= len || o >= stored_len)
      break;
    u64 a = LOAD8(stored + o, 1), b = fold8(word(q, at + 1 + o));
    if (stored_len - o < 8)
      a = first_octets(a, stored_len - o);
    if (len - o < 8)
      b = first_octets(b, len - o);
    a = __builtin_bswap64(a);
    b = __builtin_bswap64(b);
    if (a != b)
      return a > b;
  }
  FORGET();
  return q->nsec.stored_len > q->nsec.label_len;
}

/* The borrow of a - b. Which half of an array goes on is a matter of chance: a branch would be guessed wrongly every other time. */
static inline u64 is_less(u64 a, u64 b)
{
  return ((~a & b) | ((~a | b) & (a - b))) >> 63;
}

/*
 * Last child that does not sort after the label; entry 0 is the closest encloser itself. The bounds live in memory between the steps, or
 * the verifier would follow every way through the array.
 */
static inline u64 find_child(struct query *q, u8 *p, u64 at)
{
  struct children *c = (void *)p;
  u64 len = octet(q, at), key = fold8(word(q, at + 1));
  if (len < 8)
    key = first_octets(key, len);
  key = __builtin_bswap64(key);
  struct block only = find_block(p + sizeof(struct children), 0);
  u64 small = c->n <= DENIAL_BLOCK;
  q->nsec.label_len = len;
  q->nsec.first = 0;
  q->nsec.last = c->n;
  u8 *firsts = c->firsts ? heap_at(c->firsts) : 0;
  if (firsts) {
    u64 o = (key >> 56) * 4;
    MASK(o, 0x3fc);
    q->nsec.first = *(u32 *)(firsts + o) - 1;
    q->nsec.last = *(u32 *)(firsts + o + 4);
  }
  for (u32 i = 0; i < CHILDREN_STEPS; i++) {
    FORGET();
    u64 low = q->nsec.first, high = q->nsec.last;
    if (low + 1 >= high)
      break;
    u64 middle = (low + high) >> 1;
    struct child *e = small ? entry_in(&only, middle) : block_entry(p + sizeof(struct children), middle);
    if (!e)
      return 0;
    u64 prefix = e->prefix, after = is_less(key, prefix);
    if (prefix == key)
      after = label_is_after(q, at, e->label);
    after = -after;
    q->nsec.last = high ^ ((high ^ middle) & after);
    q->nsec.first = middle ^ ((middle ^ low) & after);
  }
  FORGET();
  return q->nsec.first;
}

static inline void add_proof(struct query *q, struct answer *a, u32 ref)
{
  u64 n = q->proof.count;
  u32 *listed = (u32 *)(a + 1);
  if (!ref || n >= PROOFS_MAX)
    return;
  for (u64 i = 0; i < PROOFS_MAX; i++) {
    if (i < n && q->proof.refs[i] == ref)
      return;
  }
  if (a->nfrag > 1) {
    for (u64 i = 0; i < FRAGMENTS_MAX; i++) {
      if (i < a->nfrag && listed[i] == ref)
        return;
    }
  }
  u8 *p = heap_at(ref);
  if (!p)
    return;
  struct fragment *f = (void *)p;
  LOAD8(p, 64); /* have its lines come together, or the copy waits for one after the other */
  LOAD8(p, 128);
  MASK(n, PROOFS_MAX - 1);
  q->proof.refs[n] = ref;
  q->proof.count = n + 1;
  q->proof.len += f->len;
  q->proof.records += f->records;
}

/* Offset in the message of the label by which the next closer name is longer than the closest encloser. */
static inline u64 next_closer(struct query *q)
{
  u64 l = q->question.labels - q->lookup.depth - 1;
  MASK(l, LABELS_MAX - 1);
  return q->question.label[l];
}

static inline s64 prove_by_nsec(struct query *q, struct answer *a, u32 material)
{
  u8 *p = material ? heap_at(material) : 0;
  if (!p)
    return PASS_denial;
  u64 at = next_closer(q);
  struct child *e = block_entry(p + sizeof(struct children), find_child(q, p, at));
  if (!e || !e->nsec)
    return PASS_denial;
  add_proof(q, a, e->nsec);
  if (a->denial == DENIAL_NXDOMAIN)
    add_proof(q, a, ((struct children *)p)->wildcard_cover);
  return GO_ON;
}

#endif
