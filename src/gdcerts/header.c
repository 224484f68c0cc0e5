/* SPDX-License-Identifier: MIT */
/* gdcerts header: the 275 bytes that begin a stream, made and taken apart (HDR-01). */
#include "gdcerts/header.h"
#include "cli/options.h"
#include "gdcerts/gdcerts.h"
#include "gdcerts/text.h"

#include <gdstream/catalogue.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Far above 40 lines of hexadecimal and a host of 255 bytes as \xHH. */
#define DUMP_MAX 8192

enum form { FORM_DUMP, FORM_HEX, FORM_BINARY, FORM_JSON };

struct options {
	const char *host, *port; /* NULL: not given */
	bool health;
	long flags; /* -1: not given */
	enum form form;
	bool form_given;
};

static int set_host(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->host = value;
	return GDS_OK;
}

static int set_port(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)complaint;
	((struct options *)ctx)->port = value;
	return GDS_OK;
}

static int set_health(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	(void)complaint;
	((struct options *)ctx)->health = true;
	return GDS_OK;
}

static int set_flags(void *ctx, const char *value, struct gds_complaint *complaint)
{
	long *flags = &((struct options *)ctx)->flags;
	char *end = NULL;
	if (strncmp(value, "0x", 2) != 0) {
		return gds_number_parse(value, 0, 255, flags, complaint);
	}
	errno = 0;
	*flags = strtol(value, &end, 16);
	return !errno && end > value + 2 && !*end && *flags >= 0 && *flags <= 255
		       ? GDS_OK
		       : gds_complain(complaint, GDS_E_INVALID,
				 "\"%.60s\" is no byte: give 0 to 255, or 0x00 to 0xff", value);
}

static int set_form(void *ctx, enum form form, struct gds_complaint *complaint)
{
	struct options *options = ctx;
	if (options->form_given && options->form != form) {
		return gds_complain(complaint, GDS_E_INVALID,
			"--hex, --binary and --json exclude each other: give one");
	}
	options->form = form;
	options->form_given = true;
	return GDS_OK;
}

static int set_hex(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	return set_form(ctx, FORM_HEX, complaint);
}

static int set_binary(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	return set_form(ctx, FORM_BINARY, complaint);
}

static int set_json(void *ctx, const char *value, struct gds_complaint *complaint)
{
	(void)value;
	return set_form(ctx, FORM_JSON, complaint);
}

static const struct gds_option encode_table[] = {
	{0, "host", "H", "the destination: a name, or an address without brackets", set_host},
	{0, "port", "P", "its port", set_port},
	{0, "health", NULL, "a health check: the same as --flags 1", set_health},
	{0, "flags", "N", "the flag byte, 0 to 255 or 0x00 to 0xff", set_flags},
	{0, "hex", NULL, "only the bytes, as one line of hexadecimal", set_hex},
	{0, "binary", NULL, "only the bytes themselves", set_binary},
	{0, "json", NULL, "one JSON object", set_json},
};

static const struct gds_option decode_table[] = {
	{0, "json", NULL, "one JSON object", set_json},
};

static const struct gds_program encode_program = {
	.name = "gdcerts header encode",
	.purpose = "Make a header, and show it byte by byte with the verdict of a server.",
	.usage = "--host H --port P [OPTION]...\n--health [OPTION]...",
	.options = encode_table,
	.n = sizeof(encode_table) / sizeof(encode_table[0]),
	.examples = "Examples:\n"
		    "  gdcerts header encode --host 127.0.0.1 --port 8080\n"
		    "  gdcerts header encode --health --hex",
	.usage_exit = GDCERTS_FAILED,
};

static const struct gds_program decode_program = {
	.name = "gdcerts header decode",
	.purpose = "Show a header byte by byte, with the verdict of a server. It is read from a "
		   "file or standard input, as 275 bytes or in hexadecimal, or given in "
		   "hexadecimal.",
	.usage = "[OPTION]... [FILE|-|HEX...]",
	.options = decode_table,
	.n = sizeof(decode_table) / sizeof(decode_table[0]),
	.examples = "Examples:\n"
		    "  gdcerts header decode captured.bin\n"
		    "  gdcerts header encode --health --hex | gdcerts header decode",
	.usage_exit = GDCERTS_FAILED,
};

/* --- A header and what a server makes of it --- */

struct judged {
	uint8_t wire[GDS_HEADER_SIZE];
	struct gds_header header;
	struct gds_error error;
};

static void judge(struct judged *j)
{
	gds_header_decode(&j->header, j->wire);
	gds_header_check(j->wire, &j->error);
}

static const char *verdict_of(const struct judged *j)
{
	if (j->error.code != GDS_OK) {
		return "refuse";
	}
	return gds_header_is_health(&j->header) ? "health" : "dial";
}

static void format_verdict(const struct judged *j, char *text, size_t size)
{
	const struct gds_requirement *broken =
		j->error.statement ? gds_requirement_find(j->error.statement) : NULL;
	if (j->error.code != GDS_OK) {
		snprintf(text, size, "refused, %s (%s: %s)", gds_strerror(j->error.code),
			broken ? broken->id : "-", broken ? broken->text : "-");
	} else if (gds_header_is_health(&j->header)) {
		snprintf(text, size,
			"a health check: closed at once, the destination is not dialled (HC-01)");
	} else {
		snprintf(text, size, "right: the destination is dialled");
	}
}

static void print_hex(const struct judged *j, FILE *out)
{
	for (size_t i = 0; i < GDS_HEADER_SIZE; i++) {
		fprintf(out, "%02x", j->wire[i]);
	}
}

static void print_dump(const struct judged *j, FILE *out)
{
	char dump[DUMP_MAX], verdict[512];
	gds_header_dump(j->wire, dump, sizeof(dump));
	format_verdict(j, verdict, sizeof(verdict));
	fprintf(out, "%sverdict: %s\n", dump, verdict);
}

static json_t *header_json(const struct judged *j)
{
	const struct gds_header *h = &j->header;
	size_t version = strnlen(h->version, sizeof(h->version));
	size_t port = h->port_length < GDS_PORT_MAX ? h->port_length : GDS_PORT_MAX;
	char checksum[9], right[9];
	snprintf(checksum, sizeof(checksum), "%08x", h->checksum);
	snprintf(right, sizeof(right), "%08x", gds_header_checksum(j->wire));
	return json_pack("{so si so si so si sb ss ss}", "version",
		gdcerts_text_json(h->version, version), "host_length", h->host_length, "host",
		gdcerts_text_json(h->host, h->host_length), "port_length", h->port_length, "port",
		gdcerts_text_json(h->port, port), "flags", h->flags, "health",
		gds_header_is_health(h), "checksum", checksum, "checksum_right", right);
}

static bool print_json(const struct judged *j, int argc, char **argv, FILE *out)
{
	const struct gds_requirement *broken =
		j->error.statement ? gds_requirement_find(j->error.statement) : NULL;
	char verdict[512], hex[2 * GDS_HEADER_SIZE + 1];
	for (size_t i = 0; i < GDS_HEADER_SIZE; i++) {
		snprintf(hex + 2 * i, 3, "%02x", j->wire[i]);
	}
	format_verdict(j, verdict, sizeof(verdict));
	json_t *root = gdcerts_object_json("gdcerts-header/1", argc, argv);
	json_t *found = json_pack("{ss ss so so ss ss}", "verdict", verdict_of(j), "code",
		gds_errname(j->error.code), "statement",
		broken ? json_string(broken->id) : json_null(), "header", header_json(j), "text",
		verdict, "hex", hex);
	if (!root || json_object_update(root, found) < 0) {
		json_decref(root);
		root = NULL;
	}
	json_decref(found);
	return gdcerts_print_json(root, out);
}

/* \return the exit code: a header that servers refuse is a finding, whoever made it. */
static int show(const struct judged *j, enum form form, int argc, char **argv)
{
	bool shown = true;
	char verdict[512];
	switch (form) {
	case FORM_DUMP:
		print_dump(j, stdout);
		break;
	case FORM_HEX:
		print_hex(j, stdout);
		putchar('\n');
		break;
	case FORM_BINARY:
		fwrite(j->wire, 1, sizeof(j->wire), stdout);
		break;
	case FORM_JSON:
		shown = print_json(j, argc, argv, stdout);
		break;
	}
	if (!shown) {
		return gdcerts_fail("out of memory");
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		return gdcerts_fail("the output cannot be written");
	}
	if (j->error.code == GDS_OK) {
		return GDCERTS_OK;
	}
	if (form == FORM_HEX || form == FORM_BINARY) {
		format_verdict(j, verdict, sizeof(verdict));
		fprintf(stderr, "gdcerts: header encode: this header is %s\n", verdict);
	}
	return GDCERTS_FINDING;
}

/* --- Commands --- */

static int encode(int argc, char **argv)
{
	struct options options = {.flags = -1};
	struct judged j = {0};
	bool done = false;
	int rest = 0;
	int code = gds_options_parse(&encode_program, argc - 2, argv + 2, &options, &done, &rest);
	if (done) {
		return code;
	}
	if (rest + 2 < argc) {
		return gdcerts_fail("header encode: the destination is given with --host and "
				    "--port, see gdcerts header encode --help");
	}
	if (options.health && options.flags >= 0) {
		return gdcerts_fail("header encode: --health and --flags exclude each other: give "
				    "one, see gdcerts header encode --help");
	}
	uint8_t flags = options.flags >= 0 ? (uint8_t)options.flags
					   : (options.health ? GDS_FLAG_CLOSE_IMMEDIATELY : 0);
	/* A health check needs no destination; any other header without one is a slip. */
	if (!(flags & GDS_FLAG_CLOSE_IMMEDIATELY) && (!options.host || !options.port)) {
		return gdcerts_fail(
			"header encode: --host and --port are both needed, or --health, "
			"see gdcerts header encode --help");
	}
	code = gds_header_init(&j.header, options.host ? options.host : "",
		options.port ? options.port : "", flags);
	if (code == GDS_OK) {
		code = gds_header_encode(&j.header, j.wire);
	}
	if (code != GDS_OK) {
		char sentence[256];
		snprintf(sentence, sizeof(sentence), "header encode: %s, no header can carry it",
			gds_strerror(code));
		return gdcerts_fail(sentence);
	}
	judge(&j);
	return show(&j, options.form, argc, argv);
}

static int decode(int argc, char **argv)
{
	struct options options = {.flags = -1};
	struct gds_complaint complaint = {0};
	struct judged j = {0};
	bool done = false;
	int rest = 0;
	int code = gds_options_parse(&decode_program, argc - 2, argv + 2, &options, &done, &rest);
	if (done) {
		return code;
	}
	rest += 2;
	if (gdcerts_header_read(j.wire, argc - rest, argv + rest, &complaint) != GDS_OK) {
		return gdcerts_fail(complaint.text);
	}
	judge(&j);
	return show(&j, options.form, argc, argv);
}

static const struct gds_program header_program = {
	.name = "gdcerts header",
	.purpose = "Make a stream's header, or take one apart.",
	.usage = "encode [OPTION]...\ndecode [OPTION]... [FILE|-|HEX...]",
	.examples = "Examples:\n"
		    "  gdcerts header encode --host 127.0.0.1 --port 8080\n"
		    "  gdcerts header decode captured.bin\n"
		    "  gdcerts header encode --help",
	.usage_exit = GDCERTS_FAILED,
};

int gdcerts_header(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[2], "encode") == 0) {
		return encode(argc, argv);
	}
	if (argc > 2 && strcmp(argv[2], "decode") == 0) {
		return decode(argc, argv);
	}
	bool done = false;
	int rest = 0;
	int code = gds_options_parse(&header_program, argc - 1, argv + 1, NULL, &done, &rest);
	if (done) {
		return code;
	}
	if (rest + 1 == argc) {
		return gdcerts_fail(
			"header: encode or decode is missing, see gdcerts header --help");
	}
	char sentence[256];
	snprintf(sentence, sizeof(sentence),
		"header: there is no command \"%.100s\", only encode and decode, see gdcerts "
		"header --help",
		argv[rest + 1]);
	return gdcerts_fail(sentence);
}
