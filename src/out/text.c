/* SPDX-License-Identifier: MIT */
#include "out/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void gds_text_init(struct gds_text *text, char *bytes, size_t size)
{
	text->bytes = bytes;
	text->size = size;
	text->length = 0;
	text->cut = false;
	bytes[0] = '\0';
}

void gds_text_add(struct gds_text *text, const char *format, ...)
{
	size_t room = text->size - text->length;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->bytes + text->length, room, format, args);
	va_end(args);
	if (n < 0) {
		text->bytes[text->length] = '\0';
		return;
	}
	text->cut = text->cut || (size_t)n >= room;
	text->length += (size_t)n >= room ? room - 1 : (size_t)n;
}

void gds_text_wrap(struct gds_text *text, const char *words, int column, int indent, int width)
{
	bool first = true;

	while (*words) {
		int n = (int)strcspn(words, " ");

		if (!first && column + 1 + n > width) {
			gds_text_add(text, "\n%*s", indent, "");
			column = indent;
		} else if (!first) {
			gds_text_add(text, " ");
			column++;
		}
		gds_text_add(text, "%.*s", n, words);
		column += n;
		first = false;
		words += n;
		words += strspn(words, " ");
	}
}

void gds_text_clean(char *text)
{
	unsigned char *p = (unsigned char *)text;

	for (; *p; p++) {
		if (*p < 0x20 || *p == 0x7f) {
			*p = '?';
		} else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f) {
			p[0] = p[1] = '?';
		}
	}
}

void gds_text_ascii(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text >= 0x80) {
			*text = '?';
		}
	}
}

const char *gds_span_format(gds_time span, char text[static GDS_SPAN_TEXT])
{
	double ms = (double)span / (double)GDS_MILLISECOND;

	if (ms < 9.95) {
		snprintf(text, GDS_SPAN_TEXT, "%.1f ms", ms);
	} else if (ms < 999.5) {
		snprintf(text, GDS_SPAN_TEXT, "%.0f ms", ms);
	} else {
		snprintf(text, GDS_SPAN_TEXT, "%.1f s", ms / 1000);
	}
	return text;
}
