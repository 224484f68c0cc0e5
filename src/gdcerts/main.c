/* SPDX-License-Identifier: MIT */
#include "cli/options.h"
#include "gdcerts/gdcerts.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"new", gdcerts_new},
	{"renew", gdcerts_renew},
	{"inspect", gdcerts_inspect},
	{"header", gdcerts_header},
};

static const struct gds_program program = {
	.name = "gdcerts",
	.purpose =
		"Make, renew and inspect certificates of GoDoxy agents, and the stream's header.",
	.usage = "new [OPTION]... DIR\nrenew [OPTION]... DIR\ninspect [OPTION]... FILE...\n"
		 "header encode|decode [OPTION]... [FILE|-|HEX]",
	.examples = "Examples:\n"
		    "  gdcerts new certs\n"
		    "  gdcerts inspect certs/10.0.0.12:8890.zip\n"
		    "  gdcerts header encode --host 127.0.0.1 --port 8080\n"
		    "  gdcerts new --help",
	.usage_exit = GDCERTS_FAILED,
};

int gdcerts_fail(const char *sentence)
{
	fprintf(stderr, "gdcerts: %s\n", sentence);
	return GDCERTS_FAILED;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			return commands[i].run(argc, argv);
		}
	}
	bool done = false;
	int rest = argc;
	int code = gds_options_parse(&program, argc, argv, NULL, &done, &rest);
	if (done) {
		return code;
	}
	char sentence[256];
	if (rest < argc) {
		snprintf(sentence, sizeof(sentence),
			"there is no command \"%.100s\", only new, renew, inspect and header, see "
			"--help",
			argv[rest]);
	} else {
		snprintf(sentence, sizeof(sentence),
			"a command is missing: new, renew, inspect or header, see --help");
	}
	return gdcerts_fail(sentence);
}
