/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Words to the compiler and to the verifier, none to the processor.
 */
#ifndef APPLIANCE_VERIFIER_H
#define APPLIANCE_VERIFIER_H

/* Keep the compiler from dropping a mask that only the verifier needs. */
#define MASK(x, m) asm volatile("%0 &= %1" : "+r"(x) : "i"(m))
#define OPAQUE(x) asm volatile("" : "+r"(x))

/* Read the query's fields back from memory: the verifier then forgets by which way they got their values. */
#define FORGET() asm volatile("" ::: "memory")

#endif
