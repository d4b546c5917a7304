/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which NSEC3 fragments prove that the question name does not exist (RFC 5155 §7.2). What is known of the closest encloser stands at
 * its node. Only the next closer name is hashed here, and looked up in the table of hashes.
 */
#ifndef APPLIANCE_NSEC3_H
#define APPLIANCE_NSEC3_H

#define ITERATIONS_MAX 10
#define SALT_MAX 32
#define HASH_INPUT_MAX 320 /* five blocks: a name of 255 octets, salt, padding */
#define BLOCKS_A_CALL 4

/* Put name, salt and SHA-1's padding into the buffer. Returns the number of blocks. */
static inline u64 hash_input(struct query *q, struct nsec3 *n, u64 at)
{
  u64 len = DNS_HEADER + q->question.name_len - at, salt = n->salt_len, total = len + salt;
  u64 blocks = (total + 9 + SHA1_BLOCK - 1) / SHA1_BLOCK;
  q->nsec3.name_len = len; /* in memory, or the verifier would follow each length that a step leaves possible */
  for (u64 i = 0; i < HASH_INPUT_MAX / 8; i++) {
    OPAQUE(i);
    if (i >= blocks * 8 || i >= HASH_INPUT_MAX / 8)
      break;
    FORGET();
    u64 o = i * 8, v = 0, all = q->nsec3.name_len;
    if (o < all) {
      v = fold8(word(q, at + o));
      if (all - o < 8)
        v = first_octets(v, all - o);
    }
    MASK(o, 511);
    STORE8(&q->nsec3.input[o], 0, v);
  }
  MASK(len, 255);
  for (u64 i = 0; i < SALT_MAX / 8; i++) {
    if (i * 8 >= salt)
      break;
    STORE8(&q->nsec3.input[len + i * 8], 0, *(u64 *)(n->salt + i * 8));
  }
  MASK(total, 511);
  STORE8(&q->nsec3.input[total], 0, 0x80);
  u64 last = blocks * SHA1_BLOCK - 8;
  MASK(last, 511);
  STORE8(&q->nsec3.input[last], 0, __builtin_bswap64(total * 8));
  return blocks;
}

/* IH(salt, x, k): the next input is digest and salt, one block as the salt is short. */
static inline void hash_input_again(struct query *q, struct nsec3 *n)
{
  u64 salt = n->salt_len, total = SHA1_DIGEST + salt;
  u32 *w = (u32 *)q->nsec3.input;
#pragma unroll
  for (int i = 0; i < 5; i++)
    w[i] = htonl(q->nsec3.digest[i]);
#pragma unroll
  for (int i = 5; i < 14; i++)
    w[i] = 0;
  for (u64 i = 0; i < SALT_MAX / 8; i++) {
    if (i * 8 >= salt)
      break;
    STORE8(&q->nsec3.input[SHA1_DIGEST + i * 8], 0, *(u64 *)(n->salt + i * 8));
  }
  MASK(total, 63);
  STORE8(&q->nsec3.input[total], 0, 0x80);
  w[14] = 0;
  w[15] = htonl((SHA1_DIGEST + salt) * 8);
}

/* H(x) = IH(salt, x, iterations) (RFC 5155 §5), a few blocks for each tail call. Returns 1 when q->nsec3.digest is complete. */
static inline s64 digest_step(struct query *q, struct nsec3 *n)
{
  for (u64 i = 0; i < BLOCKS_A_CALL; i++) {
    u64 step = q->nsec3.step;
    if (step >= q->nsec3.steps)
      break;
    u64 o = step * SHA1_BLOCK;
    if (step >= q->nsec3.blocks) {
      o = 0;
      hash_input_again(q, n);
      sha1_start(q->nsec3.digest);
    }
    MASK(o, 0x1c0);
    sha1_block(q->nsec3.digest, &q->nsec3.input[o]);
    q->nsec3.step = step + 1;
    FORGET();
  }
  return q->nsec3.step >= q->nsec3.steps;
}

/*
 * The NSEC3 that covers the digest; 0 when one matches (then the name exists), or when the table is none of ours. Hashes are spread
 * evenly, so each stands in its table near the slot that its value is proportional to, and empty slots repeat the hash before them: one
 * line of the table tells, seldom two. The slot lives in memory between the steps, or the verifier would follow every way.
 */
static inline u32 find_cover(struct query *q, u8 *p)
{
  struct nsec3 *n = (void *)p;
  u64 wanted = (u64)q->nsec3.digest[0] << 32 | q->nsec3.digest[1], total = n->n;
  u32 third = q->nsec3.digest[2];
  u8 *blocks = p + sizeof(struct nsec3);
  q->nsec3.slot = 1 + (((wanted >> 32) * n->scale) >> 32);
  q->nsec3.cover = q->nsec3.upwards = 0;
  for (u32 i = 0; i < 2 * DENIAL_REACH; i++) {
    FORGET();
    u64 slot = q->nsec3.slot;
    if (slot >= total)
      return q->nsec3.cover;
    struct nsec3_hash *e = block_entry(blocks, slot);
    if (!e)
      return 0;
    u64 hash = e->hash_hi;
    u32 more = e->hash_mid;
    if (hash == wanted && more == third)
      return 0;
    if (hash < wanted || (hash == wanted && more < third)) {
      int known = q->nsec3.cover == e->fragment; /* an empty slot: nothing further on belongs before the digest */
      q->nsec3.cover = e->fragment;
      if (q->nsec3.upwards == 1 || known)
        return q->nsec3.cover;
      q->nsec3.upwards = 2;
      q->nsec3.slot = slot + 1;
    } else {
      if (q->nsec3.upwards == 2)
        return q->nsec3.cover;
      q->nsec3.upwards = 1;
      q->nsec3.slot = slot - 1;
    }
  }
  return 0;
}

/* RFC 5155 §7.2.2: what is known of the closest encloser, and the cover of the next closer name. */
static inline s64 add_nxdomain_proof(struct query *q, struct answer *a, struct nsec3_node *known, u32 cover)
{
  add_proof(q, a, known->closest_encloser);
  add_proof(q, a, cover);
  add_proof(q, a, known->wildcard_cover);
  return GO_ON;
}

/*
 * Begin: is the zone one whose hashes are computed here? Below a name that opt-out leaves without NSEC3 the next closer name
 * lies above the question's, and its cover is known.
 */
static inline s64 begin_hash(struct query *q, struct answer *a, u32 material, u32 table)
{
  u8 *p = table ? heap_at(table) : 0, *m = material ? heap_at(material) : 0;
  if (!p || (a->denial == DENIAL_NXDOMAIN && !m))
    return PASS_denial;
  if (a->denial == DENIAL_NXDOMAIN && m && ((struct nsec3_node *)m)->next_closer)
    return add_nxdomain_proof(q, a, (void *)m, ((struct nsec3_node *)m)->next_closer);
  struct nsec3 *n = (void *)p;
  if (n->iterations > ITERATIONS_MAX || n->salt_len > SALT_MAX)
    return PASS_denial;
  q->nsec3.table = table;
  q->nsec3.material = material;
  q->nsec3.blocks = hash_input(q, n, next_closer(q));
  q->nsec3.steps = q->nsec3.blocks + n->iterations;
  q->nsec3.step = 0;
  sha1_start(q->nsec3.digest);
  return HASH_FIRST;
}

/* RFC 5155 §7.2.2 (closest encloser, next closer, wildcard) or §7.2.6 (next closer alone), once the hash is known. */
static inline s64 prove_by_nsec3(struct query *q, struct answer *a)
{
  u8 *p = heap_at(q->nsec3.table), *m = q->nsec3.material ? heap_at(q->nsec3.material) : 0;
  if (!p)
    return PASS_denial;
  u32 cover = find_cover(q, p);
  if (!cover)
    return PASS_denial;
  if (a->denial != DENIAL_NXDOMAIN) {
    add_proof(q, a, cover);
    return GO_ON;
  }
  return m ? add_nxdomain_proof(q, a, (void *)m, cover) : PASS_denial;
}

#endif
