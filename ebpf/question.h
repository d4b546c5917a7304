/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the DNS header to a question that can be looked up: header guard, name, type and class, EDNS (RFC 6891), the
 * query's UDP checksum. Reads only. A malformed message behind a whole header is answered FORMERR with a bare header.
 */
#ifndef APPLIANCE_QUESTION_H
#define APPLIANCE_QUESTION_H

#define EDNS_OPTIONS_MAX 16
#define OPT_LEN 11
#define TYPE_DS 43
#define TYPE_OPT 41
#define TYPE_TKEY 249
#define TYPE_AXFR 252
#define TYPE_ANY 255

/*
 * Copy the message to the scratch entry, sixteen octets a step and the last eight at the end, and sum it on the way. Words are added
 * whole, modulo 2^64, and their upper halves once more: with these the sum of the halves is known at the end.
 */
static inline s64 read_message(struct xdp_md *ctx, struct query *q)
{
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  u64 l4 = q->packet.l4, len = q->packet.message_len, whole = len & ~15ULL, words = 0, uppers = 0, at = 0;
  MASK(l4, 127);
  void *message = data + l4 + UDP_HEADER;
  for (;;) {
    OPAQUE(at);
    if (at >= whole || at > MESSAGE_MAX)
      break;
    void *p = message + at;
    if (p + 16 > end)
      return PASS_ip_length;
    u64 v = LOAD8(p, 0), w = LOAD8(p, 8);
    u8 *to = q->message.octets + at;
    STORE8(to, 0, v);
    STORE8(to, 8, w);
    words += v + w;
    uppers += (v >> 32) + (w >> 32);
    at += 16;
  }
  if (len & 8) {
    MASK(whole, MESSAGE_MASK - 15);
    void *p = message + whole;
    if (p + 8 > end)
      return PASS_ip_length;
    u64 v = LOAD8(p, 0);
    STORE8(q->message.octets + whole, 0, v);
    words += v;
    uppers += v >> 32;
  }
  u64 last = len - 8;
  MASK(last, MESSAGE_MASK);
  void *p = message + last;
  if (p + 8 > end)
    return PASS_ip_length;
  u64 v = LOAD8(p, 0), rest = len & 7;
  STORE8(q->message.octets + last, 0, v);
  if (rest) {
    v >>= 64 - rest * 8;
    words += v;
    uppers += v >> 32;
  }
  q->message.sum = words - (uppers << 32) + uppers;
  return GO_ON;
}

/* RFC 768; over IPv6 a checksum is a must (RFC 8200 §8.1). The message's own sum is known by now. */
static inline s64 udp_is_whole(struct query *q)
{
  u64 udp = q->packet.udp_sum;
  return udp ? sums_to_ones(q->packet.fixed_sum + q->message.sum + udp) : !q->packet.ipv6;
}

/* Flags, opcode and counts. Silence for responses comes before everything else (a reply to a reply is a loop). */
static inline s64 parse_header(struct query *q, struct ctl *c, u64 *additional)
{
  u64 head = *(u64 *)q->message.octets, counts = *(u32 *)(q->message.octets + 8);
  if (head & (u64)htons(0x8000) << 16)
    return DROP_response;
  u64 opcode = (head >> 19) & 15;
  if (opcode)
    return (c->opcode_pass >> opcode) & 1 ? PASS_opcode : ANSWER_notimp;
  if ((head >> 32) != htons(1))
    return counts >> 16 ? PASS_header_counts : ANSWER_formerr; /* an OPT may be behind who knows what */
  if (counts & 0xfeffffff)
    return PASS_header_counts;
  *additional = counts;
  return GO_ON;
}

/* Where each label starts. Compression has no place in a question: any pointer is malformed. */
static inline s64 walk_name(struct query *q)
{
  u64 at = DNS_HEADER, i = 0;
  for (;;) {
    OPAQUE(i);
    if (i >= LABELS_MAX)
      break;
    u64 len = q->message.octets[at];
    q->question.label[i] = at;
    if (!len) {
      q->question.labels = i;
      q->question.name_len = at + 1 - DNS_HEADER;
      return GO_ON;
    }
    if (len > 63)
      return ANSWER_formerr;
    at += len + 1;
    if (at >= DNS_HEADER + NAME_MAX)
      return ANSWER_formerr;
    i++;
  }
  return ANSWER_formerr;
}

/* RFC 6891 §6.1.2: options must fill RDLENGTH exactly; unknown ones are ignored. */
static inline s64 walk_options(struct query *q, u64 at, u64 stop)
{
  for (u32 i = 0; i < EDNS_OPTIONS_MAX; i++) {
    if (at == stop)
      return GO_ON;
    if (at + 4 > stop)
      return ANSWER_formerr;
    u64 head = word(q, at);
    at += 4 + swap16(head >> 16);
    if (at > stop)
      return ANSWER_formerr;
  }
  return at == stop ? GO_ON : PASS_edns_option;
}

/* Sum of the octets in [from, to) as if `from` were even. */
static inline u64 sum_octets(struct query *q, u64 from, u64 to)
{
  u64 sum = 0, at = from;
  for (u32 i = 0; i < MESSAGE_MAX / 8; i++) {
    if (at + 8 > to)
      break;
    sum += sum_word(word(q, at));
    at += 8;
  }
  if (at < to)
    sum += sum_word(first_octets(word(q, at), to - at));
  return sum;
}

/*
 * The OPT record at `at`, which must end the message. *sum becomes the sum of what is there as if it began at an even place. With
 * q->edns.octets set an error has a record that could be read, and is answered with one (RFC 6891 §7).
 */
static inline s64 parse_opt(struct query *q, u64 at, u64 *sum)
{
  if (at + OPT_LEN > q->packet.message_len)
    return ANSWER_formerr;
  u64 o = at;
  MASK(o, MESSAGE_MASK);
  u64 head = LOAD8(q->message.octets + o, 0), tail = LOAD8(q->message.octets + o, 8) & 0xffffff;
  if ((head & 0xffffff) != 0x290000)
    return PASS_additional;
  u64 size = swap16(head >> 24), options = swap16(tail >> 8);
  u64 stop = at + OPT_LEN + options;
  if (stop > q->packet.message_len)
    return ANSWER_formerr;
  q->edns.octets = OPT_LEN;
  q->edns.dnssec_ok = head >> 63;
  u64 most = edns_size();
  q->edns.limit = size < 512 ? 512 : size > most ? most : size;
  s64 verdict = (head >> 48) & 0xff ? ANSWER_badvers : GO_ON;
  *sum = sum_word(head) + tail;
  if (options || stop != q->packet.message_len) {
    s64 fault = stop != q->packet.message_len ? ANSWER_formerr : walk_options(q, at + OPT_LEN, stop);
    if (fault != GO_ON)
      verdict = fault;
    *sum = sum_octets(q, at, q->packet.message_len);
  }
  return verdict;
}

/* Behind the name: type, class, OPT. Sets question_sum: the message's sum less the header's and OPT's. */
static inline s64 parse_tail(struct query *q, u64 additional)
{
  u64 stop = DNS_HEADER + q->question.name_len + 4, other = 0;
  if (stop > q->packet.message_len)
    return ANSWER_formerr;
  u64 tail = word(q, stop - 4);
  s64 verdict = GO_ON;
  if (additional) {
    verdict = parse_opt(q, stop, &other);
    other = sum_at(other, stop);
  } else if (q->packet.message_len != stop) {
    return ANSWER_formerr;
  }
  if (verdict != GO_ON && !q->edns.octets)
    return verdict;
  other += sum_word(*(u64 *)q->message.octets) + *(u32 *)(q->message.octets + 8);
  q->question.sum = q->message.sum + SUM_ZERO - other;
  q->question.len = stop - DNS_HEADER;
  q->question.type = swap16(tail);
  if (verdict != GO_ON)
    return verdict;
  if (((tail >> 16) & 0xffff) != htons(1))
    return PASS_query_class;
  if ((q->question.type >= TYPE_TKEY && q->question.type <= TYPE_AXFR) || q->question.type == TYPE_OPT || !q->question.type)
    return PASS_query_type;
  return GO_ON;
}

#endif
