/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which NSEC fragments prove that the question name does not exist (RFC 4035 §3.1.3). The closest encloser's children are
 * a sorted array, each with the NSEC that covers what sorts just after it: one bounded search for the next closer name's label.
 */
#ifndef APPLIANCE_PROVE_H
#define APPLIANCE_PROVE_H

#define CHILDREN_STEPS 24 /* halvings of 16.7 million children */
#define BLOCKS_MASK 511

/* Entry `i` of 16 octets of an array whose block references start at `blocks`. */
static inline void *block_entry(u8 *blocks, u64 i)
{
  u64 b = (i / DENIAL_BLOCK) * 4, within = (i % DENIAL_BLOCK) * 16;
  MASK(b, BLOCKS_MASK * 4);
  u32 ref = *(u32 *)(blocks + b), chunk = ref >> 16;
  u8 *base = (u8 *)heap.lookup(&chunk);
  u64 offset = ((u64)(ref & 0xffff) << 4) + within;
  OPAQUE(offset);
  if (!base || offset > HEAP_CHUNK - 16)
    return 0;
  return base + offset;
}

/* Canonical order (RFC 4034 §6.1) of a stored label against the question's at `at`, of equal first eight octets. */
static inline s64 label_is_after(struct query *q, u64 at, u64 len, u32 ref)
{
  u8 *stored = heap_at(ref);
  if (!stored)
    return 0;
  u64 stored_len = *stored;
  for (u64 i = 0; i < 8; i++) {
    u64 o = i * 8;
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
  return stored_len > len;
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
  q->first = 0;
  q->last = c->n;
  for (u32 i = 0; i < CHILDREN_STEPS; i++) {
    FORGET();
    u64 low = q->first, high = q->last;
    if (low + 1 >= high)
      break;
    u64 middle = (low + high) >> 1;
    struct child *e = block_entry(p + sizeof(struct children), middle);
    if (!e)
      return 0;
    u64 prefix = e->prefix;
    if (prefix == key ? label_is_after(q, at, len, e->label) : prefix > key)
      q->last = middle;
    else
      q->first = middle;
  }
  FORGET();
  return q->first;
}

static inline void add_proof(struct query *q, struct answer *a, u32 ref)
{
  u64 n = q->proofs;
  u32 *listed = (u32 *)(a + 1);
  if (!ref || n >= PROOFS_MAX)
    return;
  for (u64 i = 0; i < PROOFS_MAX; i++) {
    if (i < n && q->proof[i] == ref)
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
  q->proof[n] = ref;
  q->proofs = n + 1;
  q->proof_len += f->len;
  q->proof_records += f->records;
}

/* Offset in the message of the label by which the next closer name is longer than the closest encloser. */
static inline u64 next_closer(struct query *q)
{
  u64 l = q->labels - q->depth - 1;
  MASK(l, LABELS_MAX - 1);
  return q->label[l];
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
