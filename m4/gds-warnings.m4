dnl SPDX-License-Identifier: MIT
dnl GDS_WARNINGS: probe warning flags one by one into WARN_CFLAGS. The user's CFLAGS stay the user's.
AC_DEFUN([GDS_WARNINGS], [
AC_ARG_ENABLE([werror],
	[AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors])],
	[gds_werror=$enableval], [gds_werror=no])
WARN_CFLAGS=
dnl clang accepts unknown warning flags with a warning: -Werror makes the probe see that.
m4_foreach_w([gds_flag], [-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
	-Wmissing-prototypes -Wold-style-definition -Wundef -Wformat=2 -Wwrite-strings
	-Wpointer-arith -Wredundant-decls -Wimplicit-fallthrough -Wduplicated-cond -Wlogical-op],
	[GDS_TRY_CFLAG(gds_flag, [WARN_CFLAGS="$WARN_CFLAGS gds_flag"])])
AS_IF([test "$gds_werror" != no], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
AC_SUBST([WARN_CFLAGS])
])

dnl GDS_TRY_CFLAG(FLAG, IF-ACCEPTED): does the compiler take FLAG without a word?
AC_DEFUN([GDS_TRY_CFLAG], [
AS_VAR_PUSHDEF([cache], [gds_cv_cflag_$1])
AC_CACHE_CHECK([whether $CC accepts $1], [cache], [
	gds_saved_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -Werror $1"
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
		[AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
	CFLAGS=$gds_saved_CFLAGS])
AS_VAR_IF([cache], [yes], [$2])
AS_VAR_POPDEF([cache])
])

dnl GDS_VISIBILITY: nothing is exported that is not marked so; and the language level, into GDS_CFLAGS.
AC_DEFUN([GDS_VISIBILITY], [
GDS_CFLAGS=
GDS_TRY_CFLAG([-std=gnu11], [GDS_CFLAGS="$GDS_CFLAGS -std=gnu11"])
GDS_TRY_CFLAG([-fvisibility=hidden], [GDS_CFLAGS="$GDS_CFLAGS -fvisibility=hidden"])
AC_SUBST([GDS_CFLAGS])
])
