/* SPDX-License-Identifier: MIT */
/** What every public header stands in: C linkage, default visibility, and one spelling of array
 * bounds. */
#ifndef GDSTREAM_API_H
#define GDSTREAM_API_H

/* The library is compiled with hidden visibility: it exports what its public headers declare. */
#ifdef __cplusplus
#define GDS_BEGIN_DECLS                                                                            \
	extern "C" {                                                                               \
	_Pragma("GCC visibility push(default)")
#define GDS_END_DECLS                                                                              \
	_Pragma("GCC visibility pop")                                                              \
	}
/** The least number of elements an argument points at. C++ has no word for it. */
#define GDS_AT_LEAST(n)
#else
#define GDS_BEGIN_DECLS _Pragma("GCC visibility push(default)")
#define GDS_END_DECLS _Pragma("GCC visibility pop")
/** The least number of elements an argument points at. */
#define GDS_AT_LEAST(n) static n
#endif

#endif
