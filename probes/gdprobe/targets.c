/* SPDX-License-Identifier: MIT */
/* A file of targets: one a line. A line that cannot be used is named and costs no other its turn.
 */
#include "gdprobe/probe.h"

#include "out/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096 /* a path, at most */

struct source {
	FILE *file;
	const char *name;
	unsigned long line;
	bool torn; /* the rest of a line that was too long is still to come */
};

/* Without blanks around it, and without a comment: "#" at the start, or after a blank. */
static char *strip(char *line)
{
	char *end;

	for (char *p = line; *p; p++) {
		if (*p == '#' && (p == line || p[-1] == ' ' || p[-1] == '\t')) {
			*p = '\0';
			break;
		}
	}
	line += strspn(line, " \t");
	end = line + strlen(line);
	while (end > line && strchr(" \t\r\n", end[-1])) {
		end--;
	}
	*end = '\0';
	return line;
}

static void junk(const struct source *source, size_t *count, const char *why)
{
	fprintf(stderr, "gdprobe: %s, line %lu is left out: %s\n", source->name, source->line, why);
	(*count)++;
}

/* What was added after the first n and was there before: forget it. */
static void drop_repeated(struct gds_targets *targets, size_t n, const struct source *source)
{
	size_t kept = n;

	for (size_t i = n; i < targets->n; i++) {
		struct gds_target *target = &targets->list[i];
		bool repeated = false;

		for (size_t j = 0; j < kept && !repeated; j++) {
			repeated = strcmp(targets->list[j].text, target->text) == 0;
		}
		if (repeated) {
			fprintf(stderr,
				"gdprobe: %s, line %lu: %s is named twice and checked once\n",
				source->name, source->line, target->text);
			free(target->zip);
		} else {
			targets->list[kept++] = *target;
		}
	}
	targets->n = kept;
}

static int take_line(struct gds_targets *targets, struct source *source, char *line, size_t *count)
{
	struct gds_complaint complaint = {0};
	size_t before = targets->n;
	char *word = strip(line);

	if (!*word) {
		return GDS_OK;
	}
	if (gds_targets_add(targets, word, &complaint) != GDS_OK) {
		gds_text_clean(complaint.text);
		junk(source, count, complaint.text);
	}
	drop_repeated(targets, before, source);
	return complaint.code == GDS_E_NOMEM ? GDS_E_NOMEM : GDS_OK;
}

static int read_lines(struct gds_targets *targets, struct source *source, size_t *count)
{
	char line[LINE_MAX_BYTES];
	int rc = GDS_OK;

	while (rc == GDS_OK && fgets(line, sizeof(line), source->file)) {
		size_t n = strlen(line);
		bool whole = n > 0 && line[n - 1] == '\n';
		bool rest = source->torn;

		source->torn = !whole && n == sizeof(line) - 1;
		if (rest) {
			continue;
		}
		source->line++;
		if (source->torn) {
			junk(source, count, "it is too long for a target");
		} else if (!whole && !feof(source->file)) {
			junk(source, count, "it holds a NUL byte");
		} else {
			rc = take_line(targets, source, line, count);
		}
	}
	return rc;
}

int targets_read(struct gds_targets *targets, const char *path, size_t *count,
	struct gds_complaint *complaint)
{
	bool standard_input = strcmp(path, "-") == 0;
	struct source source = {.name = standard_input ? "standard input" : path};
	int rc, sys;

	source.file = standard_input ? stdin : fopen(path, "re");
	if (!source.file) {
		return gds_complain(complaint, GDS_E_FILE,
			"the list of targets %s cannot be read: %s", path, strerror(errno));
	}
	errno = 0;
	rc = read_lines(targets, &source, count);
	sys = ferror(source.file) ? errno : 0;
	if (!standard_input) {
		fclose(source.file);
	}
	if (rc != GDS_OK) {
		return gds_complain(complaint, rc, "no memory for the list of targets");
	}
	if (sys) {
		return gds_complain(complaint, GDS_E_FILE,
			"the list of targets %s cannot be read: %s", path, strerror(sys));
	}
	return GDS_OK;
}
