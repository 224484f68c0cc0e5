/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS 80
#define HELP_COLUMN_MAX 30
/* getopt_long's value of a long option is its index above all letters. */
#define LONG_BASE 256
#define LABEL_SIZE 128

/* What every program understands. */
enum builtin { BUILTIN_NONE, BUILTIN_HELP, BUILTIN_VERSION, BUILTIN_VERBOSE };

static const struct {
	char letter;
	const char *name, *help;
	enum builtin builtin;
} builtins[] = {
	{'v', "verbose", "with --version: how this program was built too", BUILTIN_VERBOSE},
	{'h', "help", "show this help and exit", BUILTIN_HELP},
	{'V', "version", "show the version and exit", BUILTIN_VERSION},
};
#define BUILTINS (sizeof(builtins) / sizeof(builtins[0]))

/* The program's rows, then the built-in ones that it does not have itself. */
struct table {
	const struct gds_program *program;
	struct gds_option extra[BUILTINS];
	enum builtin extra_builtin[BUILTINS];
	size_t extras;
	struct option *longs; /* getopt's; longs[i].val - LONG_BASE is the row */
	char *letters;
};

static size_t rows(const struct table *t)
{
	return t->program->n + t->extras;
}

static const struct gds_option *row(const struct table *t, size_t i)
{
	return i < t->program->n ? &t->program->options[i] : &t->extra[i - t->program->n];
}

static enum builtin row_builtin(const struct table *t, size_t i)
{
	return i < t->program->n ? BUILTIN_NONE : t->extra_builtin[i - t->program->n];
}

static bool has_letter(const struct gds_program *p, char letter)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->options[i].name && p->options[i].letter == letter) {
			return true;
		}
	}
	return false;
}

static bool has_name(const struct gds_program *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->options[i].name && strcmp(p->options[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

static void table_deinit(struct table *t)
{
	free(t->longs);
	free(t->letters);
}

/* \return false without memory. */
static bool table_init(struct table *t, const struct gds_program *program)
{
	size_t longs = 0, letters = 0;

	*t = (struct table){.program = program};
	for (size_t i = 0; i < BUILTINS; i++) {
		char letter = builtins[i].letter;

		if (has_name(program, builtins[i].name)) {
			continue;
		}
		t->extra_builtin[t->extras] = builtins[i].builtin;
		t->extra[t->extras++] = (struct gds_option){
			.letter = has_letter(program, letter) ? '\0' : letter,
			.name = builtins[i].name,
			.help = builtins[i].help,
		};
	}
	t->longs = calloc(rows(t) + 1, sizeof(t->longs[0]));
	t->letters = calloc(2 * rows(t) + 2, 1);
	if (!t->longs || !t->letters) {
		table_deinit(t);
		return false;
	}
	/* A missing argument comes back as ':', and getopt itself says nothing. */
	t->letters[letters++] = ':';
	for (size_t i = 0; i < rows(t); i++) {
		const struct gds_option *o = row(t, i);

		if (!o->name) {
			continue;
		}
		t->longs[longs++] = (struct option){.name = o->name,
			.has_arg = o->argument ? required_argument : no_argument,
			.val = LONG_BASE + (int)i};
		if (o->letter) {
			t->letters[letters++] = o->letter;
			if (o->argument) {
				t->letters[letters++] = ':';
			}
		}
	}
	return true;
}

/* \return the row of what getopt gave back, -1 when there is none. */
static int find_row(const struct table *t, int value)
{
	if (value >= LONG_BASE) {
		return value - LONG_BASE;
	}
	for (size_t i = 0; i < rows(t); i++) {
		if (row(t, i)->name && value && row(t, i)->letter == value) {
			return (int)i;
		}
	}
	return -1;
}

/* --- Help --- */

static size_t make_label(const struct gds_option *o, char label[static LABEL_SIZE])
{
	int n;

	if (o->letter) {
		n = snprintf(label, LABEL_SIZE, "  -%c, --%s", o->letter, o->name);
	} else {
		n = snprintf(label, LABEL_SIZE, "      --%s", o->name);
	}
	if (o->argument && n > 0 && n < LABEL_SIZE) {
		n += snprintf(label + n, (size_t)(LABEL_SIZE - n), " %s", o->argument);
	}
	return n > 0 && n < LABEL_SIZE ? (size_t)n : strlen(label);
}

/* Words from the column at on, which is where the cursor stands; the next lines begin at indent. */
static void print_wrapped(FILE *f, const char *text, size_t at, size_t indent)
{
	bool first = true;

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (n > 0) {
			if (!first && at + 1 + n > COLUMNS) {
				fprintf(f, "\n%*s", (int)indent, "");
				at = indent;
			} else if (!first) {
				fputc(' ', f);
				at++;
			}
			fwrite(text, 1, n, f);
			at += n;
			first = false;
		}
		text += n;
		if (*text == '\n') {
			fprintf(f, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		text += *text ? 1 : 0;
	}
	fputc('\n', f);
}

static size_t help_column(const struct table *t)
{
	char label[LABEL_SIZE];
	size_t widest = 0;

	for (size_t i = 0; i < rows(t); i++) {
		size_t n = row(t, i)->name ? make_label(row(t, i), label) + 2 : 0;

		if (n > widest && n <= HELP_COLUMN_MAX) {
			widest = n;
		}
	}
	return widest;
}

static void print_usage(const struct gds_program *p)
{
	const char *line = p->usage ? p->usage : "[OPTION]...";
	const char *lead = "Usage:";

	while (*line) {
		size_t n = strcspn(line, "\n");

		printf("%s %s %.*s\n", lead, p->name, (int)n, line);
		lead = "      ";
		line += line[n] ? n + 1 : n;
	}
}

static void print_help(const struct table *t)
{
	const struct gds_program *p = t->program;
	size_t column = help_column(t);
	char label[LABEL_SIZE];

	print_usage(p);
	print_wrapped(stdout, p->purpose, 0, 0);
	if (rows(t) > 0 && row(t, 0)->name) {
		putchar('\n');
	}
	for (size_t i = 0; i < rows(t); i++) {
		const struct gds_option *o = row(t, i);
		size_t n;

		if (!o->name) {
			printf("\n%s\n", o->help);
			continue;
		}
		if (i == p->n && i > 0) {
			putchar('\n');
		}
		n = make_label(o, label);
		fputs(label, stdout);
		if (n + 2 > column) {
			putchar('\n');
			n = 0;
		}
		printf("%*s", (int)(column - n), "");
		print_wrapped(stdout, o->help, column, column);
	}
	if (p->examples) {
		printf("\n%s%s", p->examples,
			p->examples[0] && p->examples[strlen(p->examples) - 1] == '\n' ? "" : "\n");
	}
}

static void print_version(const struct gds_program *p, bool verbose)
{
	printf("%s (%s) %s\n", p->name, PACKAGE_NAME, PACKAGE_VERSION);
	if (verbose) {
		fputs(GDS_CONFIGURE_SUMMARY, stdout);
	}
}

/* What was asked for is on stdout, or it is an error ("--help >/dev/full"). */
static int finish_output(const struct gds_program *p)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "%s: cannot write to the standard output: %s\n", p->name,
			strerror(errno));
		return p->usage_exit;
	}
	return 0;
}

/* --- Complaints --- */

/* "--ti" of an ambiguous option: all that it may mean. \return how many. */
static size_t list_meanings(const struct table *t, const char *word, char *text, size_t size)
{
	size_t n = strcspn(word, "="), count = 0, at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < rows(t); i++) {
		const char *name = row(t, i)->name;

		if (name && n > 2 && strncmp(name, word + 2, n - 2) == 0) {
			int w = snprintf(
				text + at, size - at, "%s--%s", count > 0 ? ", " : "", name);

			at = w > 0 && (size_t)w < size - at ? at + (size_t)w : size - 1;
			count++;
		}
	}
	return count;
}

/* \param word the argument of the command line that getopt stopped at. */
static int complain(const struct table *t, int what, const char *word)
{
	const char *name = t->program->name;
	int at = find_row(t, optopt);
	char meanings[512];

	if (what == ':' && at >= 0) {
		fprintf(stderr, "%s: --%s needs a value (%s), see --help\n", name,
			row(t, (size_t)at)->name, row(t, (size_t)at)->argument);
	} else if (optopt >= LONG_BASE && at >= 0) {
		fprintf(stderr, "%s: --%s takes no value, see --help\n", name,
			row(t, (size_t)at)->name);
	} else if (optopt) {
		fprintf(stderr, "%s: unknown option \"-%c\", see --help\n", name, optopt);
	} else if (list_meanings(t, word, meanings, sizeof(meanings)) > 1) {
		fprintf(stderr, "%s: \"%s\" is ambiguous (%s), see --help\n", name, word, meanings);
	} else {
		fprintf(stderr, "%s: unknown option \"%s\", see --help\n", name, word);
	}
	return t->program->usage_exit;
}

static int apply(const struct table *t, const struct gds_option *o, void *ctx)
{
	struct gds_complaint complaint = {.text = ""};

	if (!o->set || o->set(ctx, o->argument ? optarg : NULL, &complaint) == GDS_OK) {
		return 0;
	}
	fprintf(stderr, "%s: --%s: %s, see --help\n", t->program->name, o->name, complaint.text);
	return t->program->usage_exit;
}

/* --- Parsing --- */

struct asked {
	bool version, verbose;
};

/* One option. \return true when parsing ends, with the exit code. */
static bool handle(
	const struct table *t, int value, char **argv, void *ctx, struct asked *asked, int *code)
{
	int at = find_row(t, value);

	if (value == '?' || value == ':' || at < 0) {
		*code = complain(t, value, argv[optind - 1]);
		return true;
	}
	const struct gds_option *o = row(t, (size_t)at);

	asked->verbose = asked->verbose || o->letter == 'v';
	switch (row_builtin(t, (size_t)at)) {
	case BUILTIN_HELP:
		print_help(t);
		*code = finish_output(t->program);
		return true;
	case BUILTIN_VERSION:
		asked->version = true;
		break;
	case BUILTIN_VERBOSE:
		break;
	case BUILTIN_NONE:
		*code = apply(t, o, ctx);
		return *code != 0;
	}
	return false;
}

int gds_options_parse(
	const struct gds_program *program, int argc, char **argv, void *ctx, bool *done, int *rest)
{
	struct table t;
	struct asked asked = {0};
	int value, code = 0;

	*done = true;
	if (!table_init(&t, program)) {
		fprintf(stderr, "%s: out of memory\n", program->name);
		return program->usage_exit;
	}
	/* 0, not 1: glibc then forgets what an earlier parse left behind. */
	optind = 0;
	opterr = 0;
	while ((value = getopt_long(argc, argv, t.letters, t.longs, NULL)) != -1) {
		if (handle(&t, value, argv, ctx, &asked, &code)) {
			goto out;
		}
	}
	if (asked.version) {
		print_version(program, asked.verbose);
		code = finish_output(program);
		goto out;
	}
	*done = false;
	*rest = optind;
out:
	table_deinit(&t);
	return code;
}
