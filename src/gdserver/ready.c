/* SPDX-License-Identifier: MIT */
#include "gdserver/gdserver.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int write_whole(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, text, n);
		if (w < 0 && errno != EINTR) {
			return -1;
		}
		text += w > 0 ? w : 0;
		n -= w > 0 ? (size_t)w : 0;
	}
	return 0;
}

/* Whoever waits for the file must never see half of it. */
static int replace_file(const char *path, const char *text, size_t n)
{
	char temporary[PATH_MAX];
	int length = snprintf(temporary, sizeof(temporary), "%s.%ld", path, (long)getpid());
	if (length < 0 || (size_t)length >= sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		return -1;
	}
	int rc = write_whole(fd, text, n);
	if (close(fd) < 0 || rc < 0 || rename(temporary, path) < 0) {
		int saved = errno;
		unlink(temporary);
		errno = saved;
		return -1;
	}
	return 0;
}

int gdserver_ready(const struct gdserver_options *o, const struct gds_address *address,
	struct gds_complaint *complaint)
{
	char at[GDS_ADDRESS_TEXT], line[2 * GDS_ADDRESS_TEXT + 32];
	gds_address_format(address, at);
	int n = snprintf(line, sizeof(line), "{\"tcp\":\"%s\",\"udp\":\"%s\"}\n", at, at);
	if (o->ready_fd >= 0) {
		if (write_whole(o->ready_fd, line, (size_t)n) < 0) {
			return gds_complain(complaint, GDS_E_FILE,
				"--ready-fd %d cannot be written: %s", o->ready_fd,
				strerror(errno));
		}
		if (o->ready_fd > STDERR_FILENO) {
			close(o->ready_fd);
		}
	}
	if (o->ready_file && replace_file(o->ready_file, line, (size_t)n) < 0) {
		return gds_complain(complaint, GDS_E_FILE, "--ready-file %s cannot be written: %s",
			o->ready_file, strerror(errno));
	}
	return GDS_OK;
}
