/* SPDX-License-Identifier: MIT */
#include "gdcerts/text.h"

#include "config.h"

#include <stdlib.h>
#include <string.h>

void gdcerts_print_clean(const char *text, FILE *out)
{
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;
		if (byte < 0x20 || byte == 0x7f) {
			fprintf(out, "\\x%02x", byte);
		} else {
			fputc(byte, out);
		}
	}
}

json_t *gdcerts_text_json(const char *text, size_t n)
{
	json_t *value = json_stringn(text, n);
	if (value) {
		return value;
	}
	char *escaped = calloc(4, n + 1);
	if (!escaped) {
		return NULL;
	}
	char *at = escaped;
	for (size_t i = 0; i < n; i++) {
		unsigned char byte = (unsigned char)text[i];
		if (byte < 0x80) {
			*at++ = text[i];
		} else {
			at += sprintf(at, "\\x%02x", byte);
		}
	}
	value = json_stringn(escaped, (size_t)(at - escaped));
	free(escaped);
	return value;
}

json_t *gdcerts_object_json(const char *schema, int argc, char **argv)
{
	json_t *arguments = json_array();
	for (int i = 0; i < argc; i++) {
		json_array_append_new(arguments, gdcerts_text_json(argv[i], strlen(argv[i])));
	}
	return json_pack("{ss ss ss so}", "schema", schema, "tool", "gdcerts", "version",
		PACKAGE_VERSION, "argv", arguments);
}

bool gdcerts_print_json(json_t *root, FILE *out)
{
	char *line = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (line) {
		fprintf(out, "%s\n", line);
	}
	free(line);
	return line != NULL;
}
