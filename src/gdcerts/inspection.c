/* SPDX-License-Identifier: MIT */
/* The judgement: facts and verdicts of the library become sentences about a file. */
#include "gdcerts/inspection.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *role_name(enum role role)
{
	static const char *const names[] = {
		[ROLE_CA] = "CA",
		[ROLE_SERVER] = "server",
		[ROLE_CLIENT] = "client",
		[ROLE_EITHER] = "server or client",
		[ROLE_NEITHER] = "neither server nor client",
	};
	return names[role];
}

const char *kind_name(enum gds_file_kind kind)
{
	static const char *const names[] = {
		[GDS_FILE_PEM] = "pem",
		[GDS_FILE_ZIP] = "zip",
		[GDS_FILE_ENV] = "env",
		[GDS_FILE_DIRECTORY] = "directory",
	};
	return names[kind];
}

size_t usage_names(const struct gds_certificate *c, const char *names[static 4])
{
	size_t n = 0;
	if (c->digital_signature) {
		names[n++] = "digitalSignature";
	}
	if (c->cert_sign) {
		names[n++] = "keyCertSign";
	}
	/* Of a CA no purpose is asked. */
	if (c->server_auth && !c->is_ca) {
		names[n++] = "serverAuth";
	}
	if (c->client_auth && !c->is_ca) {
		names[n++] = "clientAuth";
	}
	return n;
}

__attribute__((format(printf, 4, 5))) static void add_problem(
	struct inspection *in, const char *id, const char *statement, const char *format, ...)
{
	if (in->n_problems == PROBLEMS_MAX) {
		return;
	}
	struct problem *p = &in->problems[in->n_problems++];
	*p = (struct problem){.id = id, .statement = statement};
	va_list args;
	va_start(args, format);
	vsnprintf(p->text, sizeof(p->text), format, args);
	va_end(args);
}

static void judge_dates(struct inspection *in, const struct item *item, int64_t now)
{
	const struct gds_certificate *c = &item->cert;
	const char *statement = item->role == ROLE_CLIENT ? "TLS-03" : "TLS-04";
	char date[40];
	if (c->not_after < now) {
		add_problem(in, "expired", statement,
			"the %s certificate expired on %s: make new ones, on the agent and in "
			"GoDoxy",
			role_name(item->role), gds_date_format(c->not_after, date));
	}
	if (c->not_before > now) {
		add_problem(in, "not-yet-valid", statement,
			"the %s certificate is not valid before %s: is the clock here right?",
			role_name(item->role), gds_date_format(c->not_before, date));
	}
}

static void judge_ca(struct inspection *in, const struct item *item, int64_t now)
{
	judge_dates(in, item, now);
	if (!item->cert.is_ca) {
		add_problem(in, "not-a-ca", "CERT-01",
			"the CA certificate is none (no CA:TRUE): is it a server's or a client's?");
	} else if (!item->cert.cert_sign) {
		add_problem(in, "ca-usage", "CERT-01",
			"the CA certificate may not sign others: its key usage lacks keyCertSign");
	}
}

static void judge_flags(struct inspection *in, const struct item *item, unsigned flags)
{
	bool server = item->role == ROLE_SERVER;
	const char *role = role_name(item->role);
	const char *statement = server ? "TLS-04" : "TLS-03";
	if (flags & GDS_VERIFY_SIGNER) {
		add_problem(in, "other-ca", statement,
			"the %s certificate is not signed by this CA: agent and GoDoxy refuse each "
			"other unless one CA signed both",
			role);
	}
	if (flags & GDS_VERIFY_SIGNATURE) {
		add_problem(in, "weak-signature", statement,
			"the signature of the %s certificate is wrong or too weak", role);
	}
	if (flags & GDS_VERIFY_PURPOSE) {
		add_problem(in, "purpose", statement,
			"the %s certificate is not meant for a %s: its extended key usage lacks %s",
			role, role, server ? "serverAuth" : "clientAuth");
	}
	if (flags & GDS_VERIFY_NO_SAN) {
		add_problem(in, "no-san", statement,
			"the server certificate has no DNS name: a common name is not enough, it "
			"wants the subject alternative name godoxy.agent");
	} else if (flags & GDS_VERIFY_NAME) {
		add_problem(in, "name", statement,
			"the server certificate is for %s, not for godoxy.agent", item->cert.names);
	}
	if (flags & (GDS_VERIFY_REVOKED | GDS_VERIFY_OTHER)) {
		add_problem(in, "refused", statement, "the %s certificate would be refused", role);
	}
}

/** \param ca_pem NULL: the signer is not judged. */
static void judge_leaf(struct inspection *in, const struct item *item, const char *pem,
	const char *ca_pem, int64_t now)
{
	if (item->role == ROLE_NEITHER) {
		add_problem(in, "purpose", "CERT-01",
			"the certificate is meant for neither server nor client: its extended key "
			"usage lacks both");
	}
	/* Trusting the certificate itself leaves all but its signer to be judged. */
	unsigned flags = gds_certificate_judge(pem, ca_pem ? ca_pem : pem,
		item->role == ROLE_SERVER ? GDS_LEAF_SERVER : GDS_LEAF_CLIENT, now);
	if (!ca_pem) {
		flags &= ~(unsigned)(GDS_VERIFY_SIGNER | GDS_VERIFY_SIGNATURE | GDS_VERIFY_OTHER);
	}
	if (item->role == ROLE_NEITHER) {
		flags &= ~(unsigned)GDS_VERIFY_PURPOSE;
	}
	judge_dates(in, item, now);
	judge_flags(in, item, flags);
	if (!item->cert.digital_signature) {
		add_problem(in, "key-usage", "CERT-01",
			"the %s certificate may not sign: its key usage lacks digitalSignature",
			role_name(item->role));
	}
	if (item->cert.rsa && item->role != ROLE_CLIENT) {
		add_problem(in, "rsa-udp", "CERT-05",
			"the server certificate has an RSA key: it works for TCP and can never "
			"work for "
			"UDP, whose only cipher suite wants ECDSA; make new certificates");
	}
}

static struct item *add_item(struct inspection *in, enum role role, const char *pem)
{
	static struct item none;
	struct item *item = in->n_items < ITEMS_MAX ? &in->items[in->n_items++] : &none;
	*item = (struct item){.role = role};
	if (pem) {
		gds_certificate_read(&item->cert, pem);
	}
	return item;
}

static void add_key(struct item *item, const char *pem)
{
	item->has_key = pem && gds_key_read(item->key, pem) == GDS_OK;
}

/** Zip, AGENT_* values, directory: what each certificate is for is known. */
static void inspect_identity(
	struct inspection *in, const struct gds_identity *id, enum role role, int64_t now)
{
	struct item *ca = add_item(in, ROLE_CA, id->ca);
	add_key(ca, id->ca_key);
	judge_ca(in, ca, now);
	struct item *leaf = add_item(in, role, id->cert);
	add_key(leaf, id->key);
	judge_leaf(in, leaf, id->cert, id->ca, now);
}

static enum role role_of(const struct gds_certificate *c)
{
	if (c->is_ca) {
		return ROLE_CA;
	}
	if (c->server_auth && c->client_auth) {
		return ROLE_EITHER;
	}
	return c->server_auth ? ROLE_SERVER : c->client_auth ? ROLE_CLIENT : ROLE_NEITHER;
}

/** Any certificates one after the other, perhaps a key: what each is for is read from it. */
static void inspect_pem(
	struct inspection *in, const struct gds_identity *id, const char *ca_pem, int64_t now)
{
	static const char end_line[] = "-----END CERTIFICATE-----";
	struct item *first = NULL;
	const char *end;
	for (const char *p = id->cert; p && (end = strstr(p, end_line)); p = end) {
		end += strlen(end_line);
		char *pem = strndup(p, (size_t)(end - p));
		struct gds_certificate cert;
		if (!pem || in->n_items == ITEMS_MAX ||
			gds_certificate_read(&cert, pem) != GDS_OK) {
			add_problem(in, "unusable", NULL,
				"only the first %zu certificates were read", in->n_items);
			free(pem);
			return;
		}
		struct item *item = add_item(in, role_of(&cert), pem);
		first = first ? first : item;
		if (item->role == ROLE_CA) {
			judge_ca(in, item, now);
		} else {
			judge_leaf(in, item, pem, ca_pem, now);
		}
		free(pem);
	}
	if (id->key) {
		add_key(first ? first : add_item(in, ROLE_NEITHER, NULL), id->key);
	}
}

/* Who reads the key is GoDoxy, or the agent, for everyone. */
static void judge_mode(struct inspection *in, bool has_key)
{
	struct stat st;
	if (has_key && stat(in->path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077)) {
		add_problem(in, "mode", "CERT-04",
			"the file holds a private key and has mode %04o, open to others: chmod 600 "
			"it",
			(unsigned)st.st_mode & 07777);
	}
}

void inspection_run(struct inspection *in, const char *path, const char *ca_pem, int64_t now)
{
	struct gds_identity *id = NULL;
	struct gds_complaint complaint = {0};
	*in = (struct inspection){.path = path};
	int status = gds_identity_kind(&in->kind, path, &complaint);
	if (status == GDS_OK) {
		switch (in->kind) {
		case GDS_FILE_ENV:
			status = gds_identity_from_env_file(&id, path, &complaint);
			break;
		case GDS_FILE_PEM:
			status = gds_identity_from_pem(&id, path, &complaint);
			break;
		case GDS_FILE_ZIP:
		case GDS_FILE_DIRECTORY:
			status = gds_identity_from_path(&id, path, &complaint);
			break;
		}
	}
	if (status != GDS_OK) {
		/* A file of rubbish is a finding; one that cannot be read is no answer at all. */
		in->unreadable = status != GDS_E_FORMAT && status != GDS_E_LIMIT;
		add_problem(
			in, in->unreadable ? "unreadable" : "unusable", NULL, "%s", complaint.text);
		return;
	}
	if (in->kind == GDS_FILE_PEM) {
		inspect_pem(in, id, ca_pem, now);
	} else {
		inspect_identity(in, id, in->kind == GDS_FILE_ENV ? ROLE_SERVER : ROLE_CLIENT, now);
	}
	judge_mode(in, id->key || id->ca_key);
	gds_identity_free(id);
}
