/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Turn the frame round: which variant of the answer fits, and, once there is room and the body is written, OPT, headers and
 * full checksums.
 */
#ifndef APPLIANCE_REPLY_H
#define APPLIANCE_REPLY_H

#define SMALLER_MAX 4

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

/* The first variant of the answer that fits, with its first fragment or list in *body; else an empty one with TC=1. */
static inline int choose_variant(struct query *q, struct shape *s, u8 **body)
{
  u32 ref = q->answer;
  u64 room = q->limit - DNS_HEADER - s->question - s->opt;
  for (u32 i = 0; i < SMALLER_MAX; i++) {
    u8 *p = ref ? heap_at(ref) : 0;
    if (!p)
      return PASS_denial;
    struct answer *a = (void *)p;
    u64 len = a->len, ns = a->ns, proofs = 0;
    if (a->denial) {
      if (!q->proved)
        return UNPROVED;
      len += q->proof_len;
      ns += q->proof_records;
      proofs = q->proofs;
    }
    s->flags = a->flags;
    s->kind = q->qtype == TYPE_ANY && a->kind == ANSWER_positive ? ANSWER_any : a->kind;
    s->extended = a->extended;
    if (a->nfrag > FRAGMENTS_MAX)
      return PASS_denial;
    if (len <= room) {
      *body = p + sizeof(struct answer);
      s->body = len;
      s->an = a->an;
      s->ns = ns;
      s->ar = a->ar;
      s->listed = a->nfrag;
      s->insert = a->insert;
      s->fragments = a->nfrag + proofs;
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
