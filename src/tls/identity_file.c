/* SPDX-License-Identifier: MIT */
/* Files of certificates and keys: read bounded, written atomically. */
#include "tls/identity_private.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void gds_secret_free(char *text, size_t n)
{
	if (text) {
		gnutls_memset(text, 0, n);
		free(text);
	}
}

void gds_secret_free_text(char *text)
{
	gds_secret_free(text, text ? strlen(text) : 0);
}

void gds_bytes_free(struct gds_bytes *bytes)
{
	gds_secret_free(bytes->data, bytes->size);
	*bytes = (struct gds_bytes){0};
}

static void user_name(uid_t uid, char *out, size_t size)
{
	struct passwd entry, *found = NULL;
	char buffer[1024];
	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found) {
		snprintf(out, size, "%s", found->pw_name);
	} else {
		snprintf(out, size, "uid %ju", (uintmax_t)uid);
	}
}

/* "Permission denied" alone sends people in circles: agents run as root, GoDoxy's zips are mode
 * 0600. */
static int complain_open(struct gds_complaint *complaint, const char *path, int sys)
{
	struct stat st;
	if (sys == EACCES && stat(path, &st) == 0) {
		char owner[64], self[64];
		user_name(st.st_uid, owner, sizeof(owner));
		user_name(geteuid(), self, sizeof(self));
		return gds_complain(complaint, GDS_E_FILE,
			"%s is not readable by %s: it belongs to %s, mode %04o; run this as %s, or "
			"copy it: sudo install -m 0600 -o %s %s .",
			path, self, owner, (unsigned)st.st_mode & 07777, owner, self, path);
	}
	if (sys == EACCES) {
		return gds_complain(complaint, GDS_E_FILE,
			"%s cannot be reached: a directory on its path is closed to this user",
			path);
	}
	if (sys == ENOENT) {
		return gds_complain(complaint, GDS_E_FILE, "%s does not exist", path);
	}
	return gds_complain(complaint, GDS_E_FILE, "%s cannot be read: %s", path, strerror(sys));
}

static int open_regular(const char *path, int *out, struct gds_complaint *complaint)
{
	/* A FIFO without a writer would block an open without O_NONBLOCK, and for ever. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		return complain_open(complaint, path, errno);
	}
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		const char *what = S_ISDIR(st.st_mode) ? "a directory" : "not a regular file";
		close(fd);
		return gds_complain(complaint, GDS_E_FILE, "%s is %s", path, what);
	}
	*out = fd;
	return GDS_OK;
}

static int read_all(int fd, struct gds_bytes *out, const char *path, size_t max,
	struct gds_complaint *complaint)
{
	char *data = malloc(max + 1);
	size_t size = 0;
	int status = data ? GDS_OK : gds_complain(complaint, GDS_E_NOMEM, "out of memory");
	while (status == GDS_OK) {
		/* One byte more than allowed is asked for, so that "too large" is seen. */
		ssize_t n = read(fd, data + size, max + 1 - size);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			status = complain_open(complaint, path, errno);
		} else if (n == 0) {
			break;
		} else {
			size += (size_t)n;
			if (size > max) {
				status = gds_complain(complaint, GDS_E_LIMIT,
					"%s is larger than %zu KiB: this is no file of an agent",
					path, max / 1024);
			}
		}
	}
	if (status != GDS_OK) {
		gds_secret_free(data, size);
		return status;
	}
	data[size] = '\0';
	*out = (struct gds_bytes){.data = data, .size = size};
	return GDS_OK;
}

int gds_file_read(
	struct gds_bytes *out, const char *path, size_t max, struct gds_complaint *complaint)
{
	if (strcmp(path, "-") == 0) {
		return read_all(STDIN_FILENO, out, "standard input", max, complaint);
	}
	int fd = -1;
	int status = open_regular(path, &fd, complaint);
	if (status == GDS_OK) {
		status = read_all(fd, out, path, max, complaint);
		close(fd);
	}
	return status;
}

static int write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t written = write(fd, data, n);
		if (written < 0 && errno == EINTR) {
			continue;
		}
		if (written < 0) {
			return -1;
		}
		data += written;
		n -= (size_t)written;
	}
	return fsync(fd);
}

int gds_file_write(const char *path, unsigned mode, const char *data, size_t n,
	struct gds_complaint *complaint)
{
	char temporary[PATH_MAX];
	int length = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	if (length < 0 || (size_t)length >= sizeof(temporary)) {
		return gds_complain(complaint, GDS_E_FILE, "%.100s... is too long a path", path);
	}
	/* mkostemp creates with 0600: a key is never open to others, not even for a moment. */
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		return gds_complain(
			complaint, GDS_E_FILE, "%s cannot be written: %s", path, strerror(errno));
	}
	bool failed = write_all(fd, data, n) < 0 || fchmod(fd, (mode_t)mode) < 0;
	int sys = errno;
	if (close(fd) < 0 && !failed) {
		failed = true;
		sys = errno;
	}
	if (!failed && rename(temporary, path) < 0) {
		failed = true;
		sys = errno;
	}
	if (failed) {
		unlink(temporary);
		return gds_complain(
			complaint, GDS_E_FILE, "%s cannot be written: %s", path, strerror(sys));
	}
	return GDS_OK;
}

int gds_identity_write_pem(
	const char *pem, const char *path, unsigned mode, struct gds_complaint *complaint)
{
	return gds_file_write(path, mode, pem, strlen(pem), complaint);
}
