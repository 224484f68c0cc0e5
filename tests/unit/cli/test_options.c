/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/options.h"

#include <string.h>
#include <unistd.h>

struct values {
	bool json;
	char name[32], address[32];
	int sets;
};

static int set_json(void *ctx, const char *value, struct gds_complaint *complaint)
{
	struct values *v = ctx;

	(void)complaint;
	assert_null(value);
	v->json = true;
	v->sets++;
	return GDS_OK;
}

static int set_name(void *ctx, const char *value, struct gds_complaint *complaint)
{
	struct values *v = ctx;

	v->sets++;
	if (strcmp(value, "bad") == 0) {
		return gds_complain(complaint, GDS_E_INVALID, "\"%s\" is no name", value);
	}
	snprintf(v->name, sizeof(v->name), "%s", value);
	return GDS_OK;
}

static int set_address(void *ctx, const char *value, struct gds_complaint *complaint)
{
	struct values *v = ctx;

	(void)complaint;
	v->sets++;
	snprintf(v->address, sizeof(v->address), "%s", value);
	return GDS_OK;
}

static const struct gds_option options[] = {
	{.help = "What to do:"},
	{'n', "name", "NAME",
		"the name, which has a long explanation so that it has to be wrapped into "
		"several lines of the same indentation",
		set_name},
	{'\0', "name-of-address", "HOST:PORT", "an address", set_address},
	{.help = "Output:"},
	{'j', "json", NULL, "one object a line", set_json},
};

static const struct gds_program program = {
	.name = "gdtest",
	.purpose = "Test the options.",
	.usage = "[OPTION]... TARGET...\n--list",
	.options = options,
	.n = sizeof(options) / sizeof(options[0]),
	.examples = "Examples:\n  gdtest -j x",
	.usage_exit = 3,
};

#define ARGS 12
struct run {
	struct values values;
	int code, rest;
	bool done;
	char *argv[ARGS];
	int argc;
	char out[8192], err[1024];
};

/* Both streams go to files while the parser runs. */
static void slurp(FILE *f, char *text, size_t size)
{
	rewind(f);
	text[fread(text, 1, size - 1, f)] = '\0';
	fclose(f);
}

static struct run parse(const struct gds_program *p, const char *line)
{
	static char words[512];
	struct run r = {.code = -1, .rest = -1};
	FILE *out = tmpfile(), *err = tmpfile();
	int old_out = dup(1), old_err = dup(2);

	snprintf(words, sizeof(words), "gdtest %s", line);
	for (char *w = strtok(words, " "); w && r.argc < ARGS - 1; w = strtok(NULL, " ")) {
		r.argv[r.argc++] = w;
	}
	fflush(stdout);
	dup2(fileno(out), 1);
	dup2(fileno(err), 2);
	r.code = gds_options_parse(p, r.argc, r.argv, &r.values, &r.done, &r.rest);
	fflush(stdout);
	dup2(old_out, 1);
	dup2(old_err, 2);
	close(old_out);
	close(old_err);
	slurp(out, r.out, sizeof(r.out));
	slurp(err, r.err, sizeof(r.err));
	return r;
}

static void test_values(void **state)
{
	static const struct {
		const char *line, *name, *address, *first;
		bool json;
	} cases[] = {
		{"", "", "", NULL, false},
		{"-j -n nas a b", "nas", "", "a", true},
		{"a --name=nas b --json", "nas", "", "a", true},
		{"--name nas --name-of-address h:1", "nas", "h:1", NULL, false},
		{"-jnnas", "nas", "", NULL, true},
		{"--js", "", "", NULL, true},
		{"-- --json", "", "", "--json", false},
		{"-v a", "", "", "a", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run r = parse(&program, cases[i].line);

		assert_false(r.done);
		assert_int_equal(r.code, 0);
		assert_string_equal(r.values.name, cases[i].name);
		assert_string_equal(r.values.address, cases[i].address);
		assert_int_equal(r.values.json, cases[i].json);
		assert_string_equal(r.out, "");
		assert_string_equal(r.err, "");
		if (cases[i].first) {
			assert_string_equal(r.argv[r.rest], cases[i].first);
		} else {
			assert_int_equal(r.rest, r.argc);
		}
	}
}

static void test_wrong(void **state)
{
	static const struct {
		const char *line, *sentence;
	} cases[] = {
		{"--nosuch", "gdtest: unknown option \"--nosuch\", see --help\n"},
		{"-x", "gdtest: unknown option \"-x\", see --help\n"},
		{"-jx", "gdtest: unknown option \"-x\", see --help\n"},
		{"--na x",
			"gdtest: \"--na\" is ambiguous (--name, --name-of-address), see --help\n"},
		{"--na=x", "gdtest: \"--na=x\" is ambiguous (--name, --name-of-address), see "
			   "--help\n"},
		{"--name", "gdtest: --name needs a value (NAME), see --help\n"},
		{"a -n", "gdtest: --name needs a value (NAME), see --help\n"},
		{"--json=yes", "gdtest: --json takes no value, see --help\n"},
		{"--help=yes", "gdtest: --help takes no value, see --help\n"},
		{"-n bad -j", "gdtest: --name: \"bad\" is no name, see --help\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run r = parse(&program, cases[i].line);

		assert_true(r.done);
		assert_int_equal(r.code, 3);
		assert_string_equal(r.err, cases[i].sentence);
		assert_string_equal(r.out, "");
		assert_false(strstr(cases[i].line, "bad") && r.values.json);
	}
}

static void test_help(void **state)
{
	struct run r = parse(&program, "--help");
	const char *line = r.out;

	(void)state;
	assert_true(r.done);
	assert_int_equal(r.code, 0);
	assert_string_equal(r.err, "");
	for (size_t n; *line; line += line[n] ? n + 1 : n) {
		n = strcspn(line, "\n");
		assert_in_range(n, 0, 80);
		assert_true(n == 0 || line[n - 1] != ' ');
	}
	assert_int_equal(strncmp(r.out,
				 "Usage: gdtest [OPTION]... TARGET...\n"
				 "       gdtest --list\n"
				 "Test the options.\n"
				 "\n"
				 "What to do:\n"
				 "  -n, --name NAME  ",
				 60),
		0);
	assert_non_null(strstr(r.out, "\n      --name-of-address HOST:PORT\n"));
	assert_non_null(strstr(r.out, "\nOutput:\n  -j, --json "));
	assert_non_null(strstr(r.out, "  -h, --help "));
	assert_non_null(strstr(r.out, "  -V, --version "));
	assert_non_null(strstr(r.out, "\nExamples:\n  gdtest -j x\n"));
	assert_string_equal(parse(&program, "-h").out, r.out);
}

static void test_version(void **state)
{
	static const char first[] = "gdtest (gdstream) 0.1.0\n";
	struct run r = parse(&program, "--version");

	(void)state;
	assert_true(r.done);
	assert_int_equal(r.code, 0);
	assert_string_equal(r.out, first);
	assert_string_equal(parse(&program, "-V").out, first);
	/* In either order the summary of configure follows. */
	for (int i = 0; i < 3; i++) {
		static const char *const lines[] = {"-v --version", "--version -v", "-Vv"};

		r = parse(&program, lines[i]);
		assert_int_equal(strncmp(r.out, first, sizeof(first) - 1), 0);
		assert_true(strlen(r.out) > sizeof(first));
	}
}

/* A program with letters of its own: they win, and the long names stay. */
static const struct gds_option own_options[] = {
	{'h', "json", NULL, "its own letter", set_json},
	{'v', "verbose", NULL, "its own too", set_json},
};

static void test_own_letters(void **state)
{
	const struct gds_program own = {.name = "gdtest",
		.purpose = "Own.",
		.usage = "",
		.options = own_options,
		.n = 2,
		.usage_exit = 2};
	struct run r = parse(&own, "-h");

	(void)state;
	assert_false(r.done);
	assert_true(r.values.json);
	r = parse(&own, "--help");
	assert_true(r.done);
	assert_non_null(strstr(r.out, "      --help "));
	r = parse(&own, "-v");
	assert_false(r.done);
	assert_int_equal(r.values.sets, 1);
	assert_int_equal(parse(&own, "--nosuch").code, 2);
}

/* What was asked for could not be written. */
static void test_full_output(void **state)
{
	char *argv[] = {(char[]){"gdtest"}, (char[]){"--help"}, NULL};
	struct values v = {0};
	bool done = false;
	int rest, code, old_out = dup(1), old_err = dup(2);
	FILE *full = fopen("/dev/full", "w"), *err = tmpfile();

	(void)state;
	assert_non_null(full);
	fflush(stdout);
	dup2(fileno(full), 1);
	dup2(fileno(err), 2);
	code = gds_options_parse(&program, 2, argv, &v, &done, &rest);
	clearerr(stdout);
	dup2(old_out, 1);
	dup2(old_err, 2);
	close(old_out);
	close(old_err);
	fclose(full);
	fclose(err);
	assert_true(done);
	assert_int_equal(code, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_own_letters),
		cmocka_unit_test(test_full_output),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
