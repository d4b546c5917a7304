/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How the program leaves: every verdict has a number, is counted in this CPU's row, and decides what happens to the packet.
 */
#ifndef APPLIANCE_VERDICT_H
#define APPLIANCE_VERDICT_H

#define PASS_BASE 32
#define DROP_BASE 64

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
  PASS_REASONS(X)
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

/* One token for a packet handed up; a flood of odd queries must not starve transfers and TCP. */
static inline s64 may_pass(struct ctl *c)
{
  u32 zero = 0;
  struct bucket_of_tokens *b = policer.lookup(&zero);
  u64 rate = c->pass_rate, full = (u64)c->pass_burst << 20;
  if (!b || !rate)
    return 1;
  u64 now = bpf_ktime_get_ns(), elapsed = now - b->last_ns;
  if (elapsed > 1000000000)
    elapsed = 1000000000;
  u64 tokens = b->tokens + ((elapsed * rate / 1000) << 20) / 1000000;
  b->last_ns = now;
  if (tokens > full)
    tokens = full;
  if (tokens < 1 << 20) {
    b->tokens = tokens;
    return 0;
  }
  b->tokens = tokens - (1 << 20);
  return 1;
}

static inline s64 leave(struct ctl *c, s64 verdict)
{
  if (is_answer(verdict)) {
    count(verdict);
    return XDP_TX;
  }
  if (verdict >= PASS_opcode && verdict < DROP_BASE && verdict != PASS_not_serving && !may_pass(c))
    verdict = DROP_policed;
  count(verdict);
  return verdict >= DROP_BASE ? XDP_DROP : XDP_PASS;
}

#endif
