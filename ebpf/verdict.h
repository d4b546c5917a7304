/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How the program leaves: every verdict has a number, is counted in this CPU's row, and decides what happens to the packet.
 */
#ifndef APPLIANCE_VERDICT_H
#define APPLIANCE_VERDICT_H

#define PASS_BASE 32
#define LIMITED_BASE 42
#define DROP_BASE 64
#define POLICED_BASE 106
#define POLICED (POLICED_BASE - LIMITED_BASE) /* from the reason for which a packet would go up to the counter of those that may not */

enum verdict {
  HASH_FIRST = -5,
  UNPROVED = -4,
  MANY_FRAGMENTS = -3,
  NO_ROOM = -2,
  GO_ON = -1,
#define X(name, text) ANSWER_##name,
  ANSWER_KINDS(X)
#undef X
  PASS_BEFORE = PASS_BASE - 1,
#define X(name, text) PASS_##name,
  FREE_REASONS(X)
  LIMITED_BEFORE = LIMITED_BASE - 1,
  LIMITED_REASONS(X)
#undef X
  DROP_BEFORE = DROP_BASE - 1,
#define X(name, text) DROP_##name,
  DROP_REASONS(X)
#undef X
};

static inline s64 is_answer(s64 verdict)
{
  return (u64)verdict < PASS_BASE;
}

static inline void count(s64 verdict)
{
  u32 cpu = bpf_get_smp_processor_id();
  struct counter_row *row = counters.lookup(&cpu);
  u64 slot = verdict;
  MASK(slot, COUNTER_SLOTS - 1);
  if (row)
    row->slot[slot]++;
}

static inline s64 is_limited(s64 verdict)
{
  return verdict >= LIMITED_BASE && verdict < DROP_BASE;
}

/* What may be limited has a stage of its own. No way through the program comes near the kernel's 33 tail calls, so that call is made. */
static inline s64 leave(struct xdp_md *ctx, struct query *q, struct ctl *c, s64 verdict)
{
  if (is_answer(verdict)) {
    count(verdict);
    return XDP_TX;
  }
  if (is_limited(verdict) && c->pass_rate) {
    q->verdict = verdict;
    stages.call(ctx, STAGE_POLICE);
    verdict += POLICED;
  }
  count(verdict);
  return verdict >= DROP_BASE ? XDP_DROP : XDP_PASS;
}

#endif
