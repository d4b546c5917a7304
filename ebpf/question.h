/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the DNS header to a question that can be looked up: header guard, name, type and class.
 * Reads only. A malformed message behind a whole header is answered FORMERR with a bare header.
 */
#ifndef APPLIANCE_QUESTION_H
#define APPLIANCE_QUESTION_H

#define TYPE_DS 43
#define TYPE_OPT 41
#define TYPE_TKEY 249
#define TYPE_AXFR 252
#define TYPE_ANY 255

/* Nothing to echo yet. */
static inline void begin_question(struct query *q)
{
  q->question.len = 0;
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
  if (verdict != GO_ON && !q->edns.present)
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
