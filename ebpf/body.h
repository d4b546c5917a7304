/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The body of a reply: copy the answer's fragments behind the question and move their compression pointers
 * (docs/store-format.md, "One delta"). Runs only after there is room, so a failure here can only drop.
 */
#ifndef APPLIANCE_BODY_H
#define APPLIANCE_BODY_H

#define BODY_MAX 2047

/* Have the body's lines fetched while room is made; without it the copy waits for them. */
static inline void touch(u8 *body)
{
  LOAD8(body, 64);
  LOAD8(body, 128);
  LOAD8(body, 192);
  LOAD8(body, 256);
}

static inline void begin_body(struct query *q)
{
  q->body.written = q->body.len = q->body.sum = 0;
}

static inline s64 move_pointer(void *body, void *end, struct relocation *r, u64 delta)
{
  u64 offset = r->offset;
  MASK(offset, BODY_MAX);
  u16 *pointer = body + offset;
  if ((void *)(pointer + 1) > end)
    return DROP_internal;
  *pointer = htons(r->value + delta);
  return GO_ON;
}

/* Move the pointers of one fragment by delta, four a turn: the list is filled up to a multiple of that. */
static inline s64 relocate(void *data, void *end, u8 *fragment, u64 at, u64 delta)
{
  u64 octets = ((struct fragment *)fragment)->nrel * sizeof(struct relocation), o = 0;
  void *body = data + at;
  for (;;) {
    OPAQUE(o);
    if (o >= octets || o >= RELOCATIONS_MAX * sizeof(struct relocation))
      return GO_ON;
    struct relocation *r = (void *)(fragment + sizeof(struct fragment) + o);
    if (move_pointer(body, end, r, delta) != GO_ON || move_pointer(body, end, r + 1, delta) != GO_ON ||
        move_pointer(body, end, r + 2, delta) != GO_ON || move_pointer(body, end, r + 3, delta) != GO_ON)
      return DROP_internal;
    o += RELOCATIONS_A_TURN * sizeof(struct relocation);
  }
}

/*
 * Copy n octets, 8 to BODY_MAX, 32 a turn: a helper call costs more than the copy. The last 32 (or 8) come first, at the end, and
 * overlap what follows, so there is no remainder to care for.
 */
#define COPY32(to, from, o)                                                                                              \
  {                                                                                                                      \
    u64 a = LOAD8(from, o), b = LOAD8(from, o + 8), c = LOAD8(from, o + 16), d = LOAD8(from, o + 24);                    \
    STORE8(to, o, a);                                                                                                    \
    STORE8(to, o + 8, b);                                                                                                \
    STORE8(to, o + 16, c);                                                                                               \
    STORE8(to, o + 24, d);                                                                                               \
  }

static inline s64 copy_octets(void *to, void *end, u8 *from, u64 n)
{
  if (n < 8 || n > BODY_MAX)
    return DROP_internal;
  if (n < 64) {
    u64 last = n - 8;
    MASK(last, 63);
    if (to + last + 8 > end)
      return DROP_internal;
    STORE8(to + last, 0, LOAD8(from + last, 0));
    for (u64 i = 0; i < 7; i++) {
      if (i * 8 >= last)
        break;
      if (to + i * 8 + 8 > end)
        return DROP_internal;
      STORE8(to + i * 8, 0, LOAD8(from + i * 8, 0));
    }
    return GO_ON;
  }
  u64 last = n - 64;
  MASK(last, BODY_MAX);
  if (to + last + 64 > end)
    return DROP_internal;
  void *t = to + last;
  u8 *f = from + last;
  COPY32(t, f, 0)
  COPY32(t, f, 32)
  u64 o = 0;
  for (;;) {
    OPAQUE(o);
    if (o >= last || o > BODY_MAX)
      break;
    t = to + o;
    f = from + o;
    if (t + 64 > end)
      return DROP_internal;
    COPY32(t, f, 0)
    COPY32(t, f, 32)
    if (o + 64 >= last)
      break;
    if (t + 128 > end)
      return DROP_internal;
    COPY32(t, f, 64)
    COPY32(t, f, 96)
    o += 128;
  }
  return GO_ON;
}

/* Copy one fragment to `at`; its sum, as if it began at an even place, is added to *sum. */
static inline s64 write_fragment(void *data, void *end, struct query *q, u8 *p, u64 at, u64 *len, u64 *sum)
{
  struct fragment *f = (void *)p;
  u64 octets = f->len, count = f->nrel;
  u64 list = sizeof(struct fragment) + count * sizeof(struct relocation);
  OPAQUE(list);
  if (list > sizeof(struct fragment) + RELOCATIONS_MAX * sizeof(struct relocation))
    return DROP_internal;
  MASK(at, 0xfff);
  if (copy_octets(data + at, end, p + list, octets) != GO_ON)
    return DROP_internal;
  u64 delta = q->question.name_len - f->base_len;
  *len = octets;
  *sum = f->sum + f->weight * delta;
  if (!delta || !count)
    return GO_ON;
  OPAQUE(at);
  return relocate(data, end, p, at, delta);
}

/* The body of an answer that is one fragment. */
static inline s64 write_single(void *data, void *end, struct query *q, u8 *fragment, u64 at, u64 *sum)
{
  u64 len = 0, part = 0;
  s64 verdict = write_fragment(data, end, q, fragment, at, &len, &part);
  *sum = sum_at(part, 1); /* the store keeps sums as big-endian numbers */
  return verdict;
}

/* Write piece number q->body.written of the answer, its own or of the proof, behind the ones before it. */
static inline s64 append_fragment(struct xdp_md *ctx, struct query *q)
{
  u8 *p = heap_at(q->select.answer);
  if (!p)
    return DROP_internal;
  u8 *f = p + sizeof(struct answer);
  u64 i = q->body.written, proofs = q->shape.fragments - q->shape.listed;
  if (proofs && i >= q->shape.insert && i < q->shape.insert + proofs) {
    i -= q->shape.insert;
    MASK(i, PROOFS_MAX - 1);
    f = heap_at(q->proof.refs[i]);
  } else if (q->shape.listed > 1) {
    if (i >= q->shape.insert)
      i -= proofs;
    MASK(i, FRAGMENTS_MAX - 1);
    u64 ref = *(u32 *)(p + sizeof(struct answer) + i * 4);
    f = heap_at(ref ? ref : q->select.soa);
  }
  if (!f)
    return DROP_internal;
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  u64 len = 0, part = 0, done = q->body.len;
  s64 verdict = write_fragment(data, end, q, f, body_offset(q) + q->shape.question + done, &len, &part);
  if (verdict != GO_ON)
    return verdict;
  q->body.sum += sum_at(part, done + 1);
  q->body.len = done + len;
  q->body.written++;
  return GO_ON;
}

#endif
