/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reply's sections and sizes: the variant of the answer that fits, else an empty one with TC=1.
 */
#ifndef APPLIANCE_SHAPE_H
#define APPLIANCE_SHAPE_H

#define SMALLER_MAX 4

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
    u64 len = a->len, head = LOAD8(a, 0), proofs = 0, state = q->proof.state;
    if (a->denial | state) {
      if (state == PROOF_NONE)
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
      s->insert = a->insert | state == PROOF_COMPOSED; /* behind the first piece */
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

/* Sections and sizes of the reply; GO_ON or the verdict with which to give up. */
static inline s64 shape_reply(struct query *q, struct shape *s, u8 **body)
{
  s->question = q->question.len;
  s->options = 0;
  s->opt = s->question && q->edns.present ? OPT_LEN + s->options : 0;
  s->body = s->head = s->fragments = s->listed = s->insert = s->extended = 0;
  return choose_variant(q, s, body);
}

#endif
