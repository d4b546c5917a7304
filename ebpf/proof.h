/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The fragments that prove a denial, however they were found: listed once each, counted and measured.
 */
#ifndef APPLIANCE_PROOF_H
#define APPLIANCE_PROOF_H

enum proof_state { PROOF_NONE, PROOF_SEARCHED, PROOF_COMPOSED };

static inline void begin_proofs(struct query *q)
{
  q->proof.state = PROOF_NONE;
}

/* From here on the fragments are those that a search adds. */
static inline void search_proofs(struct query *q)
{
  q->proof.count = q->proof.len = q->proof.records = 0;
  q->proof.state = PROOF_SEARCHED;
}

static inline void add_proof(struct query *q, struct answer *a, u32 ref)
{
  u64 n = q->proof.count;
  u32 *listed = (u32 *)(a + 1);
  if (!ref || n >= PROOFS_MAX)
    return;
  for (u64 i = 0; i < PROOFS_MAX; i++) {
    if (i < n && q->proof.refs[i] == ref)
      return;
  }
  if (a->nfrag > 1) {
    for (u64 i = 0; i < FRAGMENTS_MAX; i++) {
      if (i < a->nfrag && listed[i] == ref)
        return;
    }
  }
  u8 *p = heap_at(ref);
  if (!p)
    return;
  struct fragment *f = (void *)p;
  LOAD8(p, 64); /* have its lines come together, or the copy waits for one after the other */
  LOAD8(p, 128);
  MASK(n, PROOFS_MAX - 1);
  q->proof.refs[n] = ref;
  q->proof.count = n + 1;
  q->proof.len += f->len;
  q->proof.records += f->records;
}

/* For a composed referral: the one or two proofs that NODATA lists behind the SOA. */
static inline s64 take_proofs(struct query *q, u8 *p)
{
  u8 *soa = heap_at(q->select.soa);
  if (!soa)
    return PASS_denial;
  struct answer *a = (void *)p;
  struct fragment *f = (void *)soa;
  STORE8(q->proof.refs, 0, LOAD8(p, 24));
  q->proof.state = PROOF_COMPOSED;
  q->proof.count = a->nfrag - 1;
  q->proof.len = a->len - f->len;
  q->proof.records = a->ns - f->records;
  return GO_ON;
}

/* For a composed referral: DS and its signature, the pieces of the answer for DS. */
static inline s64 take_ds(struct query *q, u8 *p)
{
  struct answer *a = (void *)p;
  STORE8(q->proof.refs, 0, LOAD8(p, 20));
  q->proof.refs[2] = *(u32 *)(p + 28);
  q->proof.state = PROOF_COMPOSED;
  q->proof.count = DS_PIECES;
  q->proof.len = a->len;
  q->proof.records = a->an;
  return GO_ON;
}

/* Offset in the message of the label by which the next closer name is longer than the closest encloser. */
static inline u64 next_closer(struct query *q)
{
  u64 l = q->question.labels - q->lookup.depth - 1;
  MASK(l, LABELS_MAX - 1);
  return q->question.label[l];
}

#endif
