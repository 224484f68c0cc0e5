# SPDX-License-Identifier: MIT
# src/core/faults.c: each fault as NAME|ARGUMENT|DEFAULT|STATEMENT|shows|stage|cause|text.

/gds_faults\[\] = \{/ { inside = 1; next }
inside && /^};/ { exit }
inside && /^[ \t]*\/\*/ { next }
inside {
	row = row $0
	if ($0 !~ /\},$/) {
		next
	}
	gsub(/[ \t]+/, " ", row)
	gsub(/" "/, "", row) # a text over several lines
	# Quoted and bare values alike; no text holds a quote.
	n = 0
	rest = row
	sub(/^ *\{/, "", rest)
	while (rest != "") {
		sub(/^[ ,]+/, "", rest)
		if (rest ~ /^"/) {
			rest = substr(rest, 2)
			at = index(rest, "\"")
			value[++n] = substr(rest, 1, at - 1)
			rest = substr(rest, at + 1)
		} else if (rest ~ /^\}/ || rest == "") {
			break
		} else {
			match(rest, /^[^,}]+/)
			value[++n] = substr(rest, 1, RLENGTH)
			rest = substr(rest, RLENGTH + 1)
		}
	}
	shows = tolower(substr(value[3], length("GDS_SHOWS_") + 1))
	stage = tolower(substr(value[4], length("GDS_STAGE_") + 1))
	cause = value[5] == "NULL" ? "-" : value[5]
	argument = value[7] == "NULL" ? "" : value[7]
	standard = argument == "" ? "" : value[8]
	print value[1] "|" argument "|" standard "|" value[2] "|" shows "|" stage "|" cause "|" value[6]
	row = ""
}
