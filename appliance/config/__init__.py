# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration file: schema says what may stand in it, load reads one and says everything that is wrong with it.

docs/configuration.md describes every key; a test compares it with the schema. Nothing here reads a zone, opens a socket
or asks for an interface.
"""
