/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The body of a reply: copy the answer's fragments behind the question and move their compression pointers
 * (docs/store-format.md, "One delta"). Runs only after there is room, so a failure here can only drop.
 */
#ifndef APPLIANCE_BODY_H
#define APPLIANCE_BODY_H

#define BODY_MAX 2047
#define RELOCATIONS_MAX 256 /* more than fit into the largest reply: three names take 16 octets at least */
#define FRAGMENTS_MAX 8

/* Frame offset of what follows the DNS header. */
static inline u64 body_offset(struct query *q)
{
  return q->l4 + UDP_HEADER + DNS_HEADER;
}

static inline int move_pointer(void *body, void *end, u64 entry, u64 delta)
{
  u64 offset = entry & BODY_MAX;
  u16 *pointer = body + offset;
  if ((void *)(pointer + 1) > end)
    return DROP_internal;
  *pointer = htons((u16)(entry >> 16) + delta);
  return GO_ON;
}

/* Move the pointers of one fragment by delta, four a turn: the list is filled up to a multiple of that. */
static inline int relocate(void *data, void *end, u8 *fragment, u64 at, u64 delta)
{
  u64 count = ((struct fragment *)fragment)->nrel;
  u8 *list = fragment + sizeof(struct fragment);
  void *body = data + at;
  for (u64 i = 0; i < RELOCATIONS_MAX; i += RELOCATIONS_A_TURN) {
    OPAQUE(i);
    if (i >= count || i >= RELOCATIONS_MAX)
      break;
    u64 o = i * sizeof(struct relocation);
    MASK(o, 0x3f0);
    u64 a = load8(list + o), b = load8(list + o + 8);
    if (move_pointer(body, end, a, delta) != GO_ON || move_pointer(body, end, a >> 32, delta) != GO_ON ||
        move_pointer(body, end, b, delta) != GO_ON || move_pointer(body, end, b >> 32, delta) != GO_ON)
      return DROP_internal;
  }
  return GO_ON;
}

/*
 * Copy n octets, 8 to BODY_MAX, 32 a turn: a helper call costs more than the copy. The last 32 (or 8) come first, at the end, and
 * overlap what follows, so there is no remainder to care for.
 */
static inline void copy32(void *to, u8 *from)
{
  u64 a = load8(from), b = load8(from + 8), c = load8(from + 16), d = load8(from + 24);
  store8(to, a);
  store8(to + 8, b);
  store8(to + 16, c);
  store8(to + 24, d);
}

static inline void copy64(void *to, u8 *from)
{
  copy32(to, from);
  copy32(to + 32, from + 32);
}

static inline int copy_octets(void *to, void *end, u8 *from, u64 n)
{
  if (n < 8 || n > BODY_MAX)
    return DROP_internal;
  if (n < 64) {
    u64 last = n - 8;
    MASK(last, 63);
    if (to + last + 8 > end)
      return DROP_internal;
    store8(to + last, load8(from + last));
    for (u64 i = 0; i < 7; i++) {
      if (i * 8 >= last)
        break;
      if (to + i * 8 + 8 > end)
        return DROP_internal;
      store8(to + i * 8, load8(from + i * 8));
    }
    return GO_ON;
  }
  u64 last = n - 64;
  MASK(last, BODY_MAX);
  if (to + last + 64 > end)
    return DROP_internal;
  copy64(to + last, from + last);
  for (u64 i = 0; i < BODY_MAX / 128 + 1; i++) {
    OPAQUE(i);
    u64 o = i * 128;
    if (o >= last)
      break;
    MASK(o, BODY_MAX);
    void *t = to + o;
    u8 *f = from + o;
    if (t + 64 > end)
      return DROP_internal;
    copy64(t, f);
    if (o + 64 >= last)
      break;
    if (t + 128 > end)
      return DROP_internal;
    copy64(t + 64, f + 64);
  }
  return GO_ON;
}

/* Copy one fragment to `at`; its sum, as if it began at an even place, is added to *sum. */
static inline int write_fragment(struct xdp_md *ctx, struct query *q, u8 *p, u64 at, u64 *len, u64 *sum)
{
  struct fragment *f = (void *)p;
  u64 octets = f->len, count = f->nrel;
  u64 list = sizeof(struct fragment) + count * sizeof(struct relocation);
  OPAQUE(list);
  if (list > sizeof(struct fragment) + RELOCATIONS_MAX * sizeof(struct relocation))
    return DROP_internal;
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  MASK(at, 0xfff);
  if (copy_octets(data + at, end, p + list, octets) != GO_ON)
    return DROP_internal;
  u64 delta = q->qname_len - f->base_len;
  *len = octets;
  *sum = f->sum + f->weight * delta;
  if (!delta || !count)
    return GO_ON;
  return relocate(data, end, p, at, delta);
}

/* The body of an answer that is one fragment. */
static inline int write_single(struct xdp_md *ctx, struct query *q, u8 *fragment, u64 at, u64 *sum)
{
  u64 len = 0, part = 0;
  int verdict = write_fragment(ctx, q, fragment, at, &len, &part);
  *sum = sum_at(part, 1); /* the store keeps sums as big-endian numbers */
  return verdict;
}

/* Write piece number q->written of the answer, its own or of the proof, behind the ones before it. */
static inline int append_fragment(struct xdp_md *ctx, struct query *q)
{
  u8 *p = heap_at(q->answer);
  if (!p)
    return DROP_internal;
  u8 *f = p + sizeof(struct answer);
  u64 i = q->written, proofs = q->shape.fragments - q->shape.listed;
  if (proofs && i >= q->shape.insert && i < q->shape.insert + proofs) {
    i -= q->shape.insert;
    MASK(i, PROOFS_MAX - 1);
    f = heap_at(q->proof[i]);
  } else if (q->shape.listed > 1) {
    if (i >= q->shape.insert)
      i -= proofs;
    MASK(i, FRAGMENTS_MAX - 1);
    u64 ref = *(u32 *)(p + sizeof(struct answer) + i * 4);
    f = heap_at(ref ? ref : q->soa);
  }
  if (!f)
    return DROP_internal;
  u64 len = 0, part = 0, done = q->body_len;
  int verdict = write_fragment(ctx, q, f, body_offset(q) + q->shape.question + done, &len, &part);
  if (verdict != GO_ON)
    return verdict;
  q->body_sum += sum_at(part, done + 1);
  q->body_len = done + len;
  q->written++;
  return GO_ON;
}

#endif
