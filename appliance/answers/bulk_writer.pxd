# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of bulk_writer.py.

cimport cython

from appliance.zone.packed cimport Packed

cdef unsigned long long _M64, _M32, _MULTIPLIER, _FINAL
cdef unsigned int _ANSWER, _FRAGMENT, _MAX_PLACES, _MAX_GROUPS, _MAX_BODY, _RUN, _NODE_CUT, _FOREVER, _GRANULES, _START, _MOVES, _TURN
cdef long long _AROUND, _MARGIN


cdef class BulkWriter:
    cdef public object writer, store, arena
    cdef Packed packed
    cdef unsigned char[::1] heap, body, blob, starts
    cdef unsigned int[::1] heap_words, table, sums, depths, records, cut_octets, cut_moves, cut_records
    cdef unsigned long long[::1] index, place_at
    cdef unsigned short[::1] move_at, move_to, place_length, place_to
    cdef unsigned int bits, number, version, moves, base_moves, records_in, base_records, places, base_length, cuts, least
    cdef size_t suffix, slots, used, record_count, at, end, size, base, start, limit
    cdef unsigned long long apex_hash
    cdef bint fixed, first, full

    cpdef enter(self)
    cpdef leave(self)

    @cython.locals(granules=size_t, at=size_t)
    cdef size_t take(self, size_t size) except? 0
    cdef size_t take_slowly(self, size_t size) except? 0

    @cython.locals(ref=size_t, start=size_t, i=size_t)
    cdef size_t put(self, size_t size) except? 0

    @cython.locals(h="unsigned int", slot=size_t, ref=size_t)
    cdef size_t share(self, size_t size) except? 0

    @cython.locals(h="unsigned int", i=size_t)
    cdef unsigned int sum_blob(self, size_t size) noexcept

    @cython.locals(start=size_t, i=size_t)
    cdef bint is_blob(self, size_t ref, size_t size) noexcept

    @cython.locals(old_table="unsigned int[::1]", old_sums="unsigned int[::1]", old=size_t, i=size_t, slot=size_t)
    cdef void grow(self) except *

    @cython.locals(place=size_t)
    cdef void begin(self, size_t at, size_t length, bint fixed) noexcept
    cdef void add_place(self, size_t at, size_t length, size_t to) noexcept

    @cython.locals(packed=Packed, k=size_t, other=size_t, i=size_t)
    cdef unsigned int find_place(self, size_t at, size_t length) noexcept

    @cython.locals(packed=Packed, place="unsigned int", here=size_t, label=size_t, i=size_t, octet="unsigned int")
    cdef void name(self, size_t at, size_t length, bint folded) noexcept
    cdef void put16(self, unsigned int number) noexcept

    @cython.locals(packed=Packed, rtype="unsigned int", ttl="unsigned int", start=size_t, size=size_t, begin=size_t, i=size_t)
    cdef void rr(self, size_t owner, size_t length, size_t at) noexcept
    cdef void split(self) noexcept
    cdef void mark(self) noexcept

    @cython.locals(total="unsigned long long", weight="unsigned int", i=size_t, filled=size_t, last=size_t)
    cdef size_t fragment(self, size_t to, size_t start, size_t size, size_t move, size_t moves, unsigned int records) noexcept
    cdef void store16(self, size_t to, unsigned int number) noexcept
    cdef void store32(self, size_t to, unsigned int number) noexcept

    @cython.locals(i=size_t)
    cdef void head(self, size_t to, unsigned int flags, unsigned int answer, unsigned int authority, unsigned int additional, unsigned int size) noexcept

    @cython.locals(records="unsigned int")
    cdef size_t whole(self, size_t to, unsigned int flags, unsigned int kind, bint answer) noexcept

    @cython.locals(last="unsigned int", found="unsigned long long", size="long long", room="long long", k="unsigned int")
    cdef unsigned long long variants(self, long long before) noexcept

    @cython.locals(octets=size_t, proof_records="unsigned int", proof_octets=size_t, chosen="unsigned long long", first=size_t, ref=size_t, k=size_t, size=size_t)
    cdef size_t referral(self, unsigned int kind, unsigned int authority, size_t proof, size_t second) except? 0

    @cython.locals(size=size_t, tail=size_t, end=size_t, to=size_t)
    cdef size_t pieces(self, unsigned int kind, unsigned int authority, size_t before, size_t k, size_t first, size_t proof, size_t second, size_t smaller) except? 0

    @cython.locals(start=size_t)
    cdef unsigned int heap16(self, size_t ref, size_t offset) noexcept

    @cython.locals(size=size_t, records="unsigned int", pieces="unsigned int")
    cdef size_t nodata(self, size_t to, unsigned int kind, size_t soa, size_t proof, size_t second) noexcept

    @cython.locals(packed=Packed, length=size_t, stored=size_t, table=size_t, size=size_t, own_at=size_t, total=size_t, ref=size_t, start=size_t, i=size_t, word=size_t, row=size_t, second=size_t)
    cdef size_t cut_node(self, size_t at, unsigned int flags, size_t plain, size_t signed, unsigned int entries, size_t answer, size_t own, size_t more) except? 0

    @cython.locals(found="unsigned int")
    cdef unsigned int labels(self, size_t at) noexcept

    @cython.locals(packed=Packed, labels="unsigned int", place="long long", h="unsigned long long", size=size_t, i=size_t, k=size_t, word="unsigned long long")
    cdef unsigned long long hash(self, size_t at, long long length) noexcept

    @cython.locals(length=size_t, h="unsigned long long", f="unsigned long long", tag="unsigned long long", first=size_t, second=size_t, slot=size_t, bit="unsigned long long")
    cdef void publish(self, size_t ref, size_t at) except *

    @cython.locals(i=size_t)
    cdef bint has_tag(self, size_t bucket, unsigned long long tag) noexcept

    @cython.locals(i=size_t)
    cdef size_t free_slot(self, size_t bucket) noexcept


cdef size_t wide(size_t ref) noexcept nogil
cdef unsigned long long one(unsigned long long bit) noexcept nogil
cdef unsigned long long octet64(unsigned long long octet) noexcept nogil
cdef unsigned int lower(unsigned int octet) noexcept nogil
