/* SPDX-License-Identifier: MIT */
/* What --list-faults prints, and what a server that misbehaves says of itself. */
#include "gdserver/gdserver.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const shows[] = {
	[GDS_SHOWS_DEFAULT] = "default",
	[GDS_SHOWS_THROUGH] = "through",
	[GDS_SHOWS_CONFORM] = "conform",
};

static json_t *fault_object(const struct gds_fault *f)
{
	json_t *object =
		json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s, s:s?}", "name", f->name, "statement",
			f->statement, "shows", shows[f->shows], "stage", gds_stage_name(f->stage),
			"cause", f->cause, "text", f->text, "argument", f->argument);
	if (object && f->argument) {
		json_object_set_new(object, "default", json_integer(f->standard));
	}
	return object;
}

static json_t *profile_object(const struct gds_fault_profile *p)
{
	json_t *faults = json_array();
	for (const char *const *fault = p->faults; *fault; fault++) {
		json_array_append_new(faults, json_string(*fault));
	}
	return json_pack("{s:s, s:s, s:o}", "name", p->name, "text", p->text, "faults", faults);
}

static int list_json(void)
{
	json_t *faults = json_array(), *profiles = json_array();
	for (size_t i = 0; i < gds_faults_count; i++) {
		json_array_append_new(faults, fault_object(&gds_faults[i]));
	}
	for (size_t i = 0; i < gds_fault_profiles_count; i++) {
		json_array_append_new(profiles, profile_object(&gds_fault_profiles[i]));
	}
	json_t *all = json_pack("{s:s, s:o, s:o}", "schema", "gdserver-faults/1", "faults", faults,
		"profiles", profiles);
	char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	json_decref(all);
	if (!text) {
		fprintf(stderr, "gdserver: out of memory\n");
		return GDSERVER_FAILED;
	}
	puts(text);
	free(text);
	return GDSERVER_OK;
}

int gdserver_list_faults(bool json)
{
	if (json) {
		return list_json();
	}
	for (size_t i = 0; i < gds_faults_count; i++) {
		const struct gds_fault *f = &gds_faults[i];
		char name[48];
		snprintf(name, sizeof(name), "%s%s%s", f->name, f->argument ? "=" : "",
			f->argument ? f->argument : "");
		printf("%-24s %-7s %-7s %-9s %-25s %s\n", name, f->statement, shows[f->shows],
			gds_stage_name(f->stage), f->cause ? f->cause : "-", f->text);
	}
	for (size_t i = 0; i < gds_fault_profiles_count; i++) {
		printf("profile %s: %s\n", gds_fault_profiles[i].name, gds_fault_profiles[i].text);
	}
	return GDSERVER_OK;
}

void gdserver_announce_faults(const struct gdserver_options *o)
{
	if (o->profile) {
		fprintf(stderr, "gdserver: PROFILE %s: this server %s\n", o->profile->name,
			o->profile->text);
	}
	for (size_t i = 0; i < o->n_faults; i++) {
		const struct gds_fault *fault = gds_fault_find(o->faults[i]);
		fprintf(stderr, "gdserver: FAULT %s: this server %s (%s)\n", o->faults[i],
			fault->text, fault->statement);
	}
}
