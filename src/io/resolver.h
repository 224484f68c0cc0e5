/* SPDX-License-Identifier: MIT */
/** Public: a driver outside of the library needs it too. */
#ifndef GDS_IO_RESOLVER_H
#define GDS_IO_RESOLVER_H

#include <gdstream/resolver.h>

#endif
