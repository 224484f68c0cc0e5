dnl SPDX-License-Identifier: MIT
dnl GDS_SUMMARY(NAME, VALUE): one line of the closing summary.
AC_DEFUN([GDS_SUMMARY], [
gds_line=$(printf '  %-22s %s' "$1" "$2")
gds_summary="${gds_summary:+$gds_summary
}$gds_line"
])

dnl GDS_SUMMARY_DEFINE: the same lines as the C string GDS_CONFIGURE_SUMMARY in config.h.
AC_DEFUN([GDS_SUMMARY_DEFINE], [
gds_summary_c=$(AS_ECHO(["$gds_summary"]) |
	$SED -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/$/\\n/' | tr -d '\n')
AC_DEFINE_UNQUOTED([GDS_CONFIGURE_SUMMARY], ["$gds_summary_c"],
	[What configure found and was asked for, a line each.])
])
