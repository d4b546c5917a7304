# SPDX-License-Identifier: GPL-3.0-or-later
"""From a text master file to a Zone.

A zone walks through this folder in the order scanner → load → model: libzscanner packs all records of a file into one
buffer (scanner); load sorts them into RRsets, rejects what no zone may hold and builds the model. check says everything
that is wrong with a file instead of stopping. names holds the arithmetic of wire names.

check_dnssec is the part of it that every load goes through: surface tells which data are signed, check_nsec and
check_nsec3 walk the chains, check_rrsig, dnskey and verify look at signatures and keys, zonemd computes the digest, and
checks says which of their findings are errors.
"""
