/* Faults that analyzers must find, each at least one; make analyze fails when one does not. */

#include <stdio.h>

int planted_null(const int *p);
int planted_leak(const char *path);

int planted_null(const int *p)
{
	if (!p)
		return *p;
	return 0;
}

int planted_leak(const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	return fgetc(f);
}
