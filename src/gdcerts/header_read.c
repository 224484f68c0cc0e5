/* SPDX-License-Identifier: MIT */
#include "gdcerts/header.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Hexadecimal with blanks around each digit fits; what is larger is no header in any writing. */
#define INPUT_MAX 4096
#define WANTED "a header is 275 bytes, or their 550 hexadecimal digits"

struct input {
	const char *what; /* for sentences */
	bool file;	  /* may hold the bytes themselves */
	char data[INPUT_MAX + 1];
	size_t size; /* [bytes], above INPUT_MAX: there was more */
};

static int digit_of(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
	return at ? (int)(at - digits) : -1;
}

static bool is_blank(char c)
{
	return c && strchr(" \t\r\n", c);
}

/* Text, right or wrong: bytes of a header hold NULs, or at least what nobody types. */
static bool is_text(const struct input *in)
{
	for (size_t i = 0; i < in->size; i++) {
		unsigned char byte = (unsigned char)in->data[i];
		if (!is_blank(in->data[i]) && (byte < 0x20 || byte >= 0x7f)) {
			return false;
		}
	}
	return true;
}

/** \param n out: its digits, also those beyond a header, which are not in wire. */
static int parse_hex(uint8_t wire[static GDS_HEADER_SIZE], size_t *n, const struct input *in,
	struct gds_complaint *complaint)
{
	*n = 0;
	for (size_t i = 0; i < in->size; i++) {
		int digit = digit_of(in->data[i]);
		if (is_blank(in->data[i])) {
			continue;
		}
		if (digit < 0) {
			return gds_complain(complaint, GDS_E_FORMAT,
				"%s holds text that is not hexadecimal, from byte %zu on: " WANTED,
				in->what, i + 1);
		}
		if (*n < 2 * GDS_HEADER_SIZE) {
			uint8_t *byte = &wire[*n / 2];
			*byte = (uint8_t)(*n % 2 ? *byte | digit : digit << 4);
		}
		(*n)++;
	}
	return GDS_OK;
}

static int parse(uint8_t wire[static GDS_HEADER_SIZE], const struct input *in,
	struct gds_complaint *complaint)
{
	size_t digits;
	if (in->file && in->size == GDS_HEADER_SIZE) {
		memcpy(wire, in->data, GDS_HEADER_SIZE);
		return GDS_OK;
	}
	if (in->size > INPUT_MAX) {
		return gds_complain(complaint, GDS_E_FORMAT, "%s has more than %d bytes: " WANTED,
			in->what, INPUT_MAX);
	}
	if (in->size == 0) {
		return gds_complain(complaint, GDS_E_FORMAT, "%s is empty: " WANTED, in->what);
	}
	if (in->file && !is_text(in)) {
		return gds_complain(complaint, GDS_E_FORMAT, "%s has %zu byte%s: " WANTED, in->what,
			in->size, in->size == 1 ? "" : "s");
	}
	int status = parse_hex(wire, &digits, in, complaint);
	if (status != GDS_OK) {
		return status;
	}
	if (digits % 2) {
		return gds_complain(complaint, GDS_E_FORMAT,
			"%s has an odd number of hexadecimal digits, %zu, half a byte too many or "
			"too few: " WANTED,
			in->what, digits);
	}
	if (digits != 2 * GDS_HEADER_SIZE) {
		return gds_complain(complaint, GDS_E_FORMAT,
			"%s has %zu hexadecimal digits, which is %zu byte%s: " WANTED, in->what,
			digits, digits / 2, digits == 2 ? "" : "s");
	}
	return GDS_OK;
}

static int read_all(struct input *in, int fd, struct gds_complaint *complaint)
{
	while (in->size <= INPUT_MAX) {
		ssize_t n = read(fd, in->data + in->size, sizeof(in->data) - in->size);
		if (n < 0 && errno != EINTR) {
			return gds_complain(complaint, GDS_E_FILE, "%s cannot be read: %s",
				in->what, strerror(errno));
		}
		if (n == 0) {
			break;
		}
		in->size += n > 0 ? (size_t)n : 0;
	}
	return GDS_OK;
}

/* All arguments, a blank between two: who pastes a dump does not quote it. */
static void join_arguments(struct input *in, int n, char **arguments)
{
	for (int i = 0; i < n; i++) {
		size_t length = strlen(arguments[i]), room = sizeof(in->data) - in->size;
		memcpy(in->data + in->size, arguments[i], length < room ? length : room);
		in->size += length < room ? length : room;
		if (in->size < sizeof(in->data) && i + 1 < n) {
			in->data[in->size++] = ' ';
		}
	}
}

static bool is_hexadecimal(const char *text)
{
	for (; *text; text++) {
		if (digit_of(*text) < 0 && !is_blank(*text)) {
			return false;
		}
	}
	return true;
}

int gdcerts_header_read(uint8_t wire[static GDS_HEADER_SIZE], int n, char **arguments,
	struct gds_complaint *complaint)
{
	struct input in = {.what = "standard input", .file = true};
	bool from_stdin = n == 0 || (n == 1 && strcmp(arguments[0], "-") == 0);
	int fd = STDIN_FILENO;
	if (!from_stdin) {
		/* O_NONBLOCK: a pipe without a writer does not keep us. */
		fd = n == 1 ? open(arguments[0], O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
		in.file = fd >= 0;
		in.what = in.file ? arguments[0] : "what was given";
	}
	int why = errno;
	if (fd < 0 && n == 1 && *arguments[0] && why != ENAMETOOLONG &&
		!is_hexadecimal(arguments[0])) {
		return gds_complain(complaint, GDS_E_FILE,
			"%.200s is neither hexadecimal nor a file that can be read: %s",
			arguments[0], strerror(why));
	}
	int status = GDS_OK;
	if (fd < 0) {
		join_arguments(&in, n, arguments);
	} else {
		status = read_all(&in, fd, complaint);
	}
	if (fd > STDIN_FILENO) {
		close(fd);
	}
	return status == GDS_OK ? parse(wire, &in, complaint) : status;
}
