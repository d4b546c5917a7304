# SPDX-License-Identifier: GPL-3.0-or-later
# What is used of libcrypto (OpenSSL 3), which is there because Python needs it; its headers may not be.

cdef extern from *:
    """
    extern void SHA1_Transform(void *state, const unsigned char *block);
    """
    void SHA1_Transform(void *state, const unsigned char *block) noexcept nogil
