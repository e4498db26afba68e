# No SQL text is made from what a peer sent.  usage: awk -f sql.awk FILE.c ...
# - libpq's functions that take a text are called in three files only;
# - db_exec() and db_copy_out() get a constant outside of db/;
# - a statement is a row of a static const table, but in the store that makes partitions;
# - a text of SQL that is filled in takes numbers alone, but in that store, too,
#   whose names are the hexadecimal digits of an id.
function complain(why) { print FILENAME ":" FNR ": " why; bad = 1 }
FILENAME ~ /^tests\// { next }
/PQ(exec|execParams|sendQuery|sendQueryParams|sendPrepare|prepare)[ \t]*\(/ {
	if (FILENAME !~ /^db\/(tx|copy|stmt)[.]c$/) complain("libpq with a text: use a statement of a table")
}
/(db_exec|db_copy_out)[ \t]*\(/ && FILENAME !~ /^db\// && FILENAME ~ /[.]c$/ {
	if ($0 !~ /(db_exec|db_copy_out)[ \t]*\([a-z>-]*, *("|[A-Z_]+\))/) complain("a constant text: " $0)
}
/struct db_stmt [a-z_]/ && /=/ && FILENAME != "db/member_store.c" {
	if ($0 !~ /^static const struct db_stmt [a-z_]+\[\] = [{]$/) complain("statements stand in a static const table: " $0)
}
FILENAME ~ /^db\// && FILENAME != "db/member_store.c" && /"[^"]*%[^dl%"][^"]*"/ && /(SELECT|INSERT|UPDATE|DELETE|WHERE|FROM|SET|COPY|CREATE|ALTER|VALUES) / {
	if ($0 !~ /"COPY \(%s\) TO STDOUT"/ || FILENAME != "db/copy.c") complain("SQL is filled in with a text: " $0)
}
END { exit bad }
