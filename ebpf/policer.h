/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a socket on our port would hear of goes up at a limited rate, so that a flood of odd packets cannot starve transfers and TCP.
 * What is for other ports, protocols and hosts is not limited here. Reads only.
 */
#ifndef APPLIANCE_POLICER_H
#define APPLIANCE_POLICER_H

#define HEARD_SLOTS 4096
#define HEARD_WINDOWS 4 /* for how long a network stays known, in windows of 2^30 ns */
#define LIGHT_SHARE 64  /* a network is light up to this part of the rate in a window */
#define TOKEN 1000000000ULL /* one packet: tokens are packets a second times nanoseconds */

/* One row for each CPU, since the rate is for each CPU: no cache line is shared. */
struct policer { u64 last_ns, common, reserve, fragments; };
struct heard { u32 tag; u16 window, count; };

BPF_PERCPU_ARRAY(policer, struct policer, 1);
BPF_PERCPU_ARRAY(heard, struct heard, HEARD_SLOTS);

static inline u64 filled(u64 tokens, u64 more, u64 full)
{
  if (full && full < TOKEN)
    full = TOKEN;
  return tokens + more < full ? tokens + more : full;
}

static inline s64 take(u64 *tokens, u64 least)
{
  if (*tokens < TOKEN || *tokens <= least)
    return 0;
  *tokens -= TOKEN;
  return 1;
}

/*
 * A quarter of the rate is for networks that were not heard lately, three are for the others; either may have what the others leave above
 * half of their bucket. There a network beyond its light share comes last. So a flood from few networks takes nothing from new ones, one
 * from forged addresses nothing from known ones. Whether a network is known is kept for those that got through, and no other drives
 * out an entry that is in use; one that would have to comes last too, or it would be new for ever: tests/datapath/test_policer.py.
 */
static inline s64 take_common(struct ctl *c, struct policer *b, struct query *q, u64 now, u64 full)
{
  u64 light = c->pass_rate / LIGHT_SHARE + 1, hash = (q->recipient.network ^ c->seed) * HASH_MULTIPLIER;
  hash = (hash ^ hash >> 32) * HASH_FINAL; /* once more: networks often differ in their upper bits alone */
  u32 slot = hash >> 52;
  struct heard *h = heard.lookup(&slot);
  if (!h)
    return 0;
  u32 tag = hash >> 16;
  u16 window = now >> 30, age = window - h->window;
  u64 live = h->count && age < HEARD_WINDOWS, known = live && h->tag == tag;
  u64 count = known && !age ? h->count : 0, reserve = full / 4, half = (full - reserve) / 2;
  s64 taken;
  if (!live)
    taken = take(&b->reserve, 0) || take(&b->common, half);
  else if (known && count < light)
    taken = take(&b->common, 0) || take(&b->reserve, reserve / 2);
  else
    taken = take(&b->common, half);
  if (taken && (known || !live)) {
    h->tag = tag;
    h->window = window;
    h->count = count < 65535 ? count + 1 : count;
  }
  return taken;
}

/* One token for a packet that goes up; 0 when there is none. */
static inline s64 may_pass(struct ctl *c, struct query *q, u64 to)
{
  u32 zero = 0;
  struct policer *b = policer.lookup(&zero);
  u64 full = c->pass_burst * TOKEN, now = bpf_ktime_get_ns();
  if (!b)
    return 1;
  u64 elapsed = now - b->last_ns;
  if (elapsed > 1000000000)
    elapsed = 1000000000;
  u64 more = elapsed * c->pass_rate, reserve = more / 4;
  b->last_ns = now;
  b->fragments = filled(b->fragments, more, full);
  b->reserve = filled(b->reserve, reserve, full / 4);
  b->common = filled(b->common, more - reserve, full - full / 4);
  return to == RECIPIENT_FRAGMENT ? take(&b->fragments, 0) : take_common(c, b, q, now, full);
}

#endif
