/* SPDX-License-Identifier: MIT */
/** cmocka, with what it wants to be included before it. */
#ifndef TESTS_UNIT_CORE_UNIT_H
#define TESTS_UNIT_CORE_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#endif
