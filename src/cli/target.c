/* SPDX-License-Identifier: MIT */
#include "cli/target.h"

#include <gdstream/address.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX ".zip"

static bool is_zip_name(const char *name)
{
	size_t n = strlen(name);

	return n > strlen(SUFFIX) && strcmp(name + n - strlen(SUFFIX), SUFFIX) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void gds_target_format(struct gds_target *target)
{
	snprintf(target->text, sizeof(target->text),
		strchr(target->host, ':') ? "[%s]:%u" : "%s:%u", target->host,
		(unsigned)target->port);
}

static int add(struct gds_targets *targets, const char *address, uint16_t fallback, const char *zip,
	struct gds_complaint *complaint)
{
	struct gds_target target = {0};
	struct gds_target *list;
	int rc = gds_target_parse(address, fallback, target.host, &target.port, complaint);

	if (rc != GDS_OK) {
		return rc;
	}
	if (targets->n >= GDS_TARGETS_MAX) {
		return gds_complain(complaint, GDS_E_LIMIT,
			"more than %d targets: check them in several runs", GDS_TARGETS_MAX);
	}
	gds_target_format(&target);
	list = reallocarray(targets->list, targets->n + 1, sizeof(*list));
	if (!list) {
		return gds_complain(complaint, GDS_E_NOMEM, "no memory for the list of targets");
	}
	targets->list = list;
	if (zip && !(target.zip = strdup(zip))) {
		return gds_complain(complaint, GDS_E_NOMEM, "no memory for the list of targets");
	}
	list[targets->n++] = target;
	return GDS_OK;
}

static int add_zip(struct gds_targets *targets, const char *path, struct gds_complaint *complaint)
{
	const char *name = base_name(path);
	char address[GDS_HOST_MAX + 16];
	struct gds_complaint reason;
	size_t n = strlen(name) - strlen(SUFFIX);

	if (n < sizeof(address)) {
		memcpy(address, name, n);
		address[n] = '\0';
		if (add(targets, address, 0, path, &reason) == GDS_OK) {
			return GDS_OK;
		}
		if (reason.code == GDS_E_LIMIT || reason.code == GDS_E_NOMEM) {
			*complaint = reason;
			return reason.code;
		}
	}
	return gds_complain(complaint, GDS_E_FORMAT,
		"%s: the name of the zip is not HOST:PORT.zip, so it tells no address; "
		"write: -i %s HOST:PORT",
		path, path);
}

static int only_zips(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && is_zip_name(entry->d_name);
}

static int add_folder(
	struct gds_targets *targets, const char *path, struct gds_complaint *complaint)
{
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, only_zips, alphasort);
	int rc = GDS_OK;

	if (n < 0) {
		return gds_complain(complaint, GDS_E_FILE, "%s: cannot read the folder: %s", path,
			strerror(errno));
	}
	if (n == 0) {
		rc = gds_complain(complaint, GDS_E_FILE,
			"%s: there is no agent's zip (HOST:PORT.zip) in this folder", path);
	}
	for (int i = 0; i < n; i++) {
		char *file = NULL;

		if (rc == GDS_OK && asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0) {
			file = NULL;
			rc = gds_complain(
				complaint, GDS_E_NOMEM, "no memory for the list of targets");
		}
		if (rc == GDS_OK) {
			rc = add_zip(targets, file, complaint);
		}
		free(file);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

int gds_targets_add(
	struct gds_targets *targets, const char *argument, struct gds_complaint *complaint)
{
	struct stat st;

	if (stat(argument, &st) == 0) {
		if (S_ISDIR(st.st_mode)) {
			return add_folder(targets, argument, complaint);
		}
		if (is_zip_name(argument)) {
			return add_zip(targets, argument, complaint);
		}
	} else if (is_zip_name(argument) || strchr(argument, '/')) {
		return gds_complain(complaint, GDS_E_FILE,
			"cannot read %s: %s; a target is HOST[:PORT], an agent's zip, or a folder "
			"of zips",
			argument, strerror(errno));
	}
	return add(targets, argument, GDS_DEFAULT_PORT, NULL, complaint);
}

void gds_targets_clear(struct gds_targets *targets)
{
	for (size_t i = 0; i < targets->n; i++) {
		free(targets->list[i].zip);
	}
	free(targets->list);
	targets->list = NULL;
	targets->n = 0;
}
