/* SPDX-License-Identifier: MIT */
/* libcurl can neither be given our TLS session nor, in 7.88, an open socket
 * (CURL_SOCKOPT_ALREADY_CONNECTED ends with EINVAL). So it connects to an abstract UNIX socket with
 * a name the kernel chose, and a tunnel machine joins what it says there to the session. The
 * listener takes the first connection that comes from this process, and closes. */
#include "config.h"

#include "net/curl.h"

#include "io/socket.h"

#include <gdstream/header.h>

#include <curl/curl.h>

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

struct gds_fetch {
	struct gds_fetch_options options;
	gds_fetch_fn *done;
	void *ctx;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	int listener;
	struct gds_watch *accepting, *transfer;
	struct gds_timer *timer, *limit;
	struct gds_carrier *session; /* until the tunnel has it */
	struct gds_binding *tunnel;
	int fd; /* curl's end, while it is watched */
	bool tunnel_over;
	bool orphan;	  /* freed by its owner; the tunnel still says goodbye */
	bool finished;	  /* done was, or is about to be, called */
	bool transferred; /* curl has the whole answer, or gave up */
	CURLcode code;
	gds_time start;
	struct gds_fetch_result result;
	char body[GDS_FETCH_BODY_MAX + 1];
};

static void finish(struct gds_fetch *fetch)
{
	if (fetch->finished) {
		return;
	}
	fetch->finished = true;
	gds_timer_set(fetch->limit, GDS_NEVER);
	gds_timer_set(fetch->timer, GDS_NEVER);
	fetch->result.duration = gds_now(fetch->options.env) - fetch->start;
	fetch->result.body = fetch->body;
	fetch->done(fetch->ctx, &fetch->result);
}

/* curl's own reasons matter only when the session has none. */
static void fail(struct gds_fetch *fetch, int code, enum gds_origin origin)
{
	if (fetch->result.why.code == GDS_OK) {
		fetch->result.why = (struct gds_error){
			.code = code, .origin = origin, .stage = GDS_STAGE_PAYLOAD};
	}
}

static void read_answer(struct gds_fetch *fetch)
{
	curl_off_t date = -1;

	curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &fetch->result.status);
	/* The Date header, not CURLINFO_FILETIME, which is Last-Modified. */
	struct curl_header *header = NULL;
	if (curl_easy_header(fetch->easy, "Date", 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
		date = (curl_off_t)curl_getdate(header->value, NULL);
	}
	fetch->result.date_known = date >= 0;
	fetch->result.date = date;
}

/* curl lost its connection: why, the tunnel says when it has ended, which is soon. Everything else
 * is about HTTP. */
static bool cut_short(CURLcode code)
{
	return code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
	       code == CURLE_PARTIAL_FILE;
}

/* The answer is whole, or the tunnel ended and with it all hope of one. */
static void settle(struct gds_fetch *fetch)
{
	if (fetch->finished || !fetch->transferred) {
		return;
	}
	if (fetch->code == CURLE_OK) {
		memset(&fetch->result.why, 0, sizeof(fetch->result.why));
		read_answer(fetch);
		finish(fetch);
	} else if (fetch->listener >= 0) {
		long sys = 0;

		/* It never came as far as our own listener. Where curl has no errno it had no
		 * descriptor. */
		curl_easy_getinfo(fetch->easy, CURLINFO_OS_ERRNO, &sys);
		fail(fetch,
			fetch->code == CURLE_OUT_OF_MEMORY ? GDS_E_NOMEM
			: sys				   ? gds_status_from_errno((int)sys)
							   : GDS_E_DESCRIPTORS,
			GDS_LOCAL);
		finish(fetch);
	} else if (fetch->tunnel_over || !cut_short(fetch->code)) {
		fail(fetch, GDS_E_FORMAT, GDS_PEER);
		finish(fetch);
	}
}

static void check_done(struct gds_fetch *fetch)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(fetch->multi, &left))) {
		if (message->msg == CURLMSG_DONE) {
			fetch->transferred = true;
			fetch->code = message->data.result;
		}
	}
	settle(fetch);
}

static void act(struct gds_fetch *fetch, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(fetch->multi, fd, events, &running);
	check_done(fetch);
}

static void on_transfer(void *ctx, short revents)
{
	struct gds_fetch *fetch = ctx;
	int events = (revents & POLLIN ? CURL_CSELECT_IN : 0) |
		     (revents & POLLOUT ? CURL_CSELECT_OUT : 0);

	act(fetch, fetch->fd, events);
}

static void on_timer(void *ctx)
{
	act(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static void on_limit(void *ctx)
{
	struct gds_fetch *fetch = ctx;

	fail(fetch, GDS_E_TIMEOUT, GDS_PEER);
	finish(fetch);
}

/* curl tells which descriptor it waits for; there is only ever one. */
static int curl_watches(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
	struct gds_fetch *fetch = ctx;
	short events =
		(short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));

	(void)easy;
	(void)unused;
	fetch->fd = fd;
	if (what == CURL_POLL_REMOVE) {
		gds_watch_free(fetch->transfer);
		fetch->transfer = NULL;
	} else if (fetch->transfer) {
		gds_watch_set(fetch->transfer, fd, events);
	} else {
		fetch->transfer =
			gds_watch_new(fetch->options.loop, fd, events, on_transfer, fetch);
	}
	return 0;
}

static int curl_waits(CURLM *multi, long milliseconds, void *ctx)
{
	struct gds_fetch *fetch = ctx;
	gds_time at = GDS_NEVER;

	(void)multi;
	if (milliseconds >= 0 && !fetch->finished) {
		at = gds_later(gds_now(fetch->options.env), milliseconds * GDS_MILLISECOND);
	}
	gds_timer_set(fetch->timer, at);
	return 0;
}

static size_t curl_body(char *data, size_t one, size_t n, void *ctx)
{
	struct gds_fetch *fetch = ctx;

	(void)one;
	if (n > GDS_FETCH_BODY_MAX - fetch->result.length) {
		return 0;
	}
	memcpy(fetch->body + fetch->result.length, data, n);
	fetch->result.length += n;
	return n;
}

static void on_tunnel_done(void *ctx, struct gds_machine *machine)
{
	struct gds_fetch *fetch = ctx;
	const struct gds_tunnel_report *report = gds_tunnel_report(machine);

	fetch->tunnel = NULL;
	fetch->tunnel_over = true;
	if (fetch->orphan) {
		gds_free(fetch->options.env, fetch);
		return;
	}
	if (report->why.code != GDS_OK && report->why.code != GDS_E_CANCELLED) {
		fetch->result.why = report->why;
	}
	settle(fetch);
}

static void stop_accepting(struct gds_fetch *fetch)
{
	gds_watch_free(fetch->accepting);
	fetch->accepting = NULL;
	if (fetch->listener >= 0) {
		close(fetch->listener);
		fetch->listener = -1;
	}
}

static bool is_ourselves(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.pid == getpid();
}

static void join(struct gds_fetch *fetch, int fd)
{
	struct gds_tunnel_options options = {
		.scratch = fetch->options.scratch, .env = fetch->options.env};
	struct gds_carrier *plain = gds_stream_socket_new(fd, fetch->options.env);
	struct gds_machine *tunnel = plain ? gds_tunnel_new(fetch->session, plain, &options) : NULL;
	struct gds_binding *binding;

	if (!plain) {
		close(fd);
	}
	if (!tunnel) {
		gds_carrier_close(plain, GDS_CLOSE_SILENT);
		fail(fetch, GDS_E_NOMEM, GDS_LOCAL);
		finish(fetch);
		return;
	}
	fetch->session = NULL;
	binding = gds_driver_bind(fetch->options.driver, tunnel, on_tunnel_done, fetch);
	if (!binding) {
		tunnel->ops->free(tunnel);
		fail(fetch, GDS_E_NOMEM, GDS_LOCAL);
		finish(fetch);
	} else if (!fetch->tunnel_over) {
		fetch->tunnel = binding;
	}
}

static void on_accept(void *ctx, short revents)
{
	struct gds_fetch *fetch = ctx;
	int fd = accept4(fetch->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)revents;
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			/* No descriptor left: waiting would only wake us again at once. */
			fail(fetch, gds_status_from_errno(errno), GDS_LOCAL);
			stop_accepting(fetch);
			finish(fetch);
		}
		return;
	}
	/* An abstract name has no file mode: anybody on this machine may connect, and must not be
	 * answered. */
	if (!is_ourselves(fd)) {
		close(fd);
		return;
	}
	stop_accepting(fetch);
	join(fetch, fd);
}

/* Autobind: a name that only the kernel could choose, unlike one that somebody may have taken. */
static int listen_abstract(struct gds_fetch *fetch, char name[static 108])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t n = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	fetch->listener = fd;
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) != 0 ||
		listen(fd, 4) != 0 || getsockname(fd, (struct sockaddr *)&address, &n) != 0) {
		return gds_status_from_errno(errno);
	}
	n -= (socklen_t)offsetof(struct sockaddr_un, sun_path);
	/* The name follows a NUL and is five hexadecimal digits: a C string for curl. */
	memcpy(name, address.sun_path + 1, n - 1);
	name[n - 1] = '\0';
	fetch->accepting = gds_watch_new(fetch->options.loop, fd, POLLIN, on_accept, fetch);
	return fetch->accepting ? GDS_OK : GDS_E_NOMEM;
}

static int prepare(struct gds_fetch *fetch, const char *name)
{
	char url[512] = "http://" GDS_SERVER_NAME;

	if (strlen(fetch->options.path) >= sizeof(url) - strlen(url)) {
		return GDS_E_LIMIT;
	}
	strcat(url, fetch->options.path);
	fetch->multi = curl_multi_init();
	fetch->easy = curl_easy_init();
	/* One request a session: the agent then says goodbye first. */
	fetch->headers = curl_slist_append(NULL, "Connection: close");
	fetch->timer = gds_timer_new(fetch->options.loop, on_timer, fetch);
	fetch->limit = gds_timer_new(fetch->options.loop, on_limit, fetch);
	if (!fetch->multi || !fetch->easy || !fetch->headers || !fetch->timer || !fetch->limit) {
		return GDS_E_NOMEM;
	}
	curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETFUNCTION, curl_watches);
	curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETDATA, fetch);
	curl_multi_setopt(fetch->multi, CURLMOPT_TIMERFUNCTION, curl_waits);
	curl_multi_setopt(fetch->multi, CURLMOPT_TIMERDATA, fetch);
	curl_easy_setopt(fetch->easy, CURLOPT_URL, url);
	curl_easy_setopt(fetch->easy, CURLOPT_ABSTRACT_UNIX_SOCKET, name);
	/* Neither environment nor redirection may lead elsewhere. */
	curl_easy_setopt(fetch->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(fetch->easy, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(fetch->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, fetch->headers);
	curl_easy_setopt(fetch->easy, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
	curl_easy_setopt(fetch->easy, CURLOPT_NOSIGNAL, 1L);
	/* It closes its end when the answer is there, so that the session says close_notify
	 * (TLS-09). */
	curl_easy_setopt(fetch->easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(fetch->easy, CURLOPT_WRITEFUNCTION, curl_body);
	curl_easy_setopt(fetch->easy, CURLOPT_WRITEDATA, fetch);
	return curl_multi_add_handle(fetch->multi, fetch->easy) == CURLM_OK ? GDS_OK : GDS_E_NOMEM;
}

int gds_fetch_new(struct gds_fetch **out, struct gds_carrier *session,
	const struct gds_fetch_options *options, gds_fetch_fn *done, void *ctx)
{
	struct gds_fetch *fetch = gds_alloc(options->env, sizeof(*fetch));
	char name[sizeof(((struct sockaddr_un *)NULL)->sun_path)] = "";
	int rc;

	if (!fetch) {
		return GDS_E_NOMEM;
	}
	fetch->options = *options;
	fetch->done = done;
	fetch->ctx = ctx;
	fetch->listener = -1;
	fetch->start = gds_now(options->env);
	rc = listen_abstract(fetch, name);
	if (rc == GDS_OK) {
		rc = prepare(fetch, name);
	}
	if (rc != GDS_OK) {
		gds_fetch_free(fetch);
		return rc;
	}
	fetch->session = session;
	fetch->options.path = NULL;
	gds_timer_set(fetch->limit, options->deadline);
	*out = fetch;
	return GDS_OK;
}

void gds_fetch_free(struct gds_fetch *fetch)
{
	struct gds_binding *tunnel;

	if (!fetch) {
		return;
	}
	fetch->finished = true;
	gds_carrier_close(fetch->session, GDS_CLOSE_CLEAN);
	stop_accepting(fetch);
	if (fetch->easy && fetch->multi) {
		curl_multi_remove_handle(fetch->multi, fetch->easy);
	}
	curl_easy_cleanup(fetch->easy);
	if (fetch->multi) {
		curl_multi_cleanup(fetch->multi);
	}
	curl_slist_free_all(fetch->headers);
	gds_watch_free(fetch->transfer);
	gds_timer_free(fetch->timer);
	gds_timer_free(fetch->limit);
	tunnel = fetch->tunnel;
	if (!tunnel) {
		gds_free(fetch->options.env, fetch);
		return;
	}
	fetch->orphan = true;
	gds_driver_cancel(tunnel, GDS_CLOSE_CLEAN);
}
