# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers what the NIC path does not: what it passes up, TCP, and everything where there is no XDP.

A query walks sockets → udp or tcp → respond (question, then the ordered steps) → the same store the NIC path reads.
worker is the process around it: one epoll loop, no shared state but the store and its row of counters. Nothing here
writes the store, reads a file or waits for the control process.
"""
