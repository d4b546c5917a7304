/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * EDNS (RFC 6891): the OPT record of the query, and that of the reply.
 */
#ifndef APPLIANCE_EDNS_H
#define APPLIANCE_EDNS_H

#define EDNS_OPTIONS_MAX 16
#define OPT_LEN 11         /* octets of an OPT record without options */
#define OPT_START 0x290000 /* its root name and its type, as they lie in memory */

/* What holds for a query without OPT. */
static inline void begin_edns(struct query *q)
{
  q->edns.present = 0;
  q->edns.dnssec_ok = 0;
  q->edns.limit = 512;
}

/* From now on the client takes the question back and no record but OPT: any answer that has one comes out truncated. */
static inline void take_no_records(struct query *q)
{
  q->edns.limit = DNS_HEADER + q->question.len + (q->edns.present ? OPT_LEN : 0);
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

/*
 * The OPT record at `at`, which must end the message. *sum becomes the sum of what is there as if it began at an even place. With
 * q->edns.present set an error has a record that could be read, and is answered with one (RFC 6891 §7).
 */
static inline s64 parse_opt(struct query *q, u64 at, u64 *sum)
{
  if (at + OPT_LEN > q->packet.message_len)
    return ANSWER_formerr;
  u64 o = at;
  MASK(o, MESSAGE_MASK);
  u64 head = LOAD8(q->message.octets + o, 0), tail = LOAD8(q->message.octets + o, 8) & 0xffffff;
  if ((head & 0xffffff) != OPT_START)
    return PASS_additional;
  u64 size = swap16(head >> 24), options = swap16(tail >> 8);
  u64 stop = at + OPT_LEN + options;
  if (stop > q->packet.message_len)
    return ANSWER_formerr;
  q->edns.present = 1;
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

/* RFC 6891 §6.1.1: OPT at the end; our size, the asker's DO, the upper bits of the rcode. It counts itself. */
static inline s64 write_opt(void *data, void *end, struct query *q, struct shape *s, u64 at, u64 *sum)
{
  MASK(at, 0xfff);
  u8 *p = data + at;
  if ((void *)(p + OPT_LEN) > end)
    return DROP_internal;
  u64 head = opt_head() | s->extended << 40 | q->edns.dnssec_ok << 63;
  *(u64 *)p = head;
  *(u16 *)(p + 8) = 0;
  p[10] = s->options; /* the lower half of RDLENGTH: options of more than 255 octets are never sent */
  s->head += 1ULL << 48;
  *sum = sum_word(head) + s->options;
  return GO_ON;
}

#endif
