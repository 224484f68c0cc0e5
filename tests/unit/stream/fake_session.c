/* SPDX-License-Identifier: MIT */
#include "fake_session.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct gds_session {
	struct gds_carrier carrier;
	struct gds_carrier *socket;
	struct gds_facts facts;
	enum gds_transport transport;
	const char *alpn;
};

struct script scripts[FAKE_SESSIONS];
static struct gds_session *sessions[FAKE_SESSIONS];
size_t made, closed_clean, closed_silent, sockets_open;
uint8_t written[1024];
size_t written_length;
int trust_references;
gds_time clock_now;

static gds_time test_mono(void *ctx)
{
	(void)ctx;
	return clock_now;
}

static void *heap(void *ctx, void *old, size_t n)
{
	(void)ctx;
	if (n == 0) {
		free(old);
		return NULL;
	}
	return realloc(old, n);
}

const struct gds_env fake_env = {.mono = test_mono, .wall = test_mono, .realloc = heap};

static struct script *script_of(struct gds_carrier *carrier)
{
	for (size_t i = 0; i < made; i++) {
		if (sessions[i] && &sessions[i]->carrier == carrier) {
			return &scripts[i];
		}
	}
	fail_msg("a carrier that was closed is used");
	return NULL;
}

static ssize_t fake_read(struct gds_carrier *carrier, void *buffer, size_t size)
{
	struct script *script = script_of(carrier);

	if (script->read > 0) {
		assert_true(size >= (size_t)script->read);
		memset(buffer, 'x', (size_t)script->read);
	}
	carrier->why = (struct gds_error){.code = script->read_code, .alert = script->alert};
	return script->read;
}

static ssize_t fake_write(struct gds_carrier *carrier, const void *data, size_t size)
{
	struct script *script = script_of(carrier);

	if (script->write < 0) {
		carrier->why = (struct gds_error){.code = script->write};
		return script->write;
	}
	memcpy(written, data, size);
	written_length += size;
	return (ssize_t)size;
}

static int fake_ok(struct gds_carrier *carrier)
{
	script_of(carrier);
	return GDS_OK;
}

static void fake_interest(struct gds_carrier *carrier, struct gds_interest *out)
{
	script_of(carrier);
	*out = (struct gds_interest){.fd = 7, .events = POLLIN, .deadline = GDS_NEVER};
}

static void fake_close(struct gds_carrier *carrier, enum gds_close how)
{
	for (size_t i = 0; i < made; i++) {
		if (sessions[i] && &sessions[i]->carrier == carrier) {
			*(how == GDS_CLOSE_CLEAN ? &closed_clean : &closed_silent) += 1;
			gds_carrier_close(sessions[i]->socket, how);
			free(sessions[i]);
			sessions[i] = NULL;
			return;
		}
	}
	fail_msg("closed twice");
}

static const struct gds_carrier_ops fake_ops = {
	.read = fake_read,
	.write = fake_write,
	.shut = fake_ok,
	.flush = fake_ok,
	.interest = fake_interest,
	.close = fake_close,
};

int gds_session_new(struct gds_session **out, const struct gds_profile *profile,
	struct gds_trust *trust, struct gds_carrier *below)
{
	struct gds_session *session = calloc(1, sizeof(*session));

	(void)trust;
	assert_true(made < FAKE_SESSIONS);
	assert_int_equal(profile->role, GDS_CLIENT);
	session->carrier.ops = &fake_ops;
	session->socket = below;
	session->transport = profile->transport;
	session->alpn = profile->alpn[0];
	session->facts.started = clock_now;
	sessions[made++] = *out = session;
	return GDS_OK;
}

int gds_session_handshake(struct gds_session *session)
{
	struct script *script = script_of(&session->carrier);

	session->facts.bytes_in = script->answers ? 100 + script->more : 0;
	if (script->handshake == GDS_OK) {
		const char *alpn = script->selects ? script->selects : session->alpn;

		session->facts.established = true;
		session->facts.verified = session->facts.finished = clock_now;
		snprintf(session->facts.alpn, sizeof(session->facts.alpn), "%s", alpn ? alpn : "");
	}
	session->carrier.why =
		(struct gds_error){.code = script->handshake_code, .alert = script->alert};
	return script->handshake;
}

const struct gds_facts *gds_session_facts(const struct gds_session *session)
{
	return &session->facts;
}

struct gds_carrier *gds_session_carrier(struct gds_session *session)
{
	return &session->carrier;
}

struct gds_trust *gds_trust_ref(struct gds_trust *trust)
{
	trust_references++;
	return trust;
}

void gds_trust_unref(struct gds_trust *trust)
{
	(void)trust;
	trust_references--;
}

static void socket_close(struct gds_carrier *carrier, enum gds_close how)
{
	(void)how;
	sockets_open--;
	free(carrier);
}

static const struct gds_carrier_ops socket_ops = {.close = socket_close};

struct gds_carrier *fake_socket_new(void)
{
	struct gds_carrier *carrier = calloc(1, sizeof(*carrier));

	carrier->ops = &socket_ops;
	carrier->env = &fake_env;
	sockets_open++;
	return carrier;
}

int fake_setup(void **state)
{
	(void)state;
	memset(scripts, 0, sizeof(scripts));
	memset(sessions, 0, sizeof(sessions));
	made = closed_clean = closed_silent = written_length = sockets_open = 0;
	trust_references = 0;
	clock_now = 1000 * GDS_SECOND;
	for (size_t i = 0; i < FAKE_SESSIONS; i++) {
		scripts[i] = (struct script){.handshake = GDS_OK, .answers = true, .read = GDS_EOF};
	}
	return 0;
}
