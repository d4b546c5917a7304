/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The stages that tail calls lead to. STAGE(name) begins each of them; its body finds the scratch entry in
 * `q` and the store's control words in `c`.
 */
#ifndef APPLIANCE_STAGE_H
#define APPLIANCE_STAGE_H

/* In the order of appliance/datapath/program.py, which fills the array (tests/unit/datapath/test_program.py compares them). */
#define STAGES(X) X(search) X(answer) X(list) X(grow_head) X(append) X(prove) X(hash) X(police)

#define STAGE_NUMBER(name) STAGE_##name,
enum stage { STAGES(STAGE_NUMBER) };

#define STAGE_BODY(name) static inline int name##_stage(struct xdp_md *ctx, struct query *q, struct ctl *c)
#define STAGE_DECLARED(name) STAGE_BODY(name);
STAGES(STAGE_DECLARED)

/* bcc rewrites a map call in a function, not in a macro. */
static inline s64 find_state(struct query **q, struct ctl **c)
{
  u32 zero = 0;
  *q = scratch.lookup(&zero);
  *c = ctl.lookup(&zero);
  return *q && *c;
}

#define STAGE(name)                                                                                                      \
  int name(struct xdp_md *ctx)                                                                                           \
  {                                                                                                                      \
    struct query *q;                                                                                                     \
    struct ctl *c;                                                                                                       \
    return find_state(&q, &c) ? name##_stage(ctx, q, c) : XDP_PASS;                                                      \
  }                                                                                                                      \
  STAGE_BODY(name)

#endif
