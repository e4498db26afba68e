/* Inside db/: rows as they came. */
#pragma once

#include "db/conn.h"

/* Takes the result over. */
struct db_rows *db_rows_create(PGresult *result);
