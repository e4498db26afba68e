/* Every decision is a load, a change and a save; between two of them anything may be cut. */
#include "agent/launcher.h"

#include "agent/log.h"

bool launcher_next(const char *dir, uint64_t tries_max, struct boot_state *ret, char *ret_slot)
{
	struct boot_state s = { .active = 'a', .trial = BOOT_NO_TRIAL };
	if (!boot_load(dir, &s))
		return false;
	*ret_slot = s.active;
	if (s.trial != BOOT_NO_TRIAL) {
		if (s.tries >= tries_max) {
			log_line("slot %c did not prove itself in %u starts; back to slot %c",
				 s.trial, (unsigned)s.tries, s.active);
			boot_fall_back(&s, BOOT_ROLLED_BACK, "ended before it was confirmed");
		} else {
			s.tries++;
		}
		if (!boot_save(dir, &s))
			return false;
	}
	*ret_slot = boot_slot(&s);
	*ret = s;
	return true;
}

bool launcher_timed_out(const char *dir, const struct boot_state *started, bool *ret_fell)
{
	struct boot_state s;
	*ret_fell = false;
	if (!boot_load(dir, &s))
		return false;
	if (!boot_same_trial(&s, started))
		return true;
	log_line("slot %c was not confirmed in time; back to slot %c", s.trial, s.active);
	boot_fall_back(&s, BOOT_ROLLED_BACK, "not confirmed in time");
	*ret_fell = true;
	return boot_save(dir, &s);
}

bool launcher_refused(const char *dir, char slot, const char *why)
{
	struct boot_state s;
	if (!boot_load(dir, &s))
		return false;
	if (s.trial != slot)
		return true;
	boot_fall_back(&s, BOOT_FAILED, why);
	return boot_save(dir, &s);
}
