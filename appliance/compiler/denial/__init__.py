# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs that something does not exist (NSEC, NSEC3): what a zone can prove, and how a proof is stored.

Nothing here writes a node.
"""
