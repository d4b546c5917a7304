/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Turn the frame round: which variant of the answer fits, and, once there is room and the body is written, OPT, headers and
 * full checksums.
 */
#ifndef APPLIANCE_REPLY_H
#define APPLIANCE_REPLY_H

#define SMALLER_MAX 4

/* The bodies of error replies are answers too, made when the store is. */
static inline u64 builtin_answer(struct ctl *c, s64 verdict)
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
static inline s64 choose_variant(struct query *q, struct shape *s, u8 **body)
{
  u64 ref = q->select.answer;
  u64 room = q->edns.limit - DNS_HEADER - s->question - s->opt;
  for (u64 i = 0; i < SMALLER_MAX; i++) {
    u8 *p = ref ? heap_at(ref) : 0;
    if (!p)
      return PASS_denial;
    struct answer *a = (void *)p;
    u64 len = a->len, head = LOAD8(a, 0), proofs = 0, proved = q->proof.state;
    if (a->denial | proved) {
      if (!proved)
        return UNPROVED;
      len += q->proof.len;
      head += q->proof.records << 32;
      proofs = q->proof.count;
    }
    s->head = head;
    s->kind = a->kind;
    if (q->question.type == TYPE_ANY && a->kind == ANSWER_positive)
      s->kind = ANSWER_any;
    s->extended = a->extended;
    if (a->nfrag > FRAGMENTS_MAX)
      return PASS_denial;
    if (len <= room) {
      *body = p + sizeof(struct answer);
      s->body = len;
      s->listed = a->nfrag;
      s->insert = a->insert | proved >> 1;
      s->fragments = a->nfrag + proofs;
      q->select.answer = ref;
      return GO_ON;
    }
    ref = a->smaller;
    if (!ref)
      break;
  }
  s->head = (s->head & 0xffff) | 0x0200;
  s->kind = ANSWER_truncated;
  return GO_ON;
}

/* RFC 6891 §6.1.1: OPT at the end; our size, the asker's DO, the upper bits of the rcode. */
static inline s64 write_opt(void *data, void *end, struct query *q, struct shape *s, u64 at, u64 *sum)
{
  MASK(at, 0xfff);
  u8 *p = data + at;
  if ((void *)(p + OPT_LEN) > end)
    return DROP_internal;
  u64 head = opt_head() | s->extended << 40 | q->edns.dnssec_ok << 63;
  *(u64 *)p = head;
  *(u16 *)(p + 8) = 0;
  p[10] = 0;
  *sum = sum_word(head);
  return GO_ON;
}

static inline s64 swap_addresses(void *data, void *end)
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
  u32 *w = at;
  u64 source = w[3], destination = w[4], first = 0x45 | (u64)htons(len) << 16;
  u64 sum = first + ((u64)htons(0x4000) << 16) + (64 | IPPROTO_UDP << 8) + source + destination;
  STORE8(at, 0, first | (u64)htons(0x4000) << 48);
  w[2] = 64 | IPPROTO_UDP << 8 | (~sum_fold34(sum) & 0xffff) << 16;
  w[3] = destination;
  w[4] = source;
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

static inline s64 write_headers(void *data, void *end, struct query *q, struct shape *s, u64 body_sum)
{
  if (swap_addresses(data, end) != GO_ON)
    return DROP_internal;
  u64 l4 = q->packet.l4, l3 = q->packet.l3;
  MASK(l4, 127);
  MASK(l3, 31);
  void *ip = data + l3;
  u16 *udp = data + l4;
  u16 *header = udp + 4;
  if ((void *)(udp + 10) > end || ip + IPV6_HEADER > end)
    return DROP_internal;
  u64 udp_len = UDP_HEADER + DNS_HEADER + s->question + s->body + s->opt;
  if (q->packet.ipv6)
    write_ipv6(ip, udp_len);
  else
    write_ipv4(ip, udp_len + IPV4_HEADER);
  u64 source = udp[0], destination = udp[1], len = htons(udp_len);
  u64 head = s->head, ar = htons((head >> 48) + (s->opt & 1)); /* one record more: OPT_LEN is odd */
  u64 sum = q->packet.fixed_sum + len + len + header[0] + ar + body_sum;
  head = head << 48 | (head & 0xffff0000) | head << 16 >> 48 | 1ULL << 63;
  if (s->question) {
    head |= 1ULL << 32;
    sum += q->question.sum;
  }
  head = __builtin_bswap64(head) | (*(u16 *)(q->message.octets + 2) & htons(0x7910)); /* opcode, RD and CD as asked */
  sum += sum_word(head);
  STORE8(header, 2, head);
  header[5] = ar;
  udp[0] = destination;
  udp[1] = source;
  udp[2] = len;
  u16 check = ~sum_fold(sum);
  udp[3] = check ? check : 0xffff;
  return GO_ON;
}

/* OPT and the headers, once the body (of sum `body`, as if it began at an even place) is there: the reply is complete. */
static inline s64 finish_reply(void *data, void *end, struct query *q, struct shape *s, u64 body)
{
  u64 sum = sum_at(body, s->question);
  if (s->opt) {
    u64 part = 0, before = s->question + s->body;
    if (write_opt(data, end, q, s, body_offset(q) + before, &part) != GO_ON)
      return DROP_internal;
    sum += sum_at(part, before);
  }
  s64 verdict = write_headers(data, end, q, s, sum);
  return verdict == GO_ON ? s->kind : verdict;
}

#endif
