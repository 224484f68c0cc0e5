/* SPDX-License-Identifier: MIT */
#include "gdprobe/probe.h"

#include "out/text.h"

#include <jansson.h>

#include <string.h>

/* Texts of a stranger: bounded, and nothing in them moves a cursor. */
static bool take(json_t *root, const char *key, char *out, size_t size)
{
	const char *value = json_string_value(json_object_get(root, key));

	if (!value || strlen(value) >= size) {
		return false;
	}
	memcpy(out, value, strlen(value) + 1);
	gds_text_clean(out);
	return true;
}

void info_read(struct info *info, const struct gds_fetch_result *result, int64_t wall)
{
	json_t *root;

	info->why = result->why;
	info->status = result->status;
	info->answered = result->why.code == GDS_OK;
	if (!info->answered) {
		return;
	}
	info->date_known = result->date_known;
	info->skew = result->date - wall;
	if (result->status != 200) {
		return;
	}
	root = json_loadb(result->body, result->length, 0, NULL);
	info->valid = take(root, "version", info->version, sizeof(info->version)) &&
		      take(root, "name", info->name, sizeof(info->name)) &&
		      take(root, "runtime", info->runtime, sizeof(info->runtime));
	json_decref(root);
}
