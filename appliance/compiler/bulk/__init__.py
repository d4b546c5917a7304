# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts and NSEC3 chains of large zones, written by compiled code from packed records.

A writer takes the names that it can and returns the rest. No object for each name. Types in the .pxd files.
"""
