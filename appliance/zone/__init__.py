# SPDX-License-Identifier: GPL-3.0-or-later
"""From a text master file to a Zone.

A zone walks through this folder in the order scanner → load → model: libzscanner packs all records of a file into one
buffer (scanner); load sorts them into RRsets, rejects what no zone may hold and builds the model. check says everything
that is wrong with a file instead of stopping. names holds the arithmetic of wire names.
"""
