/* Tables, cards, JSON, error lines, and a campaign's picture. */

#include "base/clean.h"
#include "cli/campaign_view.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/problem.h"
#include "tests/tap.h"

static struct arena *mem;

static const struct column columns[] = {
	{ "Name", "name", NULL, false },
	{ "Size", "size", NULL, true },
	{ "Note", "note", NULL, false },
};

/* What two pages of a list look like. */
static const char *list_of(struct output out, const char *first, const char *second)
{
	char *text = NULL;
	size_t size;
	struct table table;
	CLEAN(json) json_t *a = json_loads(first, 0, NULL);
	CLEAN(json) json_t *b = json_loads(second, 0, NULL);
	out.to = open_memstream(&text, &size);
	table_begin(&table, &out, columns, ARRAY_LEN(columns));
	table_page(&table, a);
	table_page(&table, b);
	table_end(&table);
	fclose(out.to);
	const char *ret = arena_text(mem, text);
	free(text);
	return ret;
}

static const char *object_of(struct output out, const char *item)
{
	char *text = NULL;
	size_t size;
	CLEAN(json) json_t *json = json_loads(item, 0, NULL);
	out.to = open_memstream(&text, &size);
	output_object(&out, columns, ARRAY_LEN(columns), json);
	fclose(out.to);
	const char *ret = arena_text(mem, text);
	free(text);
	return ret;
}

static void test_lists(void)
{
	const char *one = "[{\"name\":\"a\",\"size\":5,\"note\":null},"
			  "{\"name\":\"longer\",\"size\":12345}]";
	const char *two = "[{\"name\":\"ü\",\"size\":1,\"note\":\"x\"}]";
	is_str(list_of((struct output){ 0 }, one, two),
	       "Name     Size  Note\n"
	       "a           5  -\n"
	       "longer  12345  -\n"
	       "ü           1  x\n",
	       "a table; columns are wide enough, numbers to the right, umlauts one cell");
	is_str(list_of((struct output){ .plain = true }, one, two),
	       "a\t5\t-\nlonger\t12345\t-\nü\t1\tx\n", "--plain: tabs and no header");
	is_str(list_of((struct output){ .json = true, .fields = "size,none" }, one, two),
	       "[\n  {\"size\": 5, \"none\": null},\n  {\"size\": 12345, \"none\": null},\n"
	       "  {\"size\": 1, \"none\": null}\n]\n",
	       "--json=FIELDS: the members asked for, in that order, over all pages");
	is_str(list_of((struct output){ .json = true }, "[]", "[]"), "[]\n",
	       "an empty list is JSON too");
	is_str(list_of((struct output){ 0 }, "[]", "[]"), "", "an empty table has no header");
}

static void test_objects(void)
{
	const char *item = "{\"name\":\"a\",\"size\":5,\"more\":[1,2]}";
	is_str(object_of((struct output){ 0 }, item), "Name  a\nSize  5\n",
	       "a card leaves out what is not there");
	is_str(object_of((struct output){ .plain = true }, item), "a\t5\t-\n",
	       "a line of columns does not");
	is_str(object_of((struct output){ .json = true }, item),
	       "{\n  \"name\": \"a\",\n  \"size\": 5,\n  \"more\": [\n    1,\n    2\n  ]\n}\n",
	       "JSON is the server's");
}

static void test_clean(void)
{
	is_str(output_clean(mem, "a\033[2Jb\tc\x7f"), "a?[2Jb?c?", "control characters");
	is_str(output_clean(mem, "\xc2\x9b"
				 "2J ü €"),
	       "??2J ü €", "C1 controls; other UTF-8 stays");
	is_str(output_clean(mem, "\xff\xfe\xe2\x82"), "????", "malformed UTF-8");
	is_str(object_of((struct output){ .json = true, .terminal = true },
			 "{\"name\":\"\\u009b\\u001b\"}"),
	       "{\n  \"name\": \"\\u009B\\u001B\"\n}\n", "JSON on a terminal is escaped");
}

static const char *problem_of(long status, const char *text)
{
	CLEAN(json) json_t *problem = json_loads(text, 0, NULL);
	return problem_text(status, problem, mem);
}

static void test_problems(void)
{
	is_str(problem_of(
		       404,
		       "{\"type\":\"urn:muster:error:not-found\",\"title\":\"There is no such "
		       "thing\",\"detail\":\"no device \\\"d9\\\"\"}"),
	       "no device \"d9\" (not-found)", "the detail and the code");
	is_str(problem_of(
		       428,
		       "{\"type\":\"urn:muster:error:precondition-required\",\"title\":\"Send "
		       "If-Match\"}"),
	       "Send If-Match (precondition-required)", "the title when there is no detail");
	is_str(problem_of(
		       422,
		       "{\"type\":\"urn:muster:error:validation\",\"title\":\"A field\","
		       "\"errors\":[{\"pointer\":\"/stages/1\",\"detail\":\"must grow\"},{}]}"),
	       "A field; /stages/1: must grow; ?: ? (validation)", "the fields");
	is_str(problem_of(502, "{}"), "the server answered with status 502",
	       "no problem at all");
	is_str(problem_of(500, "[1]"), "the server answered with status 500",
	       "not even an object");
	is_int(problem_exit_code(404), EXIT_NOT_FOUND, "404");
	is_int(problem_exit_code(401), EXIT_AUTH, "401");
	is_int(problem_exit_code(403), EXIT_AUTH, "403");
	is_int(problem_exit_code(412), EXIT_CONFLICT, "412");
	is_int(problem_exit_code(409), EXIT_CONFLICT, "409");
	is_int(problem_exit_code(503), EXIT_FAILED, "503");
}

static const char campaign[] =
	"{\"name\":\"lock-7-3.7\",\"state\":\"paused\",\"release_version\":\"3.7\",\"members\":"
	"8,"
	"\"pause_reason\":\"stage 2: 1 of 3 failed\",\"stages\":["
	"{\"stage\":0,\"members\":1,\"state\":\"passed\",\"counts\":{\"succeeded\":1,"
	"\"failed\":0}},"
	"{\"stage\":1,\"members\":3,\"state\":\"tripped\",\"counts\":{\"succeeded\":1,"
	"\"rolled_back\":1,\"downloading\":1}},"
	"{\"stage\":2,\"members\":4,\"state\":\"waiting\",\"counts\":{\"queued\":4}}]}";

static void test_campaign(void)
{
	struct output out = { 0 };
	struct campaign_view v;
	CLEAN(json) json_t *json = json_loads(campaign, 0, NULL);
	campaign_view_read(json, mem, &v);
	is_int(v.stage_count, 3, "its stages");
	is_int(v.succeeded, 2, "its successes");
	is_int(v.failed, 1, "its failures");
	is_str(v.pause_reason, "stage 2: 1 of 3 failed", "why it stands still");
	is_str(campaign_view_title(&v, &out, mem),
	       "lock-7-3.7: release 3.7, paused, 2 of 8 proved it, 1 failed", "its title");
	is_str(campaign_view_line(&v, 1, mem),
	       "stage 2 of 3, tripped: 1 of 3 proved; 1 succeeded, 1 rolled back, 1 "
	       "downloading",
	       "a stage as a line");
	is_str(campaign_view_stage(&v, 1, &out, mem),
	       "  stage 2      3 devices  ████████████████▓▓▓▓▓▓▓▓  tripped  1 succeeded, 1 "
	       "rolled "
	       "back, 1 downloading",
	       "a stage as a bar");
	is_str(campaign_view_stage(&v, 0, &out, mem),
	       "  stage 1      1 device   ████████████████████████  passed   1 succeeded",
	       "one device is not devices");

	CLEAN(json) json_t *odd = json_loads("{\"stages\":[{\"members\":\"x\"},7]}", 0, NULL);
	campaign_view_read(odd, mem, &v);
	is_int(v.stage_count, 2, "odd answers do no harm");
	ok(campaign_view_stage(&v, 1, &out, mem) != NULL, "and can be shown");
}

static void test_bar(void)
{
	struct output out = { 0 };
	struct bar few = { .good = 1, .bad = 1, .under_way = 1, .total = 1000000 };
	is_str(output_bar(mem, &out, &few, 10), "██▓░░░░░░░", "one of a million is still seen");
	struct bar none = { .total = 0 };
	is_str(output_bar(mem, &out, &none, 4), "░░░░", "nothing");
	struct bar over = { .good = 9, .bad = 9, .under_way = 9, .total = 9 };
	is_str(output_bar(mem, &out, &over, 4), "████", "never wider than it may be");
}

static void test_client(void)
{
	struct digest digest;
	char text[DIGEST_TEXT_SIZE];
	is_str(client_escape(mem, "a b/c?d&é"), "a%20b%2Fc%3Fd%26%C3%A9", "names in paths");
	const char *pem =
		"noise\n-----BEGIN CERTIFICATE-----\nYWJj\r\n-----END CERTIFICATE-----\n";
	is_int(client_fingerprint(pem, mem, &digest), RC_OK, "a certificate in PEM");
	is_str(digest_format(&digest, text),
	       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	       "its SHA-256");
	ok(client_fingerprint("-----BEGIN CERTIFICATE-----\nYWJj", mem, &digest) != RC_OK,
	   "half a certificate");
	ok(client_fingerprint("", mem, &digest) != RC_OK, "no certificate");
	const char *taken;
	is_int(client_take_root(arena_printf(mem, "x\n%s%s", pem, pem), mem, &taken, &digest),
	       RC_OK, "a root that was sent with others");
	is_str(taken, "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n",
	       "is taken alone");
	ok(client_take_root("", mem, &taken, &digest) != RC_OK, "none was sent");
}

int main(void)
{
	mem = arena_create();
	test_lists();
	test_objects();
	test_clean();
	test_problems();
	test_campaign();
	test_bar();
	test_client();
	arena_free(mem);
	return tap_done();
}
