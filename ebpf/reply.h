/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the answer to the whole reply: shape, room, body, OPT, headers.
 */
#ifndef APPLIANCE_REPLY_H
#define APPLIANCE_REPLY_H

/* Write OPT and the headers behind a complete body. `body` is the body's sum as if it began at an even place. */
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

/* Decide the shape, make room at the tail and write a body of one fragment. Bodies of several fragments have a stage of their own. */
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
  if (!grow_at_tail(ctx, growth))
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

/* Decide the shape and make room at the tail, for a reply that is written fragment by fragment. */
static inline s64 begin_list(struct xdp_md *ctx, struct query *q)
{
  u8 *body = 0;
  s64 verdict = shape_reply(q, &q->shape, &body);
  if (verdict != GO_ON)
    return verdict;
  if (!grow_at_tail(ctx, growth_at_tail(q, &q->shape)))
    return NO_ROOM;
  begin_body(q);
  return GO_ON;
}

/* Make room at the head for a reply that is written fragment by fragment, where the tail gives no room. */
static inline s64 begin_with_head_room(struct xdp_md *ctx, struct query *q)
{
  u8 *body = 0;
  s64 verdict = shape_reply(q, &q->shape, &body);
  if (verdict == GO_ON)
    verdict = grow_at_head(ctx, q, &q->shape);
  begin_body(q);
  return verdict;
}

/* Write at most the next two fragments. Then a tail call writes the rest, or headers and checksums end the reply. */
static inline s64 write_on(struct xdp_md *ctx, struct query *q, struct ctl *c)
{
#pragma unroll
  for (int i = 0; i < 2; i++) {
    FORGET();
    if (q->body.written < q->shape.fragments) {
      s64 verdict = append_fragment(ctx, q);
      if (verdict != GO_ON)
        return leave(ctx, q, c, verdict);
    }
  }
  FORGET();
  if (q->body.written < q->shape.fragments) {
    stages.call(ctx, STAGE_append);
    return leave(ctx, q, c, DROP_internal);
  }
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  return leave(ctx, q, c, finish_reply(data, end, q, &q->shape, q->body.sum));
}

/* Answers of several fragments (signed ones, mostly): make room, then two fragments for each tail call. */
static inline s64 write_list(struct xdp_md *ctx, struct query *q, struct ctl *c)
{
  s64 verdict = begin_list(ctx, q);
  if (verdict == GO_ON)
    return write_on(ctx, q, c);
  if (verdict == NO_ROOM)
    stages.call(ctx, STAGE_grow_head);
  return leave(ctx, q, c, verdict < 0 ? PASS_room : verdict);
}

#endif
