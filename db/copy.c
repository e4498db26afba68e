/* COPY (query) TO STDOUT in text form, row by row. */

#include "base/clean.h"
#include "db/conn.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS_MAX 64

struct copy {
	struct db *db;
	db_copy_row *row;
	void *arg;
	int columns;
};

static char unescape(char c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'v':
		return '\v';
	}
	return c;
}

/* Decodes one field in place; returns the start of the next, NULL after the last. */
static char *next_field(char *text, char **ret)
{
	char *in = text, *out = text;

	*ret = strncmp(text, "\\N", 2) == 0 && (text[2] == '\t' || !text[2]) ? NULL : text;
	while (*in && *in != '\t') {
		if (*in == '\\' && in[1]) {
			*out++ = unescape(in[1]);
			in += 2;
		} else {
			*out++ = *in++;
		}
	}
	char *next = *in ? in + 1 : NULL;
	*out = '\0';
	return next;
}

static enum rc give_row(const struct copy *c, char *text)
{
	char *fields[COLUMNS_MAX];
	int n = 0;

	text[strcspn(text, "\n")] = '\0';
	for (char *at = text; at && n < c->columns; n++)
		at = next_field(at, &fields[n]);
	return n == c->columns && c->row(c->arg, fields, n) ? RC_OK : RC_INTERNAL;
}

static enum rc read_rows(const struct copy *c)
{
	for (;;) {
		char *text = NULL;
		int n = PQgetCopyData(c->db->conn, &text, 1);
		enum rc rc = RC_OK;

		if (n == -1)
			return RC_OK;
		if (n == -2)
			return conn_lost(c->db);
		if (n == 0) {
			rc = conn_wait_readable(c->db);
			if (rc == RC_OK && !PQconsumeInput(c->db->conn))
				rc = conn_lost(c->db);
		} else {
			rc = give_row(c, text);
			PQfreemem(text);
		}
		if (rc != RC_OK)
			return rc;
	}
}

static enum rc copy_start(struct db *db, const char *query, int *ret_columns)
{
	CLEAN(mem) char *sql = NULL;
	CLEAN(result) PGresult *r = NULL;
	size_t size = strlen(query) + 32;

	sql = xmalloc(size);
	snprintf(sql, size, "COPY (%s) TO STDOUT", query);
	if (!PQsendQuery(db->conn, sql))
		return conn_lost(db);
	enum rc rc = conn_finish(db, &r);
	if (rc != RC_OK)
		return rc;
	if (PQresultStatus(r) != PGRES_COPY_OUT || PQnfields(r) > COLUMNS_MAX) {
		db->broken = true;
		return RC_INTERNAL;
	}
	*ret_columns = PQnfields(r);
	return RC_OK;
}

enum rc db_copy_out(struct db *db, const char *query, db_copy_row *row, void *arg)
{
	struct copy c = { db, row, arg, 0 };
	CLEAN(result) PGresult *r = NULL;

	if (db->broken)
		return RC_UNAVAILABLE;
	enum rc rc = copy_start(db, query, &c.columns);
	if (rc != RC_OK)
		return rc;
	rc = read_rows(&c);
	if (rc != RC_OK) {
		db->broken = true; /* the rest of the rows is still on its way */
		return rc;
	}
	return conn_finish(db, &r);
}
