/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is known of the packet at hand. It lives in a per-CPU scratch entry, because the stack is small and because values read back from
 * there are unknown to the verifier, which keeps it from following every combination of earlier branches.
 */
#ifndef APPLIANCE_QUERY_H
#define APPLIANCE_QUERY_H

#define MESSAGE_MAX 524 /* longest query that is read: 512 octets behind the header */
#define MESSAGE_MASK 1023
#define PROOFS_MAX 4
#define LABELS_MAX 128
#define NAME_MAX 255

/* Sections and sizes of the reply: octets; header fields in host order. */
struct shape {
  u64 body, question, opt; /* octets */
  u64 head;                /* flags, an, ns, ar of 16 bits each, from the lowest up, in host order, as in struct answer */
  u64 fragments, insert, listed, extended; /* pieces in all; where proofs go in; pieces of the answer itself */
  s64 kind;
};

/*
 * Numbers are 64 bits wide: bcc's target has no 32-bit registers, and narrower ones would be cut with two shifts wherever something is
 * added to them.
 */
struct query {
  u8 message[MESSAGE_MASK + 9];   /* the DNS message as it came; offsets below count from its first octet */
  u64 hash[LABELS_MAX + 1];       /* hash[d]: of the rightmost d labels */
  u16 label[LABELS_MAX + 1];      /* offset of label i, from the left; label[labels] is the root's */
  u64 tick, lease_until, lease_over; /* not of the packet: what the last look at the clock told, and when and of which lease it was */
  u64 l3, l4;                     /* offsets of the IP and the UDP header in the frame */
  u64 frame_len, message_len;     /* whole frame; DNS message */
  u64 ipv6, verify;               /* flags: family; check the query's checksums */
  u64 source;                     /* port */
  u64 services;                   /* of the port's row */
  u64 qname_len, labels, depth;   /* depth: labels that are worth looking up */
  u64 qtype, edns, dnssec_ok, limit;
  u64 question_len;               /* octets of the question to echo, 0 for a bare header */
  u64 fixed_sum, udp_sum;         /* of addresses, protocol number and ports; of the UDP header's length (twice) and checksum */
  u64 message_sum, question_sum;
  u64 flips;                      /* of the store when the lookup began */
  u64 low, high, probe, probes;   /* depths between which the search goes on; its next one */
  u64 record, answer;             /* deepest record; answer chosen */
  struct shape shape;             /* of a reply that is written in several stages */
  u64 written, body_len, body_sum; /* its fragments, octets and sum so far */
  u64 soa;                        /* fragment that an answer means by piece 0 */
  u64 proofs, proof_len, proof_records; /* fragments found for a denial, their octets and records */
  u64 proved;                     /* 1: they were searched; 2: they come with a composed referral */
  s64 verdict;                    /* on the search for a proof; that the policer decides on */
  u32 proof[PROOFS_MAX];
  u64 first, last;                /* bounds of a search in sorted entries */
  u64 label_len, stored_len;      /* of the labels that are compared */
  u64 slot, upwards;              /* where a hash is looked for; which way: 1 down, 2 up */
  u64 cover;                      /* the last fragment met that may cover it */
  u64 material, table;            /* of NSEC3 */
  u64 hash_blocks, hash_steps, hash_step; /* blocks of the name, with those of the iterations, done */
  u64 at, next, fragment;         /* a walk through extension headers: offset in the frame, number of what is there, seen a fragment */
  u64 network;                    /* the sender's, as the policer tells networks apart */
  u32 digest[5], pad;
  u8 hashed[512 + 48];            /* what SHA-1 reads: name or digest, salt, padding */
};

/* Keep the compiler from dropping a mask that only the verifier needs. */
#define MASK(x, m) asm volatile("%0 &= %1" : "+r"(x) : "i"(m))
#define OPAQUE(x) asm volatile("" : "+r"(x))
/* Read the query's fields back from memory: the verifier then forgets by which way they got their values. */
#define FORGET() asm volatile("" ::: "memory")

/*
 * Eight octets at any address: left to itself the compiler assembles an unaligned word octet by octet. The offset is a constant that is
 * part of the instruction; an address that is computed first costs two more.
 */
#define LOAD8(at, offset)                                                                                                \
  ({                                                                                                                     \
    u64 loaded_;                                                                                                         \
    asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(loaded_) : "r"(at), "i"(offset) : "memory");                            \
    loaded_;                                                                                                             \
  })
#define STORE8(at, offset, v) asm volatile("*(u64 *)(%0 + %2) = %1" : : "r"(at), "r"((u64)(v)), "i"(offset) : "memory")

static inline u8 octet(struct query *q, u64 offset)
{
  MASK(offset, MESSAGE_MASK);
  return q->message[offset];
}

static inline u64 word(struct query *q, u64 offset)
{
  MASK(offset, MESSAGE_MASK);
  return LOAD8(q->message + offset, 0);
}

#endif
