/* SPDX-License-Identifier: MIT */
#include "io/resolver.h"

#include "core/host.h"
#include "io/socket.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define HOST_SIZE 256
/* Addresses kept of one name: twice what a race tries (GDS_RACE_MAX). */
#define ADDRESSES_MAX 16
/* glibc's resolver and NSS modules keep their buffers on the stack; 64 KiB are too few for some. */
#define STACK_SIZE ((size_t)256 * 1024)

enum state { WAITING, RUNNING, ANSWERED };

struct request {
	struct request *next;
	unsigned ticket;
	enum state state;
	char host[HOST_SIZE];
	uint16_t port;
	gds_time deadline;
	gds_resolved_fn *fn;
	void *ctx;
	struct gds_error why;
	struct gds_address list[ADDRESSES_MAX];
	size_t n;
};

/*
 * What threads and resolver share. A thread inside getaddrinfo cannot be stopped and may outlive
 * the resolver, so it holds a reference, and works on copies of its own. The requests belong to the
 * resolver: whoever has the lock and finds its ticket in the list may touch one.
 */
struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	unsigned references;
	bool stop;	      /* the resolver is gone: fd and requests with it */
	int fd;		      /* eventfd, written under the lock only */
	size_t threads, idle; /* started; of these waiting for work */
	size_t waiting;	      /* requests that no thread has taken */
	struct request *first;
};

struct gds_resolver {
	const struct gds_env *env;
	struct pool *pool;
	size_t threads_max;
	unsigned last_ticket;
};

/* --- Threads --- */

static void pool_unref(struct pool *pool)
{
	bool last;

	pthread_mutex_lock(&pool->lock);
	last = --pool->references == 0;
	pthread_mutex_unlock(&pool->lock);
	if (last) {
		pthread_cond_destroy(&pool->work);
		pthread_mutex_destroy(&pool->lock);
		free(pool);
	}
}

/* One look-up, on the thread's own stack. */
struct lookup {
	unsigned ticket;
	char host[HOST_SIZE];
	uint16_t port;
	struct gds_error why;
	struct gds_address list[ADDRESSES_MAX];
	size_t n;
};

static bool is_listed(const struct lookup *l, const struct gds_address *address)
{
	for (size_t i = 0; i < l->n; i++) {
		if (gds_address_equal(&l->list[i], address)) {
			return true;
		}
	}
	return false;
}

/* The resolver's order (RFC 6724) is kept. */
static void look_up(struct lookup *l)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int rc = getaddrinfo(l->host, NULL, &hints, &found);

	if (rc != 0) {
		l->why = (struct gds_error){.code = GDS_E_RESOLVE,
			.lib = rc,
			.sys = rc == EAI_SYSTEM ? errno : 0,
			.origin = GDS_PATH};
		return;
	}
	for (struct addrinfo *a = found; a && l->n < ADDRESSES_MAX; a = a->ai_next) {
		struct gds_address address;

		if (gds_address_from_sockaddr(&address, a->ai_addr) == GDS_OK) {
			address.port = l->port;
			if (!is_listed(l, &address)) {
				l->list[l->n++] = address;
			}
		}
	}
	freeaddrinfo(found);
	if (l->n == 0) {
		l->why = (struct gds_error){.code = GDS_E_RESOLVE, .lib = EAI_NONAME};
	}
}

/* With the lock. \return the oldest that waits, or NULL. */
static struct request *next_waiting(struct pool *pool)
{
	struct request *r = pool->first;

	while (r && r->state != WAITING) {
		r = r->next;
	}
	return r;
}

/* With the lock. The request may be gone: cancelled, past its deadline, or with its resolver. */
static void hand_in(struct pool *pool, const struct lookup *l)
{
	struct request *r = pool->first;
	uint64_t one = 1;

	while (r && r->ticket != l->ticket) {
		r = r->next;
	}
	if (r) {
		r->state = ANSWERED;
		r->why = l->why;
		memcpy(r->list, l->list, sizeof(r->list));
		r->n = l->n;
		/* An eventfd takes a write as long as its counter is not near 2^64. */
		(void)!write(pool->fd, &one, sizeof(one));
	}
}

static void *work(void *ctx)
{
	struct pool *pool = ctx;

	pthread_mutex_lock(&pool->lock);
	while (!pool->stop) {
		struct request *r = next_waiting(pool);
		struct lookup l = {0};

		if (!r) {
			pool->idle++;
			pthread_cond_wait(&pool->work, &pool->lock);
			pool->idle--;
			continue;
		}
		r->state = RUNNING;
		pool->waiting--;
		l.ticket = r->ticket;
		l.port = r->port;
		memcpy(l.host, r->host, sizeof(l.host));
		pthread_mutex_unlock(&pool->lock);
		look_up(&l);
		pthread_mutex_lock(&pool->lock);
		hand_in(pool, &l);
	}
	pthread_mutex_unlock(&pool->lock);
	pool_unref(pool);
	return NULL;
}

/* With the lock. \return GDS_OK or GDS_E_NOMEM. */
static int start_thread(struct pool *pool)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;
	int rc;

	if (pthread_attr_init(&attributes) != 0) {
		return GDS_E_NOMEM;
	}
	(void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &attributes, work, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (rc != 0) {
		return GDS_E_NOMEM;
	}
	pool->threads++;
	pool->references++;
	return GDS_OK;
}

/* --- The resolver --- */

struct gds_resolver *gds_resolver_new(const struct gds_env *env, size_t threads)
{
	struct gds_resolver *resolver = gds_alloc(env, sizeof(*resolver));
	/* Not the env's memory: the last thread frees it, when the env may be gone. */
	struct pool *pool = calloc(1, sizeof(*pool));

	if (pool) {
		pool->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	if (!resolver || !pool || pool->fd < 0) {
		free(pool);
		gds_free(env, resolver);
		return NULL;
	}
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pool->references = 1;
	resolver->env = env;
	resolver->pool = pool;
	resolver->threads_max = threads > 0 ? threads : GDS_RESOLVER_THREADS;
	return resolver;
}

/* \return true when an answer was given: a literal, or what is no name. */
static bool answer_inline(const char *host, uint16_t port, gds_resolved_fn *fn, void *ctx)
{
	struct gds_error why = {0};
	struct gds_address address;
	size_t length = strlen(host);

	if (gds_address_parse(&address, host, port) == GDS_OK) {
		fn(ctx, 0, &why, &address, 1);
		return true;
	}
	/* HDR-14, by rule: getaddrinfo would take 127.1 or 2130706433 for an address. */
	if (length == 0 || length >= HOST_SIZE || gds_host_is_number(host, length)) {
		why = (struct gds_error){.code = GDS_E_RESOLVE,
			.lib = EAI_NONAME,
			.statement = length > 0 && length < HOST_SIZE ? "HDR-14" : NULL};
		fn(ctx, 0, &why, NULL, 0);
		return true;
	}
	return false;
}

static struct request *request_new(struct gds_resolver *resolver, const char *host, uint16_t port)
{
	struct request *r = gds_alloc(resolver->env, sizeof(*r));

	if (r) {
		do {
			r->ticket = ++resolver->last_ticket;
		} while (r->ticket == 0);
		memcpy(r->host, host, strlen(host) + 1);
		r->port = port;
	}
	return r;
}

/* With the lock: append, and see to it that somebody works on it. */
static int enqueue(struct gds_resolver *resolver, struct request *r)
{
	struct pool *pool = resolver->pool;
	struct request **at = &pool->first;
	int rc = GDS_OK;

	if (pool->waiting >= GDS_RESOLVER_QUEUE) {
		return GDS_E_LIMIT;
	}
	if (pool->idle <= pool->waiting && pool->threads < resolver->threads_max) {
		rc = start_thread(pool);
	}
	if (pool->threads == 0) {
		return rc;
	}
	while (*at) {
		at = &(*at)->next;
	}
	*at = r;
	pool->waiting++;
	pthread_cond_signal(&pool->work);
	return GDS_OK;
}

unsigned gds_resolver_ask(struct gds_resolver *resolver, const char *host, uint16_t port,
	gds_time deadline, gds_resolved_fn *fn, void *ctx)
{
	struct request *r;
	int rc = GDS_E_NOMEM;
	unsigned ticket = 0;

	if (answer_inline(host, port, fn, ctx)) {
		return 0;
	}
	r = request_new(resolver, host, port);
	if (r) {
		r->deadline = deadline;
		r->fn = fn;
		r->ctx = ctx;
		ticket = r->ticket;
		pthread_mutex_lock(&resolver->pool->lock);
		rc = enqueue(resolver, r);
		pthread_mutex_unlock(&resolver->pool->lock);
	}
	if (rc != GDS_OK) {
		struct gds_error why = {.code = rc, .origin = GDS_LOCAL};

		gds_free(resolver->env, r);
		fn(ctx, 0, &why, NULL, 0);
		return 0;
	}
	return ticket;
}

/* With the lock. */
static void unlink_request(struct pool *pool, struct request *r)
{
	struct request **at = &pool->first;

	while (*at != r) {
		at = &(*at)->next;
	}
	*at = r->next;
	if (r->state == WAITING) {
		pool->waiting--;
	}
}

void gds_resolver_cancel(struct gds_resolver *resolver, unsigned ticket)
{
	struct pool *pool = resolver->pool;
	struct request *r;

	pthread_mutex_lock(&pool->lock);
	r = pool->first;
	while (r && r->ticket != ticket) {
		r = r->next;
	}
	if (r) {
		unlink_request(pool, r);
	}
	pthread_mutex_unlock(&pool->lock);
	gds_free(resolver->env, r);
}

int gds_resolver_fd(const struct gds_resolver *resolver)
{
	return resolver->pool->fd;
}

/*
 * Take one that is answered, or past its deadline, off the list. \return NULL when there is none.
 */
static struct request *take_finished(struct pool *pool, gds_time now)
{
	struct request *r;

	pthread_mutex_lock(&pool->lock);
	r = pool->first;
	while (r && r->state != ANSWERED && r->deadline > now) {
		r = r->next;
	}
	if (r) {
		unlink_request(pool, r);
		if (r->state != ANSWERED) {
			r->why = (struct gds_error){.code = GDS_E_TIMEOUT, .origin = GDS_PATH};
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return r;
}

void gds_resolver_run(struct gds_resolver *resolver, gds_time now)
{
	struct request *r;
	uint64_t count;

	(void)!read(resolver->pool->fd, &count, sizeof(count));
	/* One at a time: what is called may ask and cancel. */
	while ((r = take_finished(resolver->pool, now))) {
		r->fn(r->ctx, r->ticket, &r->why, r->n > 0 ? r->list : NULL, r->n);
		gds_free(resolver->env, r);
	}
}

gds_time gds_resolver_deadline(const struct gds_resolver *resolver)
{
	gds_time at = GDS_NEVER;

	pthread_mutex_lock(&resolver->pool->lock);
	for (const struct request *r = resolver->pool->first; r; r = r->next) {
		at = r->deadline < at ? r->deadline : at;
	}
	pthread_mutex_unlock(&resolver->pool->lock);
	return at;
}

void gds_resolver_free(struct gds_resolver *resolver)
{
	struct pool *pool;

	if (!resolver) {
		return;
	}
	pool = resolver->pool;
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	while (pool->first) {
		struct request *r = pool->first;

		pool->first = r->next;
		gds_free(resolver->env, r);
	}
	close(pool->fd);
	pool->fd = -1;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	pool_unref(pool);
	gds_free(resolver->env, resolver);
}
