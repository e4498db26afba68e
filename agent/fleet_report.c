/* What the fleet writes down: the ledger of everything that was acknowledged to it (nothing in
 * it may ever be missing on the server), and a summary as JSON. */
#include "agent/fleet.h"

#include "agent/clean.h"
#include "agent/log.h"
#include "suit/ids.h"

#include <inttypes.h>
#include <string.h>

static const char *const fate_names[FATE_COUNT] = {
	[FATE_WAITING] = "waiting",   [FATE_UPDATING] = "updating",
	[FATE_UPDATED] = "updated",   [FATE_FAILED] = "failed",
	[FATE_REJECTED] = "rejected", [FATE_ROLLED_BACK] = "rolled_back",
	[FATE_SILENT] = "silent",     [FATE_LIED] = "lied",
};

static const char *const shape_names[SHAPE_COUNT] = {
	[SHAPE_NONE] = "none",     [SHAPE_FAIL] = "fail", [SHAPE_ROLLBACK] = "rollback",
	[SHAPE_SILENT] = "silent", [SHAPE_LIE] = "lie",
};

/* One line, at once: whoever reads along sees it. */
void fleet_ledger_registered(const struct fleet_device *d)
{
	char boot[SUIT_HEX_SIZE(BOOT_ID_SIZE)];
	char digest[SUIT_HEX_SIZE(32)];
	if (!d->fleet->ledger)
		return;
	suit_hex((struct suit_bytes){ d->self.boot_id, BOOT_ID_SIZE }, boot);
	suit_hex((struct suit_bytes){ d->self.component[0].digest.b,
				      sizeof(d->self.component[0].digest.b) },
		 digest);
	fprintf(d->fleet->ledger, "%" PRId64 " %s registered %s %s\n",
		link_now_ms() - d->fleet->began_ms, d->name, boot, digest);
}

void fleet_ledger_reported(const struct fleet_device *d, const struct update *u,
			   enum proto_state state)
{
	if (d->fleet->ledger)
		fprintf(d->fleet->ledger,
			"%" PRId64 " %s reported %" PRIu64 " %" PRIu64 " %d\n",
			link_now_ms() - d->fleet->began_ms, d->name, u->job, u->attempt,
			(int)state);
}

static void write_device(FILE *to, const struct fleet_device *d)
{
	char digest[SUIT_HEX_SIZE(32)];
	suit_hex((struct suit_bytes){ d->digest.b, sizeof(d->digest.b) }, digest);
	fprintf(to,
		"  {\"name\": \"%s\", \"shape\": \"%s\", \"state\": \"%s\", \"digest\": "
		"\"%s\", "
		"\"held\": %s, \"blocks\": %" PRIu64 ", \"bytes\": %" PRIu64
		", \"blocks_again\": %" PRIu64 ", \"cuts\": %" PRIu64 ", \"connects\": %" PRIu64
		", \"registrations\": %" PRIu64 ", \"reports\": %" PRIu64 "}",
		d->name, shape_names[d->shape], fate_names[d->fate], digest,
		d->held ? "true" : "false", d->blocks, d->bytes, d->link.count.blocks_again,
		d->cuts, d->link.count.connects, d->registrations, d->reports);
}

static void write_totals(FILE *to, const struct fleet *f)
{
	uint64_t fates[FATE_COUNT] = { 0 };
	uint64_t blocks = 0, again = 0, cuts = 0, connects = 0;
	for (size_t i = 0; i < f->device_count; i++) {
		const struct fleet_device *d = &f->device[i];
		fates[d->fate]++;
		blocks += d->blocks;
		again += d->link.count.blocks_again;
		cuts += d->cuts;
		connects += d->link.count.connects;
	}
	fprintf(to, "{\"devices\": %zu, \"seed\": %" PRIu64 ", \"ms\": %" PRId64,
		f->device_count, f->options.seed, link_now_ms() - f->began_ms);
	for (int i = 0; i < FATE_COUNT; i++)
		fprintf(to, ", \"%s\": %" PRIu64, fate_names[i], fates[i]);
	fprintf(to,
		", \"blocks\": %" PRIu64 ", \"blocks_again\": %" PRIu64 ", \"cuts\": %" PRIu64
		", \"connects\": %" PRIu64 ",\n \"each\": [\n",
		blocks, again, cuts, connects);
}

bool fleet_write_json(const struct fleet *f)
{
	bool screen = strcmp(f->options.json, "-") == 0;
	CLEAN(file) FILE *opened = screen ? NULL : fopen(f->options.json, "we");
	FILE *to = screen ? stdout : opened;
	if (!to) {
		log_errno("%s", f->options.json);
		return false;
	}
	write_totals(to, f);
	for (size_t i = 0; i < f->device_count; i++) {
		write_device(to, &f->device[i]);
		fputs(i + 1 < f->device_count ? ",\n" : "\n", to);
	}
	fputs(" ]}\n", to);
	return fflush(to) == 0 && !ferror(to);
}
