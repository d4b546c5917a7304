/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The bytes that the XDP program and Python share; explained in docs/store-format.md. Included by the program and by a
 * host program that prints sizes and offsets for tests/unit/store/test_layout.py. No map access here.
 */
#ifndef APPLIANCE_LAYOUT_H
#define APPLIANCE_LAYOUT_H

#define STORE_MAGIC 0x31534e4453504c41ULL /* "ALPSDNS1" as octets */
#define STORE_FORMAT 5
#define DS_PIECES 3 /* of the answer for DS that a composed referral ends with: head of the first record, rest, signatures */
#define HEAP_CHUNK (1u << 20)
#define HEAP_WINDOW 4096u
#define HASH_MULTIPLIER 0x9E3779B97F4A7C15ULL
#define HASH_FINAL 0xD6E8FEB86659FD93ULL
#define BUCKET_SLOTS 7
#define SUFFIX_MAX 40
#define NODE_HEAD 32 /* octets of a node up to `wildcard` */
#define CHAIN_MAX 8
#define DENIAL_BLOCK 16384
#define DENIAL_REACH 64 /* slots from where a hash belongs to where it is */
#define RELOCATIONS_A_TURN 4
#define RELOCATIONS_MAX 256 /* that the program follows: more than fit into the largest reply, where three names take 16 octets at least */
#define MOVES_MAX 128 /* that a writer puts into a fragment; names behind them are not compressed */
#define GRANULE 16 /* octets; references count in granules */
#define GRANULE_WORDS 4 /* of 32 bits */
#define CHUNK_GRANULES (HEAP_CHUNK / GRANULE)
#define START_GRANULES ((HEAP_CHUNK - HEAP_WINDOW) / GRANULE) /* objects start below this granule of their chunk */
#define FOREVER 0xFFFFFFFFu /* the version until which a served node is valid */
#define SERVICE_SLOTS 256
#define PORT_SLOTS 1024
#define VLAN_SLOTS 4096
#define VLAN_PROBES 8 /* slots from where the tags of a VLAN belong to where they are */
#define VLAN_TAG 0x8000     /* in a half of vlan.tags: there is a tag; its lower twelve bits are the VLAN identifier */
#define VLAN_SERVICE 0x1000 /* in a half of vlan.tags: the protocol of the tag is 802.1ad */
#define COUNTER_SLOTS 128

enum node_flag { NODE_CUT = 1, NODE_APEX = 2, NODE_OUTSIDE = 4, NODE_FILLER = 8, NODE_DNAME = 16, NODE_WILDCARD = 32, NODE_CNAME = 64, NODE_BELOW = 128 };
enum zone_state { ZONE_EMPTY = 0, ZONE_SERVING = 1, ZONE_EXPIRED = 2, ZONE_LOADING = 3 };
enum zone_scheme { SCHEME_UNSIGNED = 0, SCHEME_NSEC = 1, SCHEME_NSEC3 = 2 };
enum answer_denial { DENIAL_COMPLETE = 0, DENIAL_NXDOMAIN = 1, DENIAL_NEXT_CLOSER = 2 };
enum service_kind { SERVICE_ANSWERED = 1, SERVICE_BROADCAST = 2, SERVICE_HOST = 3 };
enum port_flag { PORT_VERIFY_CHECKSUM = 1 };

struct ctl {
  u64 magic;
  u32 format, serving;               /* serving: 0 = pass everything */
  u64 seed;
  u32 flips;                         /* odd while a zone version is being flipped */
  u32 max_depth, min_depth, hint_depth;
  u32 root;                          /* node of the root name, 0 = none */
  u32 bucket_bits, chunks, zones;    /* capacities */
  u32 refused, servfail, formerr, notimp, badvers, reserved_ref; /* built-in answers */
  u32 heap_next;                     /* first never-used granule */
  u32 nodes;                         /* in the index */
  u64 generation;
  u32 pass_rate, pass_burst;         /* policer, packets per second and CPU; 0 = no limit */
  u32 opcode_pass;                   /* bit n: pass opcode n up */
  u32 reserved;
  u64 lease_until;                   /* nanoseconds of CLOCK_MONOTONIC from which on everything goes up; 0: never */
  u32 reserved_end[34];
};

struct bucket { u64 filter; u64 slot[BUCKET_SLOTS]; };

struct zone_slot { u32 serial, apex, nxdomain[2], nodata[2], denial, soa; };

struct zone {
  u32 version, state;
  u64 expiry_ns;
  struct zone_slot slot[2];
  u8 apex_len, apex_labels, scheme;
  u8 suffix_len;                     /* octets of the apex that owner names in nodes leave out: all, or 0 for a long one */
  u32 counter;
  u8 suffix[SUFFIX_MAX];
};

/* A cut needs no wildcard and no denial: its name begins in their place. */
struct node {
  u8 name_len, labels, flags, ntypes;
  u32 zone, from, until, next;
  u32 other[2];
  u32 reserved;
  u32 wildcard, denial;
};



struct type_entry { u16 type, reserved; u32 answer[2]; };

struct answer {
  u16 flags, an, ns, ar;
  u16 len;
  u8 nfrag, kind, denial, insert, extended, reserved;
  u32 smaller;
};

struct fragment {
  u16 len, sum, weight, nrel;
  u8 base_len, records, reserved[2];
};

struct relocation { u16 offset, value; };

struct children { u32 n, wildcard_cover, nblocks, firsts; };
struct child { u64 prefix; u32 label, nsec; };
struct nsec3 { u32 n; u16 iterations; u8 salt_len, flags; u32 nblocks; u32 scale; u8 salt[256]; };
struct nsec3_hash { u64 hash_hi; u32 hash_mid, fragment; };
struct nsec3_node { u32 closest_encloser, wildcard_cover, next_closer, reserved; };

/* What is known of an address: answered for, a broadcast address of a network, or the host's without being answered for. */
struct service { u8 address[16]; u32 kind; u32 reserved[3]; }; /* IPv4 as ::ffff:a.b.c.d */
struct port { u32 ifindex; u8 mac[6]; u8 flags, reserved; u32 services; }; /* services: bit n: the table holds an address whose hash starts with n */
struct vlan { u32 ifindex, tags; }; /* tags that a device of the host takes: the outer one in the upper half if there are two */
struct counter_row { u64 slot[COUNTER_SLOTS]; };

#define LAYOUT_SIZES(X)                                                                                                  \
  X(ctl, 256) X(bucket, 64) X(zone_slot, 32) X(zone, 128) X(node, 40) X(type_entry, 12) X(answer, 20) X(fragment, 12)    \
  X(relocation, 4) X(children, 16) X(child, 16) X(nsec3, 272) X(nsec3_hash, 16) X(nsec3_node, 16) X(service, 32)          \
  X(port, 16) X(vlan, 8) X(counter_row, 1024)

#define LAYOUT_ASSERT(name, size) _Static_assert(sizeof(struct name) == size, "size of struct " #name);
LAYOUT_SIZES(LAYOUT_ASSERT)
_Static_assert(MOVES_MAX <= RELOCATIONS_MAX, "a fragment may have more relocations than the program follows");

#endif
