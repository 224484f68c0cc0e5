/* SPDX-License-Identifier: MIT */
/* One inspection as text for a person, and as a line of JSON. */
#include "gdcerts/inspection.h"
#include "gdcerts/text.h"

#include <string.h>

static void print_item(const struct item *item, FILE *out)
{
	const struct gds_certificate *c = &item->cert;
	const char *usages[4];
	char from[40], to[40];
	if (!c->present) {
		fprintf(out, "  private key    %s\n", item->key);
		return;
	}
	fprintf(out, "  %s certificate%s\n", role_name(item->role),
		item->has_key ? ", with its private key" : "");
	fprintf(out, "    subject      %s\n", c->subject);
	fprintf(out, "    issuer       %s\n", c->issuer);
	fprintf(out, "    DNS names    %s\n", c->names[0] ? c->names : "-");
	fprintf(out, "    key          %s\n", c->key);
	fprintf(out, "    usage       ");
	size_t n = usage_names(c, usages);
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%s%s", i ? ", " : " ", usages[i]);
	}
	fprintf(out, "%s\n", n ? "" : " none that agents know");
	fprintf(out, "    valid        %s to %s\n", gds_date_format(c->not_before, from),
		gds_date_format(c->not_after, to));
	fprintf(out, "    serial       %s\n", c->serial);
	fprintf(out, "    SHA-256      %s\n", c->fingerprint);
}

void inspection_print(const struct inspection *in, FILE *out)
{
	static const char *const kinds[] = {
		[GDS_FILE_PEM] = "PEM",
		[GDS_FILE_ZIP] = "agent's zip",
		[GDS_FILE_ENV] = "AGENT_* values",
		[GDS_FILE_DIRECTORY] = "directory",
	};
	gdcerts_print_clean(strcmp(in->path, "-") == 0 ? "standard input" : in->path, out);
	fprintf(out, ": %s, %s\n", kinds[in->kind], in->n_problems ? "NOT GOOD" : "ok");
	for (size_t i = 0; i < in->n_items; i++) {
		print_item(&in->items[i], out);
	}
	for (size_t i = 0; i < in->n_problems; i++) {
		fprintf(out, "  wrong: ");
		gdcerts_print_clean(in->problems[i].text, out);
		if (in->problems[i].statement) {
			fprintf(out, " (%s)", in->problems[i].statement);
		}
		fputc('\n', out);
	}
}

static json_t *names_json(const char *names)
{
	json_t *list = json_array();
	while (*names) {
		size_t n = strcspn(names, ",");
		json_array_append_new(list, json_stringn(names, n));
		names += n;
		names += strspn(names, ", ");
	}
	return list;
}

static json_t *certificate_json(const struct item *item)
{
	const struct gds_certificate *c = &item->cert;
	const char *names[4];
	json_t *usages = json_array();
	size_t n = usage_names(c, names);
	for (size_t i = 0; i < n; i++) {
		json_array_append_new(usages, json_string(names[i]));
	}
	return json_pack("{ss ss ss ss ss sb so so sI sI ss sb}", "role", role_name(item->role),
		"subject", c->subject, "issuer", c->issuer, "serial", c->serial, "key", c->key,
		"is_ca", c->is_ca, "names", names_json(c->names), "usages", usages, "not_before_s",
		(json_int_t)c->not_before, "not_after_s", (json_int_t)c->not_after, "sha256",
		c->fingerprint, "has_private_key", item->has_key);
}

static json_t *problems_json(const struct inspection *in)
{
	json_t *list = json_array();
	for (size_t i = 0; i < in->n_problems; i++) {
		const struct problem *p = &in->problems[i];
		json_array_append_new(
			list, json_pack("{ss so so}", "id", p->id, "statement",
				      p->statement ? json_string(p->statement) : json_null(),
				      "text", gdcerts_text_json(p->text, strlen(p->text))));
	}
	return list;
}

bool inspection_print_json(const struct inspection *in, int argc, char **argv, FILE *out)
{
	json_t *certificates = json_array(), *keys = json_array();
	for (size_t i = 0; i < in->n_items; i++) {
		const struct item *item = &in->items[i];
		if (item->cert.present) {
			json_array_append_new(certificates, certificate_json(item));
		} else {
			json_array_append_new(keys, json_string(item->key));
		}
	}
	json_t *root = gdcerts_object_json("gdcerts/1", argc, argv);
	json_t *found = json_pack("{so so sb so so so}", "file",
		gdcerts_text_json(in->path, strlen(in->path)), "kind",
		in->unreadable ? json_null() : json_string(kind_name(in->kind)), "ok",
		in->n_problems == 0, "certificates", certificates, "keys", keys, "problems",
		problems_json(in));
	if (!root || json_object_update(root, found) < 0) {
		json_decref(root);
		root = NULL;
	}
	json_decref(found);
	return gdcerts_print_json(root, out);
}
