/* New in release 2: the door locks and unlocks by the clock. */

#include "lock.h"

#if RELEASE >= 2
static struct schedule_entry entries[16];
static size_t count;

static bool is_valid(const struct schedule_entry *e)
{
	return e->days != 0 && e->days < 128 && e->hour < 24 && e->minute < 60 && e->action < 2;
}

bool schedule_add(const struct schedule_entry *e)
{
	if (!is_valid(e))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (entries[i].hour == e->hour && entries[i].minute == e->minute) {
			entries[i] = *e;
			return store_put(8, entries, count * sizeof(entries[0]));
		}
	}
	if (count == COUNT(entries))
		return false;
	entries[count++] = *e;
	return store_put(8, entries, count * sizeof(entries[0]));
}

void schedule_tick(uint32_t now_s)
{
	static uint32_t last_minute;
	uint32_t minutes = now_s / 60, day = minutes / 1440 % 7;
	if (minutes == last_minute)
		return;
	if (last_minute == 0 && !store_get(8, entries, sizeof(entries), &count))
		count = 0;
	else if (last_minute == 0)
		count /= sizeof(entries[0]);
	last_minute = minutes;
	for (size_t i = 0; i < count; i++) {
		const struct schedule_entry *e = &entries[i];
		if (!(e->days >> day & 1) || e->hour != minutes / 60 % 24 ||
		    e->minute != minutes % 60)
			continue;
		if (!app.holiday || e->action == 0)
			(void)app_command(e->action == 0 ? "lock" : "unlock", "");
	}
}

size_t schedule_list(struct writer *w)
{
	static const char days[] = "MTWTFSS";
	for (size_t i = 0; i < count; i++) {
		for (unsigned d = 0; d < 7; d++)
			write_format(w, "%c", entries[i].days >> d & 1 ? days[d] : '-');
		write_format(w, " %02u:%02u %s\r\n", entries[i].hour, entries[i].minute,
			     entries[i].action ? "unlock" : "lock");
	}
	return count;
}
#endif
