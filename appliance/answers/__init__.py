# SPDX-License-Identifier: GPL-3.0-or-later
"""From a Zone to precompiled answers in the store, and from the store to a message.

Only this folder knows the bytes of the store (docs/store-format.md). A zone walks through it in the order compile →
store; a question in the order lookup → render.
"""
