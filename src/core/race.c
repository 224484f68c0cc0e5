/* SPDX-License-Identifier: MIT */
#include <gdstream/env.h>
#include <gdstream/race.h>

#include <string.h>

static bool is_known(const struct gds_race *race, const struct gds_address *address)
{
	for (size_t i = 0; i < race->n; i++) {
		if (gds_address_equal(&race->list[i], address)) {
			return true;
		}
	}
	return false;
}

/* Append the next IPv6 (or other) address of the list, from *at on. \return false: none left. */
static bool take(
	struct gds_race *race, const struct gds_address *list, size_t n, size_t *at, bool six)
{
	for (; *at < n; (*at)++) {
		if ((list[*at].family == 6) == six && !is_known(race, &list[*at])) {
			race->list[race->n++] = list[(*at)++];
			return true;
		}
	}
	return false;
}

void gds_race_init(struct gds_race *race, const struct gds_address *list, size_t n)
{
	size_t at[2] = {0, 0};
	bool six = n > 0 && list[0].family == 6;

	memset(race, 0, sizeof(*race));
	race->winner = -1;
	/* RFC 8305 section 4: alternate, beginning with what the resolver prefers. */
	while (race->n < GDS_RACE_MAX) {
		if (!take(race, list, n, &at[six], six) && !take(race, list, n, &at[!six], !six)) {
			break;
		}
		six = race->list[race->n - 1].family != 6;
	}
}

/* \return the first index in that state, n when there is none. */
static size_t find(const struct gds_race *race, enum gds_race_state state)
{
	size_t i = 0;

	while (i < race->n && race->state[i] != state) {
		i++;
	}
	return i;
}

enum gds_race_action gds_race_next(struct gds_race *race, gds_time now, size_t *i)
{
	size_t waiting = find(race, GDS_RACE_WAITING), started = find(race, GDS_RACE_STARTED);

	if (race->winner >= 0) {
		if (started < race->n) {
			*i = started;
			race->state[started] = GDS_RACE_CANCELLED;
			return GDS_RACE_CANCEL;
		}
		*i = (size_t)race->winner;
		return GDS_RACE_WIN;
	}
	if (waiting < race->n && (started == race->n || now >= race->next)) {
		*i = waiting;
		race->state[waiting] = GDS_RACE_STARTED;
		race->next = gds_later(now, GDS_RACE_DELAY);
		return GDS_RACE_START;
	}
	return started < race->n ? GDS_RACE_WAIT : GDS_RACE_FAIL;
}

void gds_race_won(struct gds_race *race, size_t i)
{
	/* A second one to get through stays STARTED, and is cancelled as any other. */
	if (race->winner < 0 && race->state[i] == GDS_RACE_STARTED) {
		race->winner = (int)i;
		race->state[i] = GDS_RACE_WON;
	}
}

void gds_race_lost(struct gds_race *race, size_t i, gds_time now)
{
	if (race->state[i] == GDS_RACE_STARTED) {
		race->state[i] = GDS_RACE_LOST;
		race->next = now;
	}
}

gds_time gds_race_deadline(const struct gds_race *race)
{
	bool waiting = find(race, GDS_RACE_WAITING) < race->n;

	return race->winner < 0 && waiting ? race->next : GDS_NEVER;
}
