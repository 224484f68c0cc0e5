/* SPDX-License-Identifier: MIT */
/** --add-agent: GoDoxy's own sequence when it gets to know an agent, and what comes of it. */
#ifndef GDPROBE_ADDITION_H
#define GDPROBE_ADDITION_H

#include "net/curl.h"

#include <stdbool.h>

/** What an agent without /info is asked instead, in this order. */
enum old_question { OLD_NAME, OLD_VERSION, OLD_RUNTIME, OLD_QUESTIONS };

/** How far GoDoxy would get. */
struct addition {
	bool old_agent; /* /info answered with another status than 200 */
	unsigned asked; /* of the old questions */
	bool failed;	/* one of them was not answered */
	char answers[OLD_QUESTIONS][64];
	long runtime_status;
	gds_time start;
};

struct check;
struct probe;
struct gds_result;

/** A face has its result: the next step of the sequence, if there is one. */
void addition_follow(struct check *);
/** The path of the question that is asked now. */
const char *addition_path(const struct addition *);
/** Its answer. */
void addition_answer(struct addition *, const struct gds_fetch_result *);
/** Judge; faces are judged already. */
void addition_result(const struct probe *, struct gds_result *);

#endif
