/* Rows: text values by column name. */

#include "db/rows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct db_rows {
	PGresult *result;
	int *next; /* the column that is probably asked for next */
};

struct db_rows *db_rows_create(PGresult *result)
{
	struct db_rows *rows = xcalloc(1, sizeof(*rows) + sizeof(int));

	rows->result = result;
	rows->next = (int *)(rows + 1);
	return rows;
}

void db_rows_free(struct db_rows *rows)
{
	if (!rows)
		return;
	PQclear(rows->result);
	free(rows);
}

int db_rows_count(const struct db_rows *rows)
{
	return PQntuples(rows->result);
}

/* PQfnumber folds case and allocates; our names are exact.  Columns are mostly asked for in
 * their order. */
static int column_number(const struct db_rows *rows, const char *column)
{
	int n = PQnfields(rows->result);

	for (int i = 0, at = *rows->next; i < n; i++, at++) {
		at = at < n ? at : 0;
		if (strcmp(PQfname(rows->result, at), column) == 0) {
			*rows->next = at + 1;
			return at;
		}
	}
	assert(!"no such column");
	return 0;
}

/* The value without a copy; NULL for SQL NULL. */
static const char *value(const struct db_rows *rows, int row, const char *column)
{
	int i = column_number(rows, column);

	assert(row >= 0 && row < PQntuples(rows->result));
	return PQgetisnull(rows->result, row, i) ? NULL : PQgetvalue(rows->result, row, i);
}

int64_t db_row_i64(const struct db_rows *rows, int row, const char *column)
{
	const char *text = value(rows, row, column);
	int64_t v = 0;

	if (text && parse_i64(bytes_of(text), INT64_MIN, INT64_MAX, &v) != RC_OK)
		assert(!"not an integer column");
	return v;
}

bool db_row_bool(const struct db_rows *rows, int row, const char *column)
{
	const char *text = value(rows, row, column);

	return text && text[0] == 't';
}

bool db_row_is_null(const struct db_rows *rows, int row, const char *column)
{
	return !value(rows, row, column);
}

const char *db_row_text(const struct db_rows *rows, int row, const char *column,
			struct arena *mem)
{
	return arena_text(mem, value(rows, row, column));
}

struct bytes db_row_bytes(const struct db_rows *rows, int row, const char *column,
			  struct arena *mem)
{
	const char *text = value(rows, row, column);
	struct bytes b = { NULL, 0 };

	if (!text)
		return b;
	/* bytea_output = 'hex': \x and digits */
	if (strncmp(text, "\\x", 2) != 0 || hex_decode(mem, bytes_of(text + 2), &b) != RC_OK)
		assert(!"not a bytea column");
	return b;
}

struct uuid db_row_uuid(const struct db_rows *rows, int row, const char *column)
{
	const char *text = value(rows, row, column);
	struct uuid id = { { 0 } };

	if (!text || uuid_parse(text, &id) != RC_OK)
		return (struct uuid){ { 0 } };
	return id;
}

struct digest db_row_digest(const struct db_rows *rows, int row, const char *column)
{
	const char *text = value(rows, row, column);
	struct digest d = { { 0 } };

	if (!text || strncmp(text, "\\x", 2) != 0 || digest_parse(text + 2, &d) != RC_OK)
		return (struct digest){ { 0 } };
	return d;
}
