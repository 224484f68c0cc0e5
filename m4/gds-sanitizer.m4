dnl SPDX-License-Identifier: MIT
dnl GDS_SANITIZER: --with-sanitizer=LIST, compile- and link-tested, into SANITIZER_CFLAGS (used for linking too).
AC_DEFUN([GDS_SANITIZER], [
AC_ARG_WITH([sanitizer],
	[AS_HELP_STRING([--with-sanitizer=LIST],
		[instrument with sanitizers: "address,undefined", "thread", ... @<:@no@:>@])],
	[gds_sanitizer=$withval], [gds_sanitizer=no])
AS_IF([test "$gds_sanitizer" = yes], [gds_sanitizer=address,undefined])
SANITIZER_CFLAGS=
AS_IF([test "$gds_sanitizer" != no], [
	SANITIZER_CFLAGS="-fsanitize=$gds_sanitizer -fno-sanitize-recover=all -fno-omit-frame-pointer"
	GDS_TRY_LINK([$SANITIZER_CFLAGS], [],
		[AC_MSG_ERROR([$CC cannot build with --with-sanitizer=$gds_sanitizer])])])
AC_SUBST([SANITIZER_CFLAGS])
AM_CONDITIONAL([SANITIZER], [test "$gds_sanitizer" != no])
])

dnl GDS_TRY_LINK(FLAGS, IF-YES, IF-NO, [PROGRAM]): can a program be compiled and linked with FLAGS?
AC_DEFUN([GDS_TRY_LINK], [
AC_MSG_CHECKING([whether $CC links with $1])
gds_saved_CFLAGS=$CFLAGS
CFLAGS="$CFLAGS $1"
AC_LINK_IFELSE([m4_default([$4], [AC_LANG_PROGRAM([], [])])], [gds_links=yes], [gds_links=no])
CFLAGS=$gds_saved_CFLAGS
AC_MSG_RESULT([$gds_links])
AS_IF([test $gds_links = yes], [$2], [$3])
])

dnl GDS_FUZZING: --enable-fuzzing builds the harnesses in fuzz/ on libFuzzer; without it they replay their seeds.
AC_DEFUN([GDS_FUZZING], [
AC_ARG_ENABLE([fuzzing],
	[AS_HELP_STRING([--enable-fuzzing], [link the harnesses in fuzz/ with libFuzzer (needs clang)])],
	[gds_fuzzing=$enableval], [gds_fuzzing=no])
FUZZING_CFLAGS=
FUZZING_LDFLAGS=
AS_IF([test "$gds_fuzzing" != no], [
	FUZZING_CFLAGS=-fsanitize=fuzzer-no-link
	FUZZING_LDFLAGS=-fsanitize=fuzzer
	GDS_TRY_LINK([$FUZZING_LDFLAGS], [],
		[AC_MSG_ERROR([--enable-fuzzing needs clang with libFuzzer: ../configure CC=clang --enable-fuzzing])],
		[AC_LANG_SOURCE([[
			#include <stddef.h>
			#include <stdint.h>
			int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
			{
				return data == NULL && n > 0;
			}]])])])
AC_SUBST([FUZZING_CFLAGS])
AC_SUBST([FUZZING_LDFLAGS])
AM_CONDITIONAL([FUZZING], [test "$gds_fuzzing" != no])
])

dnl GDS_COVERAGE: --enable-coverage.
AC_DEFUN([GDS_COVERAGE], [
AC_ARG_ENABLE([coverage],
	[AS_HELP_STRING([--enable-coverage], [instrument for gcov])],
	[gds_coverage=$enableval], [gds_coverage=no])
COVERAGE_CFLAGS=
AS_IF([test "$gds_coverage" != no], [
	COVERAGE_CFLAGS="--coverage -O0"
	GDS_TRY_LINK([$COVERAGE_CFLAGS], [], [AC_MSG_ERROR([$CC cannot build with --enable-coverage])])])
AC_SUBST([COVERAGE_CFLAGS])
])
