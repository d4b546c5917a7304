# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about a zone: delegations, chains of denial, signatures, digests, each with its class and level.

A check reports and never changes a zone. Which level a class has is the caller's choice (`levels`).
"""
