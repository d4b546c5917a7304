/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which NSEC fragments prove that the question name does not exist (RFC 4035 §3.1.3). The closest encloser's children are
 * a sorted array, each with the NSEC that covers what sorts just after it: one bounded search for the next closer name's label.
 */
#ifndef APPLIANCE_NSEC_H
#define APPLIANCE_NSEC_H

#define CHILDREN_STEPS 24 /* halvings of 16.7 million children */

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
