/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Turn the frame round: choose the variant that fits, make room, copy the fragments, move their pointers, write headers
 * and full checksums. Nothing is written before there is room, so a packet that is passed up is the packet that came in.
 */
#ifndef APPLIANCE_REPLY_H
#define APPLIANCE_REPLY_H

#define BODY_MAX 2047
#define RELOCATIONS_MAX 128
#define SMALLER_MAX 4
#define FRAGMENTS_MAX 8

/* The bodies of error replies are answers too, made when the store is. */
static inline u32 builtin_answer(struct ctl *c, int verdict)
{
  switch (verdict) {
  case ANSWER_refused: return c->refused;
  case ANSWER_servfail: return c->servfail;
  case ANSWER_notimp: return c->notimp;
  case ANSWER_badvers: return c->badvers;
  default: return c->formerr;
  }
}

/* The first variant of the answer that fits, else an empty one with TC=1. */
static inline int choose_variant(struct query *q, struct shape *s)
{
  u32 ref = q->answer;
  u64 room = q->limit - DNS_HEADER - s->question - s->opt;
  for (u32 i = 0; i < SMALLER_MAX; i++) {
    u8 *p = ref ? heap_at(ref) : 0;
    if (!p)
      return PASS_denial;
    struct answer *a = (void *)p;
    if (a->denial)
      return PASS_denial;
    s->flags = a->flags;
    s->kind = a->kind;
    s->extended = a->extended;
    if (a->len <= room && a->nfrag <= FRAGMENTS_MAX) {
      s->body = a->len;
      s->an = a->an;
      s->ns = a->ns;
      s->ar = a->ar;
      s->fragments = a->nfrag;
      q->answer = ref;
      return GO_ON;
    }
    ref = a->smaller;
    if (!ref)
      break;
  }
  s->flags |= 0x0200;
  s->kind = ANSWER_truncated;
  return GO_ON;
}

/* Frame offset of what follows the DNS header. */
static inline u64 body_offset(struct query *q)
{
  return q->l4 + UDP_HEADER + DNS_HEADER;
}

/* Move the pointers of one fragment by delta. */
static inline int relocate(void *data, void *end, u8 *fragment, u64 at, u64 delta)
{
  u64 count = ((struct fragment *)fragment)->nrel;
  u8 *list = fragment + sizeof(struct fragment);
  for (u64 i = 0; i < RELOCATIONS_MAX; i++) {
    OPAQUE(i);
    if (i >= count || i >= RELOCATIONS_MAX)
      break;
    u64 o = i * sizeof(struct relocation);
    MASK(o, 0x1ff);
    u64 entry = *(u32 *)(list + o);
    u64 place = at + (entry & BODY_MAX);
    MASK(place, 0xfff);
    u16 *pointer = data + place;
    if ((void *)(pointer + 1) > end)
      return DROP_internal;
    *pointer = htons((entry >> 16) + delta);
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
  u64 o = last, next = 0;
  for (u64 i = 0; i < BODY_MAX / 64 + 2; i++) {
    OPAQUE(i);
    MASK(o, BODY_MAX);
    void *t = to + o;
    u8 *f = from + o;
    if (t + 64 > end)
      return DROP_internal;
    copy32(t, f);
    copy32(t + 32, f + 32);
    if (next >= last)
      break;
    o = next;
    next += 64;
  }
  return GO_ON;
}

/* Copy one fragment to `at`; its sum, as if it began at an even place, is added to *sum. */
static inline int write_fragment(struct xdp_md *ctx, struct query *q, u8 *p, u64 at, u64 *len, u64 *sum)
{
  struct fragment *f = (void *)p;
  u64 octets = f->len, count = f->nrel;
  if (count > RELOCATIONS_MAX)
    return DROP_internal;
  u64 list = sizeof(struct fragment) + count * sizeof(struct relocation);
  MASK(list, 0x3ff);
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
static inline int write_single(struct xdp_md *ctx, struct query *q, u64 at, u64 *sum)
{
  u8 *p = heap_at(q->answer);
  if (!p)
    return DROP_internal;
  u64 len = 0, part = 0;
  int verdict = write_fragment(ctx, q, p + sizeof(struct answer), at, &len, &part);
  *sum = sum_at(part, 1); /* the store keeps sums as big-endian numbers */
  return verdict;
}

/* Write fragment number q->written of the answer behind the ones before it. */
static inline int append_fragment(struct xdp_md *ctx, struct query *q)
{
  u8 *p = heap_at(q->answer);
  if (!p)
    return DROP_internal;
  u8 *f = p + sizeof(struct answer);
  if (q->shape.fragments > 1) {
    u64 o = q->written * 4;
    MASK(o, 0x3f);
    f = heap_at(*(u32 *)(p + sizeof(struct answer) + o));
    if (!f)
      return DROP_internal;
  }
  u64 len = 0, part = 0, done = q->body_len;
  int verdict = write_fragment(ctx, q, f, body_offset(q) + q->shape.question + done, &len, &part);
  if (verdict != GO_ON)
    return verdict;
  q->body_sum += sum_at(part, done + 1);
  q->body_len = done + len;
  q->written++;
  return GO_ON;
}

/* RFC 6891 §6.1.1: OPT at the end; our size, the asker's DO, the upper bits of the rcode. */
static inline int write_opt(void *data, void *end, struct query *q, struct shape *s, u64 at, u64 *sum)
{
  MASK(at, 0xfff);
  u8 *p = data + at;
  if ((void *)(p + OPT_LEN) > end)
    return DROP_internal;
  u64 head = 0x290000ULL | (u64)htons(EDNS_SIZE) << 24 | s->extended << 40 | (u64)(q->dnssec_ok & 1) << 63;
  *(u64 *)p = head;
  *(u16 *)(p + 8) = 0;
  p[10] = 0;
  *sum = sum_word(head);
  return GO_ON;
}

static inline int swap_addresses(void *data, void *end)
{
  u32 *mac = data;
  if (data + 14 > end)
    return DROP_internal;
  u32 d0 = mac[0], s1 = mac[2];
  u16 d1 = *(u16 *)(data + 4), s0 = *(u16 *)(data + 6);
  *(u16 *)data = s0;
  *(u32 *)(data + 2) = s1;
  *(u32 *)(data + 6) = d0;
  *(u16 *)(data + 10) = d1;
  return GO_ON;
}

/* TTL 64, DF, identification 0 (RFC 6864), no DSCP or ECN: nothing of the query's header survives but the addresses. */
static inline void write_ipv4(void *at, u64 len)
{
  struct iphdr *ip = at;
  u32 source = ip->saddr, destination = ip->daddr;
  u32 *w = at;
  u64 first = 0x45 | (u64)htons(len) << 16;
  w[0] = first;
  w[1] = (u32)htons(0x4000) << 16;
  ip->saddr = destination;
  ip->daddr = source;
  u64 sum = first + ((u64)htons(0x4000) << 16) + (64 | IPPROTO_UDP << 8) + source + destination;
  w[2] = 64 | IPPROTO_UDP << 8 | (u32)(~sum_fold(sum) & 0xffff) << 16;
}

static inline void write_ipv6(void *at, u64 payload)
{
  u64 *w = at;
  u64 s0 = w[1], s1 = w[2], d0 = w[3], d1 = w[4];
  w[0] = 0x60 | (u64)htons(payload) << 32 | (u64)IPPROTO_UDP << 48 | 64ULL << 56;
  w[1] = d0;
  w[2] = d1;
  w[3] = s0;
  w[4] = s1;
}

static inline int write_headers(void *data, void *end, struct query *q, struct shape *s, u64 body_sum)
{
  if (swap_addresses(data, end) != GO_ON)
    return DROP_internal;
  u64 l4 = q->l4, l3 = q->l3;
  MASK(l4, 127);
  MASK(l3, 31);
  void *ip = data + l3;
  u16 *udp = data + l4;
  u16 *header = udp + 4;
  if ((void *)(udp + 10) > end || ip + IPV6_HEADER > end)
    return DROP_internal;
  u64 udp_len = UDP_HEADER + DNS_HEADER + s->question + s->body + s->opt;
  if (q->ipv6)
    write_ipv6(ip, udp_len);
  else
    write_ipv4(ip, udp_len + IPV4_HEADER);
  u16 source = udp[0], destination = udp[1], len = htons(udp_len);
  u16 flags = (q->flags & htons(0x7910)) | htons(0x8000 | s->flags); /* opcode, RD and CD as asked */
  u16 qd = s->question ? htons(1) : 0, an = htons(s->an), ns = htons(s->ns), ar = htons(s->ar + (s->opt ? 1 : 0));
  header[1] = flags;
  header[2] = qd;
  header[3] = an;
  header[4] = ns;
  header[5] = ar;
  udp[0] = destination;
  udp[1] = source;
  udp[2] = len;
  u64 sum = q->address_sum + source + destination + len + len + header[0] + flags + qd + an + ns + ar + body_sum;
  if (s->question)
    sum += q->question_sum;
  u16 check = ~sum_fold(sum);
  udp[3] = check ? check : 0xffff;
  return GO_ON;
}

/* OPT and the headers, once the body (of sum `body`, as if it began at an even place) is there: the reply is complete. */
static inline int finish_reply(struct xdp_md *ctx, struct query *q, struct shape *s, u64 body)
{
  u64 sum = sum_at(body, s->question);
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  if (s->opt) {
    u64 part = 0, before = s->question + s->body;
    if (write_opt(data, end, q, s, body_offset(q) + before, &part) != GO_ON)
      return DROP_internal;
    sum += sum_at(part, before);
  }
  int verdict = write_headers(data, end, q, s, sum);
  return verdict == GO_ON ? s->kind : verdict;
}

#endif
