/* SPDX-License-Identifier: MIT */
/* Without a fuzz engine: replay <name>.in/ and <name>.repro/ from the source tree, TAP on stdout.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1 << 20) /* [bytes] a seed may have */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static unsigned tests;

static void replay_file(const char *path)
{
	uint8_t *data = malloc(INPUT_MAX);
	FILE *file = fopen(path, "rb");
	size_t n;

	if (!data || !file) {
		printf("Bail out! cannot read %s\n", path);
		exit(99);
	}
	n = fread(data, 1, INPUT_MAX, file);
	fclose(file);

	/* An exact allocation, so that a sanitizer sees a read beyond the end. */
	uint8_t *exact = malloc(n ? n : 1);

	if (!exact) {
		exit(99);
	}
	memcpy(exact, data, n);
	printf("# %s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(exact, n);
	printf("ok %u - %s\n", ++tests, strrchr(path, '/') + 1);
	free(exact);
	free(data);
}

static void replay_folder(const char *folder)
{
	struct dirent **list = NULL;
	int n = scandir(folder, &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];

		if (list[i]->d_name[0] != '.' && snprintf(path, sizeof(path), "%s/%s", folder,
							 list[i]->d_name) < (int)sizeof(path)) {
			replay_file(path);
		}
		free(list[i]);
	}
	free(list);
}

int main(int argc, char **argv)
{
	const char *top = getenv("top_srcdir");
	const char *name = strrchr(argv[0], '/');
	char folder[PATH_MAX];

	(void)argc;
	name = name ? name + 1 : argv[0];
	snprintf(folder, sizeof(folder), "%s/fuzz/%s.in", top ? top : ".", name);
	replay_folder(folder);
	snprintf(folder, sizeof(folder), "%s/fuzz/%s.repro", top ? top : ".", name);
	replay_folder(folder);
	if (tests == 0) {
		printf("Bail out! no seeds: is top_srcdir set?\n");
		return 99;
	}
	printf("1..%u\n", tests);
	return 0;
}
