/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Every way out has a number and is counted in this CPU's row.
 */
#ifndef APPLIANCE_VERDICT_H
#define APPLIANCE_VERDICT_H

#define PASS_BASE 32
#define LIMITED_BASE 42
#define DROP_BASE 64
#define POLICED_BASE 106
#define POLICED (POLICED_BASE - LIMITED_BASE) /* from a limited reason to the counter of the packets that the policer dropped for it */

enum verdict {
  SLIP = -6,
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

static inline s64 is_limited(s64 verdict)
{
  return verdict >= LIMITED_BASE && verdict < DROP_BASE;
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

#endif
