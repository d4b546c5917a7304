/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Room for the answer: at the tail, or where the driver refuses that at the head, with headers and question moved down. Where there
 * is neither, the untouched packet goes up. Devices differ widely (docs/experiments.md).
 */
#ifndef APPLIANCE_ROOM_H
#define APPLIANCE_ROOM_H

#define HEADERS_MAX 128

static inline s64 growth_at_tail(struct query *q, struct shape *s)
{
  return body_offset(q) + s->question + s->body + s->opt - q->packet.frame_len;
}

static inline s64 grow_at_tail(struct xdp_md *ctx, s64 growth)
{
  return !growth || !bpf_xdp_adjust_tail(ctx, growth);
}

/* Move the frame's start and with it the headers and the question down by what is missing at the tail. */
static inline s64 grow_at_head(struct xdp_md *ctx, struct query *q, struct shape *s)
{
  u8 headers[HEADERS_MAX];
  u64 len = body_offset(q);
  len -= 1;
  MASK(len, HEADERS_MAX - 1);
  len += 1;
  s64 growth = len + s->question + s->body + s->opt - q->packet.frame_len;
  if (growth <= 0 || bpf_xdp_load_bytes(ctx, 0, headers, len) || bpf_xdp_adjust_head(ctx, -growth))
    return PASS_room;
  if (bpf_xdp_store_bytes(ctx, 0, headers, len))
    return DROP_internal;
  u64 question = s->question;
  if (!question)
    return GO_ON;
  question -= 1;
  MASK(question, 511);
  question += 1;
  return bpf_xdp_store_bytes(ctx, len, q->message.octets + DNS_HEADER, question) ? DROP_internal : GO_ON;
}

#endif
