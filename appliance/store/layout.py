# SPDX-License-Identifier: GPL-3.0-or-later
"""The octets of the store, made from ebpf/layout.h by appliance.store.generate; change the header, then run that.

Of a field of a struct: _AT is its offset in octets, _WORD the same in words of 32 bits, _PLACE its place in
what the struct.Struct of that name unpacks."""

import struct
from collections.abc import Mapping
from typing import Final

STORE_MAGIC: Final = 0x31534E4453504C41
STORE_FORMAT: Final = 5
DS_PIECES: Final = 3
HEAP_CHUNK: Final = 1048576
HEAP_WINDOW: Final = 4096
HASH_MULTIPLIER: Final = 0x9E3779B97F4A7C15
HASH_FINAL: Final = 0xD6E8FEB86659FD93
BUCKET_SLOTS: Final = 7
SUFFIX_MAX: Final = 40
NODE_HEAD: Final = 32
CHAIN_MAX: Final = 8
DENIAL_BLOCK: Final = 16384
DENIAL_REACH: Final = 64
RELOCATIONS_A_TURN: Final = 4
RELOCATIONS_MAX: Final = 256
MOVES_MAX: Final = 128
GRANULE: Final = 16
GRANULE_WORDS: Final = 4
CHUNK_GRANULES: Final = 65536
START_GRANULES: Final = 65280
FOREVER: Final = 0xFFFFFFFF
SERVICE_SLOTS: Final = 256
PORT_SLOTS: Final = 1024
VLAN_SLOTS: Final = 4096
VLAN_PROBES: Final = 8
VLAN_TAG: Final = 32768
VLAN_SERVICE: Final = 4096
COUNTER_SLOTS: Final = 128
NODE_CUT: Final = 1
NODE_APEX: Final = 2
NODE_OUTSIDE: Final = 4
NODE_FILLER: Final = 8
NODE_DNAME: Final = 16
NODE_WILDCARD: Final = 32
NODE_CNAME: Final = 64
NODE_BELOW: Final = 128
ZONE_EMPTY: Final = 0
ZONE_SERVING: Final = 1
ZONE_EXPIRED: Final = 2
ZONE_LOADING: Final = 3
SCHEME_UNSIGNED: Final = 0
SCHEME_NSEC: Final = 1
SCHEME_NSEC3: Final = 2
DENIAL_COMPLETE: Final = 0
DENIAL_NXDOMAIN: Final = 1
DENIAL_NEXT_CLOSER: Final = 2
SERVICE_ANSWERED: Final = 1
SERVICE_BROADCAST: Final = 2
SERVICE_HOST: Final = 3
PORT_VERIFY_CHECKSUM: Final = 1
CTL_SIZE: Final = 256
CTL_MAGIC_AT: Final = 0
CTL_MAGIC_WORD: Final = 0
CTL_FORMAT_AT: Final = 8
CTL_FORMAT_WORD: Final = 2
CTL_SERVING_AT: Final = 12
CTL_SERVING_WORD: Final = 3
CTL_SEED_AT: Final = 16
CTL_SEED_WORD: Final = 4
CTL_FLIPS_AT: Final = 24
CTL_FLIPS_WORD: Final = 6
CTL_MAX_DEPTH_AT: Final = 28
CTL_MAX_DEPTH_WORD: Final = 7
CTL_MIN_DEPTH_AT: Final = 32
CTL_MIN_DEPTH_WORD: Final = 8
CTL_HINT_DEPTH_AT: Final = 36
CTL_HINT_DEPTH_WORD: Final = 9
CTL_ROOT_AT: Final = 40
CTL_ROOT_WORD: Final = 10
CTL_BUCKET_BITS_AT: Final = 44
CTL_BUCKET_BITS_WORD: Final = 11
CTL_CHUNKS_AT: Final = 48
CTL_CHUNKS_WORD: Final = 12
CTL_ZONES_AT: Final = 52
CTL_ZONES_WORD: Final = 13
CTL_REFUSED_AT: Final = 56
CTL_REFUSED_WORD: Final = 14
CTL_SERVFAIL_AT: Final = 60
CTL_SERVFAIL_WORD: Final = 15
CTL_FORMERR_AT: Final = 64
CTL_FORMERR_WORD: Final = 16
CTL_NOTIMP_AT: Final = 68
CTL_NOTIMP_WORD: Final = 17
CTL_BADVERS_AT: Final = 72
CTL_BADVERS_WORD: Final = 18
CTL_HEAP_NEXT_AT: Final = 80
CTL_HEAP_NEXT_WORD: Final = 20
CTL_NODES_AT: Final = 84
CTL_NODES_WORD: Final = 21
CTL_GENERATION_AT: Final = 88
CTL_GENERATION_WORD: Final = 22
CTL_PASS_RATE_AT: Final = 96
CTL_PASS_RATE_WORD: Final = 24
CTL_PASS_BURST_AT: Final = 100
CTL_PASS_BURST_WORD: Final = 25
CTL_OPCODE_PASS_AT: Final = 104
CTL_OPCODE_PASS_WORD: Final = 26
CTL_LEASE_UNTIL_AT: Final = 112
CTL_LEASE_UNTIL_WORD: Final = 28
BUCKET_SIZE: Final = 64
BUCKET_FILTER_AT: Final = 0
BUCKET_FILTER_WORD: Final = 0
BUCKET_SLOT_AT: Final = 8
BUCKET_SLOT_WORD: Final = 2
ZONE_SLOT_SIZE: Final = 32
ZONE_SLOT_SERIAL_AT: Final = 0
ZONE_SLOT_SERIAL_WORD: Final = 0
ZONE_SLOT_SERIAL_PLACE: Final = 0
ZONE_SLOT_APEX_AT: Final = 4
ZONE_SLOT_APEX_WORD: Final = 1
ZONE_SLOT_APEX_PLACE: Final = 1
ZONE_SLOT_NXDOMAIN_AT: Final = 8
ZONE_SLOT_NXDOMAIN_WORD: Final = 2
ZONE_SLOT_NXDOMAIN_PLACE: Final = 2
ZONE_SLOT_NODATA_AT: Final = 16
ZONE_SLOT_NODATA_WORD: Final = 4
ZONE_SLOT_NODATA_PLACE: Final = 4
ZONE_SLOT_DENIAL_AT: Final = 24
ZONE_SLOT_DENIAL_WORD: Final = 6
ZONE_SLOT_DENIAL_PLACE: Final = 6
ZONE_SLOT_SOA_AT: Final = 28
ZONE_SLOT_SOA_WORD: Final = 7
ZONE_SLOT_SOA_PLACE: Final = 7
ZONE_SIZE: Final = 128
ZONE_VERSION_AT: Final = 0
ZONE_VERSION_WORD: Final = 0
ZONE_STATE_AT: Final = 4
ZONE_STATE_WORD: Final = 1
ZONE_EXPIRY_NS_AT: Final = 8
ZONE_EXPIRY_NS_WORD: Final = 2
ZONE_SLOT_AT: Final = 16
ZONE_SLOT_WORD: Final = 4
ZONE_APEX_LEN_AT: Final = 80
ZONE_APEX_LABELS_AT: Final = 81
ZONE_SCHEME_AT: Final = 82
ZONE_SUFFIX_LEN_AT: Final = 83
ZONE_COUNTER_AT: Final = 84
ZONE_COUNTER_WORD: Final = 21
ZONE_SUFFIX_AT: Final = 88
NODE_SIZE: Final = 40
NODE_NAME_LEN_AT: Final = 0
NODE_NAME_LEN_PLACE: Final = 0
NODE_LABELS_AT: Final = 1
NODE_LABELS_PLACE: Final = 1
NODE_FLAGS_AT: Final = 2
NODE_FLAGS_PLACE: Final = 2
NODE_NTYPES_AT: Final = 3
NODE_NTYPES_PLACE: Final = 3
NODE_ZONE_AT: Final = 4
NODE_ZONE_WORD: Final = 1
NODE_ZONE_PLACE: Final = 4
NODE_FROM_AT: Final = 8
NODE_FROM_WORD: Final = 2
NODE_FROM_PLACE: Final = 5
NODE_UNTIL_AT: Final = 12
NODE_UNTIL_WORD: Final = 3
NODE_UNTIL_PLACE: Final = 6
NODE_NEXT_AT: Final = 16
NODE_NEXT_WORD: Final = 4
NODE_NEXT_PLACE: Final = 7
NODE_OTHER_AT: Final = 20
NODE_OTHER_WORD: Final = 5
NODE_OTHER_PLACE: Final = 8
NODE_WILDCARD_AT: Final = 32
NODE_WILDCARD_WORD: Final = 8
NODE_WILDCARD_PLACE: Final = 11
NODE_DENIAL_AT: Final = 36
NODE_DENIAL_WORD: Final = 9
NODE_DENIAL_PLACE: Final = 12
TYPE_ENTRY_SIZE: Final = 12
TYPE_ENTRY_TYPE_AT: Final = 0
TYPE_ENTRY_TYPE_PLACE: Final = 0
TYPE_ENTRY_ANSWER_AT: Final = 4
TYPE_ENTRY_ANSWER_WORD: Final = 1
TYPE_ENTRY_ANSWER_PLACE: Final = 2
ANSWER_SIZE: Final = 20
ANSWER_FLAGS_AT: Final = 0
ANSWER_FLAGS_PLACE: Final = 0
ANSWER_AN_AT: Final = 2
ANSWER_AN_PLACE: Final = 1
ANSWER_NS_AT: Final = 4
ANSWER_NS_PLACE: Final = 2
ANSWER_AR_AT: Final = 6
ANSWER_AR_PLACE: Final = 3
ANSWER_LEN_AT: Final = 8
ANSWER_LEN_PLACE: Final = 4
ANSWER_NFRAG_AT: Final = 10
ANSWER_NFRAG_PLACE: Final = 5
ANSWER_KIND_AT: Final = 11
ANSWER_KIND_PLACE: Final = 6
ANSWER_DENIAL_AT: Final = 12
ANSWER_DENIAL_PLACE: Final = 7
ANSWER_INSERT_AT: Final = 13
ANSWER_INSERT_PLACE: Final = 8
ANSWER_EXTENDED_AT: Final = 14
ANSWER_EXTENDED_PLACE: Final = 9
ANSWER_SMALLER_AT: Final = 16
ANSWER_SMALLER_WORD: Final = 4
ANSWER_SMALLER_PLACE: Final = 11
FRAGMENT_SIZE: Final = 12
FRAGMENT_LEN_AT: Final = 0
FRAGMENT_LEN_PLACE: Final = 0
FRAGMENT_SUM_AT: Final = 2
FRAGMENT_SUM_PLACE: Final = 1
FRAGMENT_WEIGHT_AT: Final = 4
FRAGMENT_WEIGHT_PLACE: Final = 2
FRAGMENT_NREL_AT: Final = 6
FRAGMENT_NREL_PLACE: Final = 3
FRAGMENT_BASE_LEN_AT: Final = 8
FRAGMENT_BASE_LEN_PLACE: Final = 4
FRAGMENT_RECORDS_AT: Final = 9
FRAGMENT_RECORDS_PLACE: Final = 5
RELOCATION_SIZE: Final = 4
RELOCATION_OFFSET_AT: Final = 0
RELOCATION_VALUE_AT: Final = 2
CHILDREN_SIZE: Final = 16
CHILDREN_N_AT: Final = 0
CHILDREN_N_WORD: Final = 0
CHILDREN_N_PLACE: Final = 0
CHILDREN_WILDCARD_COVER_AT: Final = 4
CHILDREN_WILDCARD_COVER_WORD: Final = 1
CHILDREN_WILDCARD_COVER_PLACE: Final = 1
CHILDREN_NBLOCKS_AT: Final = 8
CHILDREN_NBLOCKS_WORD: Final = 2
CHILDREN_NBLOCKS_PLACE: Final = 2
CHILDREN_FIRSTS_AT: Final = 12
CHILDREN_FIRSTS_WORD: Final = 3
CHILDREN_FIRSTS_PLACE: Final = 3
CHILD_SIZE: Final = 16
CHILD_PREFIX_AT: Final = 0
CHILD_PREFIX_WORD: Final = 0
CHILD_PREFIX_PLACE: Final = 0
CHILD_LABEL_AT: Final = 8
CHILD_LABEL_WORD: Final = 2
CHILD_LABEL_PLACE: Final = 1
CHILD_NSEC_AT: Final = 12
CHILD_NSEC_WORD: Final = 3
CHILD_NSEC_PLACE: Final = 2
NSEC3_SIZE: Final = 272
NSEC3_N_AT: Final = 0
NSEC3_N_WORD: Final = 0
NSEC3_N_PLACE: Final = 0
NSEC3_ITERATIONS_AT: Final = 4
NSEC3_ITERATIONS_PLACE: Final = 1
NSEC3_SALT_LEN_AT: Final = 6
NSEC3_SALT_LEN_PLACE: Final = 2
NSEC3_FLAGS_AT: Final = 7
NSEC3_FLAGS_PLACE: Final = 3
NSEC3_NBLOCKS_AT: Final = 8
NSEC3_NBLOCKS_WORD: Final = 2
NSEC3_NBLOCKS_PLACE: Final = 4
NSEC3_SCALE_AT: Final = 12
NSEC3_SCALE_WORD: Final = 3
NSEC3_SCALE_PLACE: Final = 5
NSEC3_SALT_AT: Final = 16
NSEC3_SALT_PLACE: Final = 6
NSEC3_HASH_SIZE: Final = 16
NSEC3_HASH_HASH_HI_AT: Final = 0
NSEC3_HASH_HASH_HI_WORD: Final = 0
NSEC3_HASH_HASH_HI_PLACE: Final = 0
NSEC3_HASH_HASH_MID_AT: Final = 8
NSEC3_HASH_HASH_MID_WORD: Final = 2
NSEC3_HASH_HASH_MID_PLACE: Final = 1
NSEC3_HASH_FRAGMENT_AT: Final = 12
NSEC3_HASH_FRAGMENT_WORD: Final = 3
NSEC3_HASH_FRAGMENT_PLACE: Final = 2
NSEC3_NODE_SIZE: Final = 16
NSEC3_NODE_CLOSEST_ENCLOSER_AT: Final = 0
NSEC3_NODE_CLOSEST_ENCLOSER_WORD: Final = 0
NSEC3_NODE_CLOSEST_ENCLOSER_PLACE: Final = 0
NSEC3_NODE_WILDCARD_COVER_AT: Final = 4
NSEC3_NODE_WILDCARD_COVER_WORD: Final = 1
NSEC3_NODE_WILDCARD_COVER_PLACE: Final = 1
NSEC3_NODE_NEXT_CLOSER_AT: Final = 8
NSEC3_NODE_NEXT_CLOSER_WORD: Final = 2
NSEC3_NODE_NEXT_CLOSER_PLACE: Final = 2
SERVICE_SIZE: Final = 32
SERVICE_ADDRESS_AT: Final = 0
SERVICE_KIND_AT: Final = 16
SERVICE_KIND_WORD: Final = 4
PORT_SIZE: Final = 16
PORT_IFINDEX_AT: Final = 0
PORT_IFINDEX_WORD: Final = 0
PORT_MAC_AT: Final = 4
PORT_FLAGS_AT: Final = 10
PORT_SERVICES_AT: Final = 12
PORT_SERVICES_WORD: Final = 3
VLAN_SIZE: Final = 8
VLAN_IFINDEX_AT: Final = 0
VLAN_IFINDEX_WORD: Final = 0
VLAN_TAGS_AT: Final = 4
VLAN_TAGS_WORD: Final = 1
COUNTER_ROW_SIZE: Final = 1024
COUNTER_ROW_SLOT_AT: Final = 0
COUNTER_ROW_SLOT_WORD: Final = 0

ZONE_SLOT: Final = struct.Struct("<II2I2III")
NODE: Final = struct.Struct("<BBBBIIII2IIII")
TYPE_ENTRY: Final = struct.Struct("<HH2I")
ANSWER: Final = struct.Struct("<HHHHHBBBBBBI")
FRAGMENT: Final = struct.Struct("<HHHHBB2x")
CHILDREN: Final = struct.Struct("<IIII")
CHILD: Final = struct.Struct("<QII")
NSEC3: Final = struct.Struct("<IHBBII256s")
NSEC3_HASH: Final = struct.Struct("<QII")
NSEC3_NODE: Final = struct.Struct("<III4x")

SIZES: Final[Mapping[str, int]] = {
    "ctl": 256,
    "bucket": 64,
    "zone_slot": 32,
    "zone": 128,
    "node": 40,
    "type_entry": 12,
    "answer": 20,
    "fragment": 12,
    "relocation": 4,
    "children": 16,
    "child": 16,
    "nsec3": 272,
    "nsec3_hash": 16,
    "nsec3_node": 16,
    "service": 32,
    "port": 16,
    "vlan": 8,
    "counter_row": 1024,
}
"""Octets of each struct."""

OFFSETS: Final[Mapping[str, Mapping[str, int]]] = {
    "ctl": {
        "magic": 0,
        "format": 8,
        "serving": 12,
        "seed": 16,
        "flips": 24,
        "max_depth": 28,
        "min_depth": 32,
        "hint_depth": 36,
        "root": 40,
        "bucket_bits": 44,
        "chunks": 48,
        "zones": 52,
        "refused": 56,
        "servfail": 60,
        "formerr": 64,
        "notimp": 68,
        "badvers": 72,
        "reserved_ref": 76,
        "heap_next": 80,
        "nodes": 84,
        "generation": 88,
        "pass_rate": 96,
        "pass_burst": 100,
        "opcode_pass": 104,
        "reserved": 108,
        "lease_until": 112,
        "reserved_end": 120,
    },
    "bucket": {
        "filter": 0,
        "slot": 8,
    },
    "zone_slot": {
        "serial": 0,
        "apex": 4,
        "nxdomain": 8,
        "nodata": 16,
        "denial": 24,
        "soa": 28,
    },
    "zone": {
        "version": 0,
        "state": 4,
        "expiry_ns": 8,
        "slot": 16,
        "apex_len": 80,
        "apex_labels": 81,
        "scheme": 82,
        "suffix_len": 83,
        "counter": 84,
        "suffix": 88,
    },
    "node": {
        "name_len": 0,
        "labels": 1,
        "flags": 2,
        "ntypes": 3,
        "zone": 4,
        "from": 8,
        "until": 12,
        "next": 16,
        "other": 20,
        "reserved": 28,
        "wildcard": 32,
        "denial": 36,
    },
    "type_entry": {
        "type": 0,
        "reserved": 2,
        "answer": 4,
    },
    "answer": {
        "flags": 0,
        "an": 2,
        "ns": 4,
        "ar": 6,
        "len": 8,
        "nfrag": 10,
        "kind": 11,
        "denial": 12,
        "insert": 13,
        "extended": 14,
        "reserved": 15,
        "smaller": 16,
    },
    "fragment": {
        "len": 0,
        "sum": 2,
        "weight": 4,
        "nrel": 6,
        "base_len": 8,
        "records": 9,
        "reserved": 10,
    },
    "relocation": {
        "offset": 0,
        "value": 2,
    },
    "children": {
        "n": 0,
        "wildcard_cover": 4,
        "nblocks": 8,
        "firsts": 12,
    },
    "child": {
        "prefix": 0,
        "label": 8,
        "nsec": 12,
    },
    "nsec3": {
        "n": 0,
        "iterations": 4,
        "salt_len": 6,
        "flags": 7,
        "nblocks": 8,
        "scale": 12,
        "salt": 16,
    },
    "nsec3_hash": {
        "hash_hi": 0,
        "hash_mid": 8,
        "fragment": 12,
    },
    "nsec3_node": {
        "closest_encloser": 0,
        "wildcard_cover": 4,
        "next_closer": 8,
        "reserved": 12,
    },
    "service": {
        "address": 0,
        "kind": 16,
        "reserved": 20,
    },
    "port": {
        "ifindex": 0,
        "mac": 4,
        "flags": 10,
        "reserved": 11,
        "services": 12,
    },
    "vlan": {
        "ifindex": 0,
        "tags": 4,
    },
    "counter_row": {
        "slot": 0,
    },
}
"""Offset of each field of each struct, in octets."""
