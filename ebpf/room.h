/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Room for the answer: at the tail; where the driver refuses, at the head, moving the headers and the question down; else the
 * untouched packet goes up. Devices differ widely (docs/experiments.md).
 */
#ifndef APPLIANCE_ROOM_H
#define APPLIANCE_ROOM_H

#define HEADERS_MAX 128

/* Sections and sizes of the reply; GO_ON or the verdict with which to give up. */
static inline s64 shape_reply(struct query *q, struct shape *s, u8 **body)
{
  s->question = q->question.len;
  s->opt = s->question ? q->edns.octets : 0;
  s->body = s->head = s->fragments = s->listed = s->insert = s->extended = 0;
  return choose_variant(q, s, body);
}

static inline s64 growth_at_tail(struct query *q, struct shape *s)
{
  return body_offset(q) + s->question + s->body + s->opt - q->packet.frame_len;
}

/* Have the body's lines fetched while room is made; without it the copy waits for them. */
static inline void touch(u8 *body)
{
  LOAD8(body, 64);
  LOAD8(body, 128);
  LOAD8(body, 192);
  LOAD8(body, 256);
}

/* Decide the shape, make room at the tail and write a body of one fragment; others have a stage of their own. */
static inline s64 reply(struct xdp_md *ctx, struct query *q)
{
  struct shape s;
  u8 *fragment = 0;
  s64 verdict = shape_reply(q, &s, &fragment);
  if (verdict != GO_ON)
    return verdict;
  if (s.fragments > 1)
    return MANY_FRAGMENTS;
  s64 growth = growth_at_tail(q, &s);
  if (fragment && s.body >= 256)
    touch(fragment);
  if (growth && bpf_xdp_adjust_tail(ctx, growth))
    return NO_ROOM;
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  u64 body = 0;
  if (s.fragments && fragment) {
    verdict = write_single(data, end, q, fragment, body_offset(q) + s.question, &body);
    if (verdict != GO_ON)
      return verdict;
  }
  return finish_reply(data, end, q, &s, body);
}

/* The same up to the room, for a reply that is written fragment by fragment. */
static inline s64 begin_list(struct xdp_md *ctx, struct query *q)
{
  u8 *body = 0;
  s64 verdict = shape_reply(q, &q->shape, &body);
  if (verdict != GO_ON)
    return verdict;
  s64 growth = growth_at_tail(q, &q->shape);
  if (growth && bpf_xdp_adjust_tail(ctx, growth))
    return NO_ROOM;
  q->body.written = q->body.len = q->body.sum = 0;
  return GO_ON;
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

static inline s64 begin_with_head_room(struct xdp_md *ctx, struct query *q)
{
  u8 *body = 0;
  s64 verdict = shape_reply(q, &q->shape, &body);
  if (verdict == GO_ON)
    verdict = grow_at_head(ctx, q, &q->shape);
  q->body.written = q->body.len = q->body.sum = 0;
  return verdict;
}

#endif
