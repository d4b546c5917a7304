# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of nsec3.py.

cimport cython

from appliance.zone.packed.names cimport Packed

cdef unsigned int DATA, HASHED, OCCLUDED, MATCH, _NSEC3, _DIGEST, _LABEL


cdef class Hasher:
    cdef unsigned int iterations
    cdef size_t salt_length
    cdef unsigned char[::1] salt
    cdef public unsigned char[::1] block
    cdef unsigned int[::1] state

    @cython.locals(i=size_t, done="unsigned int")
    cdef void hash(self, const unsigned char[::1] octets, size_t at, size_t length) noexcept nogil

    cpdef bytes digest(self, bytes name)

    @cython.locals(i=size_t, end=size_t, bits="unsigned int", word="unsigned int")
    cdef void finish(self, size_t length) noexcept nogil


cdef class Chain:
    cdef Packed packed
    cdef unsigned int[::1] numbers, records, steps, places
    cdef unsigned char[::1] hashes, flags
    cdef public size_t count, matches
    cdef public bint regular
    cdef public bytes head

    @cython.locals(k=size_t, bucket="unsigned int")
    cdef bint read(self)

    @cython.locals(regular=bint)
    cpdef bint read_slice(self, size_t low, size_t high)

    @cython.locals(at=size_t, found=size_t)
    cdef bint read_one(self, size_t k) noexcept nogil

    @cython.locals(found=size_t, cursor="unsigned long long", at=size_t)
    cdef size_t find_record(self, size_t i) noexcept nogil

    @cython.locals(bits="unsigned int", value="unsigned int", i="unsigned int", octet="unsigned int")
    cdef bint decode(self, const unsigned char[::1] octets, size_t at, size_t to) noexcept nogil

    @cython.locals(a=size_t, b=size_t, i=size_t)
    cdef bint same_head(self, size_t one, size_t other) noexcept nogil

    @cython.locals(at=size_t, end=size_t)
    cdef bytes parameters(self)

    @cython.locals(bucket="unsigned int", low="unsigned int", high="unsigned int", middle="unsigned int", order=int, i="unsigned int")
    cdef unsigned int find(self, const unsigned char[::1] block) noexcept nogil

    @cython.locals(matches=size_t, i=size_t, at=size_t)
    cdef size_t place_names(self, Hasher hasher, size_t low, size_t high) noexcept nogil

    @cython.locals(matches=size_t)
    cpdef size_t place_slice(self, Hasher hasher, size_t low, size_t high)

    cpdef unsigned int place_of(self, Hasher hasher, bytes name)
    cpdef unsigned int place_of_hash(self, bytes digest)
    cpdef unsigned int place(self, size_t i)

    @cython.locals(right=bint)
    cpdef bint leads_on(self, size_t low, size_t high)

    @cython.locals(at=size_t, i=size_t)
    cdef bint leads_to(self, size_t k, size_t following) noexcept nogil

    cpdef unsigned int flags_at(self, size_t k)
    cpdef bytes owner(self, size_t k)
    cpdef bytes digest_at(self, size_t k)
