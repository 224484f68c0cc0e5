# SPDX-License-Identifier: MIT
# src/core/requirements.c as lines of ID|LEVEL|side|text|difference: the one reader of the table outside of C.

# The C string at the start of s, pieces joined, escapes undone; rest = what stands behind it.
function string(s,    out, c) {
	out = ""
	while (match(s, /^[ ,]*"/)) {
		s = substr(s, RLENGTH + 1)
		while ((c = substr(s, 1, 1)) != "\"") {
			if (c == "\\") {
				s = substr(s, 2)
				c = substr(s, 1, 1)
			}
			out = out c
			s = substr(s, 2)
		}
		s = substr(s, 2)
		if (s !~ /^ *"/) {
			break
		}
	}
	rest = s
	return out
}
/gds_requirements\[\] = \{/ { inside = 1; next }
inside && /^};/ { inside = 0 }
inside { sub(/^[ \t]+/, ""); all = all " " $0 }
END {
	side["S"] = "server"; side["C"] = "client"; side["B"] = "both"; side["X"] = "set-up"
	while (match(all, /\{"[A-Z]+-[0-9]+", GDS_[A-Z]+, .[SCBX].,/)) {
		row = substr(all, RSTART, RLENGTH)
		all = substr(all, RSTART + RLENGTH)
		split(row, part, /[{}", ]+/)
		level = substr(part[3], 5)
		text = string(all)
		differs = rest ~ /^, *NULL/ ? "" : string(rest)
		print part[2] "|" level "|" side[substr(part[4], 2, 1)] "|" text "|" differs
	}
}
