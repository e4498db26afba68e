/* muster-agent: keeps the device it runs on up to date.
 *
 * It is itself the firmware that is updated: the launcher starts it out of a slot, it writes
 * the other slot, and asks the launcher by its exit code to be started anew.  `apply` does the
 * same from files, without a server. */
#include "agent/battery.h"
#include "agent/clean.h"
#include "agent/config.h"
#include "agent/consent.h"
#include "agent/elsewhere.h"
#include "agent/file.h"
#include "agent/install.h"
#include "agent/life.h"
#include "agent/link_tls.h"
#include "agent/log.h"
#include "agent/pin.h"
#include "agent/report.h"
#include "agent/text.h"
#include "agent/token.h"
#include "agent/version.h"
#include "agent/waited.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>

#define EXIT_USAGE    2
#define CHUNK         1024
#define LOOP_MAX_MS   60000
#define LOCK_PAUSE_MS 100
#define LOCK_TRIES    20

struct agent {
	struct config config;
	struct verify verify;
	struct keys keys;
	struct suit_key *report_key;
	struct suit_key *link_key; /* in a token */
	struct store store;
	struct link link;
	struct life life;
	struct life_config life_config;
	struct proto_register self;
	struct facts now; /* as it was started; it changes with the next start */
	char slot;
	bool on_trial; /* this start is one */
	bool stale_trial;
	char key_word[KEYS_WORD_SIZE];
	uint8_t last_words[REPORT_SIGNED_MAX];
	size_t last_words_n;
	int exit_code; /* -1: goes on */
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

/* --- the machine under the life: files
 * ---------------------------------------------------------- */

/* Digests are those of the start: what is in use is never written. */
static void machine_facts(void *m, struct facts *ret)
{
	const struct agent *a = m;
	*ret = a->now;
	ret->sequence = a->store.boot.sequence;
	for (size_t i = 0; i < ret->count; i++)
		ret->part[i].slot = boot_other(store_active(&a->store, i)) == 'b';
}

/* A trial of the other slot that is over: the launcher could not count it and did not begin it,
 * or it could not be called off.  Tried again until it can be written down. */
static void end_stale_trial(struct agent *a)
{
	if (!a->stale_trial)
		return;
	a->stale_trial = !store_call_off(&a->store);
	if (a->stale_trial)
		log_errno("the boot state cannot be written");
}

static enum proto_cause machine_begin(void *m, const struct update *u, size_t nth,
				      uint64_t *ret_have)
{
	struct agent *a = m;
	end_stale_trial(a);
	enum proto_cause cause = store_begin(&a->store, u, nth, ret_have);
	if (cause == PROTO_CAUSE_NONE)
		log_line("job %" PRIu64 ": version %s, %" PRIu64 " of %" PRIu64
			 " bytes are here already",
			 u->job, u->version[0] ? u->version : "?",
			 update_bytes(u, nth) + *ret_have, update_bytes(u, u->payload_count));
	return cause;
}

static bool machine_write(void *m, uint64_t offset, const uint8_t *p, size_t n)
{
	return store_write(&((struct agent *)m)->store, offset, p, n);
}

static enum proto_cause machine_check(void *m, const struct update *u, size_t nth)
{
	return store_check(&((struct agent *)m)->store, u, nth);
}

/* The SUIT report of how it ended, kept for whoever reads it here, and told to the server. */
static void keep_report(struct agent *a, struct suit_bytes envelope, enum suit_rc rc,
			const struct platform_result *result)
{
	if (!report_write(a->config.state_dir, &suit_crypto_openssl, a->report_key, envelope,
			  rc, result, a->last_words, &a->last_words_n))
		log_errno("the SUIT report cannot be written");
	else if (a->report_key)
		log_line("the signed SUIT report is in %s/%s", a->config.state_dir,
			 REPORT_FILE);
}

static void machine_refused(void *m, struct suit_bytes envelope,
			    const struct platform_result *result)
{
	keep_report(m, envelope, SUIT_CONDITION, result);
}

static struct suit_bytes machine_last_words(void *m)
{
	struct agent *a = m;
	size_t n = a->last_words_n;
	a->last_words_n = 0;
	return (struct suit_bytes){ a->last_words, n };
}

static enum proto_cause machine_activate(void *m, const struct update *u,
					 struct suit_bytes envelope, const char **ret_why)
{
	struct agent *a = m;
	struct platform_result result;
	struct facts facts;
	machine_facts(a, &facts);
	enum suit_rc rc = install_run(&a->store, &a->verify.can, &facts, u, envelope, &result);
	keep_report(a, envelope, rc, &result);
	if (rc != SUIT_OK) {
		*ret_why = result.why;
		return result.cause;
	}
	return store_activate(&a->store, u) ? PROTO_CAUSE_NONE : PROTO_CAUSE_INSTALL;
}

static void machine_waited(void *m, struct update *u)
{
	waited_load(((struct agent *)m)->config.state_dir, u);
}

static void machine_wait_over(void *m, const struct update *u)
{
	const struct agent *a = m;
	log_line("job %" PRIu64 ": it has waited", u->job);
	if (!waited_save(a->config.state_dir, u)) /* then it waits again after a restart */
		log_errno("%s cannot be written", WAITED_FILE);
}

/* A trial that could not be called off would begin with the next power cut. */
static void machine_idle(void *m)
{
	struct agent *a = m;
	end_stale_trial(a);
	if (!waited_drop(a->config.state_dir))
		log_errno("%s cannot be removed", WAITED_FILE);
}

static void machine_call_off(void *m)
{
	struct agent *a = m;
	if (store_call_off(&a->store))
		return;
	log_errno("the job cannot be called off");
	a->stale_trial = true;
}

/* The server has our digest under a new boot id: this image works. */
static void machine_registered(void *m)
{
	struct agent *a = m;
	bool trial = a->on_trial;
	bool confirmed = store_confirm(&a->store, trial ? a->slot : BOOT_NO_TRIAL);
	a->on_trial = a->on_trial && !confirmed;
	if (!confirmed)
		log_errno("the boot state cannot be written");
	if (!confirmed && trial) {
		a->exit_code = EXIT_FAILURE; /* the launcher falls back */
		return;
	}
	end_stale_trial(a);
	if (confirmed) /* else the server is told again, which does no harm */
		a->self.last = (struct boot_last){ 0 };
	log_line("registered as %s, version %s%s", a->config.endpoint, agent_version,
		 trial ? ": the trial is confirmed" : "");
}

static void machine_reboot(void *m)
{
	struct agent *a = m;
	log_line("job %" PRIu64 ": starting version %s", a->life.update.job,
		 a->life.update.version);
	a->exit_code = BOOT_EXIT_REBOOT;
}

static const struct machine_ops machine = {
	.facts = machine_facts,
	.begin = machine_begin,
	.write = machine_write,
	.check = machine_check,
	.activate = machine_activate,
	.waited = machine_waited,
	.wait_over = machine_wait_over,
	.idle = machine_idle,
	.call_off = machine_call_off,
	.refused = machine_refused,
	.last_words = machine_last_words,
	.registered = machine_registered,
	.reboot = machine_reboot,
};

/* --- starting
 * ---------------------------------------------------------------------------------- */

static bool complain_key(const char *path)
{
	log_line("%s: not a key of its kind, or its id is too long", path);
	return false;
}

/* From a file, or from a token; what a token does not do is told there. */
static bool open_key(const struct agent *a, const char *setting, const char *from,
		     struct suit_key **ret)
{
	const struct config *c = &a->config;
	if (config_is_token(from))
		return token_key_load(setting, from, c->pin_file, c->state_dir, ret);
	return keys_read_private(from, ret) || complain_key(from);
}

static bool open_keys(struct agent *a)
{
	const struct config *c = &a->config;
	struct suit_key *own = NULL;
	if (c->class_key_file[0] &&
	    !keys_read_shared(&a->keys.secret, c->class_key_file, c->class_key_id))
		return complain_key(c->class_key_file);
	if (c->device_key_file[0]) {
		if (!open_key(a, "device_key_file", c->device_key_file, &own))
			return false;
		if (!keys_take_own(&a->keys, own, c->device_key_id))
			return complain_key(c->device_key_file);
	}
	return !c->report_key_file[0] ||
	       open_key(a, "report_key_file", c->report_key_file, &a->report_key);
}

/* A key in a file is read for each session, so that it may be renewed; a token's session lasts,
 * and the certificate is read for each. */
static bool open_link_key(struct agent *a)
{
	struct config *c = &a->config;
	if (c->link.kind != LINK_CERT || !config_is_token(c->key_file))
		return true;
	if (!open_key(a, "key_file", c->key_file, &a->link_key))
		return false;
	struct link_keys *tried = link_keys_with(c->ca_file, c->cert_file, a->link_key);
	c->link.key = a->link_key;
	if (!tried)
		log_line("%s: no P-256 or P-384 key, or not that of %s; or %s holds no "
			 "certificate",
			 c->key_file, c->cert_file, c->ca_file);
	link_keys_free(tried);
	return tried != NULL;
}

/* After set_abilities(), which empties what is verified with. */
static bool open_mac_key(struct agent *a)
{
	const struct config *c = &a->config;
	if (!c->mac_key_file[0] ||
	    keys_read_shared(&a->verify.mac, c->mac_key_file, c->mac_key_id))
		return true;
	log_line("%s: not a key of its kind, or its id is too long", c->mac_key_file);
	return false;
}

static bool open_side(struct verify_side *side, const char (*path)[CONFIG_TEXT_MAX],
		      size_t count)
{
	size_t bad = 0;
	if (verify_anchors(side, path, count, &bad))
		return true;
	log_line("%s: neither a public key nor an authority's certificate", path[bad]);
	return false;
}

static bool read_battery(const void *asked, uint64_t *ret_mwh)
{
	return battery_read(((const struct config *)asked)->battery_file, ret_mwh);
}

static bool ask_consent(const void *asked, int64_t priority)
{
	return consent_given(asked, priority);
}

static void set_abilities(struct agent *a)
{
	const struct config *c = &a->config;
	format_set all = FORMAT_STREAMS | keys_formats(&a->keys);
	a->verify =
		(struct verify){ .can = { .crypto = &suit_crypto_openssl,
					  .vendor_id = c->vendor_id,
					  .class_id = c->class_id,
					  .formats = c->has_formats ? all & c->formats : all,
					  .only_encrypted = c->only_encrypted,
					  .keys = &a->keys,
					  .battery = c->battery_file[0] ? read_battery : NULL,
					  .authorized =
						  c->authorize_program[0] ? ask_consent : NULL,
					  .asked = c,
					  .image_max = c->image_max } };
}

/* The one before may be ending still, when its launcher died and the next one is quick; to be
 * refused would count as a start of a trial. */
static int lock_patiently(const char *dir)
{
	static const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
	for (int i = 0;; i++) {
		int fd = store_lock(dir);
		if (fd >= 0 || errno != EWOULDBLOCK || i == LOCK_TRIES)
			return fd;
		nanosleep(&pause, NULL);
	}
}

/* Two that write one slot would put on trial what neither has checked.  Held until the process
 * ends. */
static bool lock_state(const struct agent *a)
{
	if (lock_patiently(a->config.state_dir) >= 0)
		return true;
	if (errno == EWOULDBLOCK)
		log_line("%s: another muster-agent is at work here", a->config.state_dir);
	else
		log_errno("%s: cannot be locked", a->config.state_dir);
	return false;
}

static bool open_config(struct agent *a, const char *path)
{
	char why[CONFIG_TEXT_MAX];
	if (!config_load(path, &a->config, why) || !config_finish(&a->config, why)) {
		log_line("%s", why);
		return false;
	}
	/* before a token is asked: two at once would give it a wrong PIN twice */
	if (!lock_state(a) || !open_keys(a) || !open_link_key(a))
		return false;
	pin_forget_refused(a->config.state_dir);
	set_abilities(a);
	if (!open_mac_key(a))
		return false;
	if (!open_side(&a->verify.author, (const char(*)[CONFIG_TEXT_MAX])a->config.anchor,
		       a->config.anchor_count) ||
	    !open_side(&a->verify.delegate, (const char(*)[CONFIG_TEXT_MAX])a->config.delegate,
		       a->config.delegate_count))
		return false;
	verify_dependencies(&a->verify);
	if (!store_open(&a->store, a->config.state_dir, &suit_crypto_openssl,
			a->config.journal_blocks * FETCH_BLOCK_MAX)) {
		log_errno("%s: the boot state cannot be read", a->config.state_dir);
		return false;
	}
	for (size_t i = 0; i < a->config.part_count; i++)
		store_add_part(&a->store, a->config.part[i].name);
	return true;
}

static bool choose_boot_id(struct agent *a)
{
	const char *id = getenv(BOOT_ENV_ID);
	if (id && text_unhex(id, a->self.boot_id, BOOT_ID_SIZE))
		return true;
	return getrandom(a->self.boot_id, BOOT_ID_SIZE, 0) == BOOT_ID_SIZE;
}

/* Which start this is: a trial when the launcher says so, or when it is the slot on trial. */
static void know_start(struct agent *a)
{
	const struct boot_state *b = &a->store.boot;
	const char *slot = getenv(BOOT_ENV_SLOT);
	const char *trial = getenv(BOOT_ENV_TRIAL);
	a->slot = slot && (*slot == 'a' || *slot == 'b') ? *slot : b->active;
	a->on_trial = b->trial == a->slot &&
		      (b->trial != b->active || (trial && strcmp(trial, "yes") == 0));
	a->stale_trial = b->trial != BOOT_NO_TRIAL && !a->on_trial;
}

/* What a component holds in this start; what cannot be read is not known. */
static void know_part(struct agent *a, size_t i)
{
	struct part *p = &a->now.part[i];
	const struct config_part *c = i ? &a->config.part[i - 1] : NULL;
	char slot = a->on_trial ? store_current(&a->store, i) : store_active(&a->store, i);
	*p = (struct part){ .name = c ? c->name : a->config.component,
			    .needs_base = c && c->hook };
	p->has = store_digest(&a->store, i, i ? slot : a->slot, &p->digest, &p->size);
}

static bool know_parts(struct agent *a)
{
	a->now.version = agent_version;
	a->now.count = 1 + a->config.part_count;
	for (size_t i = 0; i < a->now.count; i++)
		know_part(a, i);
	if (a->now.part[0].has)
		return true;
	log_errno("slot %c cannot be read", a->slot);
	return false;
}

/* What this device is, as it will be registered. */
static bool know_self(struct agent *a)
{
	struct config *c = &a->config;
	a->self = (struct proto_register){ .endpoint = c->endpoint,
					   .vendor_id = c->vendor_id,
					   .class_id = c->class_id,
					   .component_count = a->now.count,
					   .envelope_max = c->envelope_max,
					   .image_max = c->image_max,
					   .block_size = c->block_size,
					   .formats = a->verify.can.formats,
					   .only_encrypted = c->only_encrypted,
					   .attribute_count = c->attribute_count,
					   .last = a->store.boot.last };
	if (a->verify.can.formats & FORMAT_BIT(FORMAT_ECDH_ES))
		a->self.key_word = keys_word(&a->keys, a->verify.can.crypto, a->key_word);
	for (size_t i = 0; i < a->now.count; i++)
		a->self.component[i] =
			(struct proto_component){ .name = a->now.part[i].name,
						  .known = a->now.part[i].has,
						  .digest = a->now.part[i].digest,
						  .version = i ? "" : agent_version };
	for (size_t i = 0; i < c->attribute_count; i++)
		a->self.attribute[i] =
			(struct proto_attribute){ c->attribute[i].name, c->attribute[i].value };
	if (a->self.last.outcome != BOOT_NOTHING)
		log_line("job %" PRIu64 ": the new image failed: %s", a->self.last.job,
			 a->self.last.reason);
	return choose_boot_id(a);
}

/* A registration is one message. */
static bool is_one_message(const struct proto_register *r)
{
	uint8_t body[LINK_BODY_MAX];
	return proto_put_register(r, body, sizeof(body)) > 0;
}

/* Who fitted when it was made fits after a failed trial too: the words about that go first, and
 * then that it failed at all. */
static bool self_fits(struct agent *a)
{
	if (!is_one_message(&a->self))
		a->self.last.reason[0] = '\0';
	if (!is_one_message(&a->self))
		a->self.last = (struct boot_last){ 0 };
	if (is_one_message(&a->self))
		return true;
	log_line("components, formats and attributes do not fit a message of %d bytes",
		 LINK_BODY_MAX);
	return false;
}

static void loop(struct agent *a, coap_context_t *context)
{
	a->exit_code = -1;
	while (a->exit_code < 0 && !stopped) {
		int64_t now = link_now_ms();
		int64_t due = life_step(&a->life, now);
		int64_t wait = due > now ? due - now : 1;
		coap_io_process(context, (uint32_t)(wait < LOOP_MAX_MS ? wait : LOOP_MAX_MS));
	}
	/* the session says goodbye, so that the server need not wait for its death */
	link_rest(&a->link);
	link_step(&a->link, link_now_ms());
}

static int run(struct agent *a)
{
	uint64_t seed;
	if (!know_self(a) || !self_fits(a) ||
	    getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return EXIT_FAILURE;
	coap_startup();
	coap_set_log_level(
		(coap_log_t)2); /* its errors are ours to tell: a link that is lost */
	coap_context_t *context = link_context();
	if (!context)
		return EXIT_FAILURE;
	a->life_config = (struct life_config){ .observe = a->config.observe,
					       .poll_max_s = a->config.poll_max_s,
					       .envelope_max = a->config.envelope_max,
					       .block_size = a->config.block_size };
	link_init(&a->link, context, &a->config.link, seed);
	life_init(&a->life, &a->link, &machine, a);
	a->life.config = &a->life_config;
	a->life.verify = &a->verify;
	life_start(&a->life, &a->self);
	loop(a, context);
	life_finish(&a->life);
	link_finish(&a->link);
	coap_free_context(context);
	coap_cleanup();
	return a->exit_code < 0 ? EXIT_SUCCESS : a->exit_code;
}

/* --- apply
 * ------------------------------------------------------------------------------------- */

#define FILES_MAX UPDATE_PAYLOADS_MAX

struct given {
	const char *manifest;
	const char *image[FILES_MAX];
	size_t count;
};

static bool copy_image(struct store *s, int fd, uint64_t offset)
{
	uint8_t buf[CHUNK];
	for (;;) {
		ssize_t n = pread(fd, buf, sizeof(buf), (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		if (!store_write(s, offset, buf, (size_t)n))
			return false;
		offset += (uint64_t)n;
	}
}

/* The file that is this payload; the only one that is left over when there is no choice. */
static const char *find_file(const struct agent *a, const struct given *g,
			     const struct payload *p)
{
	struct suit_digest digest;
	uint64_t size;
	for (size_t i = 0; i < g->count; i++)
		if (store_file_digest(a->verify.can.crypto, g->image[i], &digest, &size) &&
		    suit_digest_equal(&digest, &p->digest))
			return g->image[i];
	return g->count == 1 ? g->image[0] : NULL;
}

static bool take_payload(struct agent *a, const struct given *g, const struct update *u,
			 size_t nth)
{
	uint64_t have = 0;
	const char *path = find_file(a, g, &u->payload[nth]);
	CLEAN(fd) int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0) {
		log_line("%s", path ? path : "none of the files is what the manifest fetches");
		return false;
	}
	if (store_begin(&a->store, u, nth, &have) != PROTO_CAUSE_NONE ||
	    !copy_image(&a->store, fd, have)) {
		log_errno("the slot cannot be written");
		return false;
	}
	enum proto_cause cause = store_check(&a->store, u, nth);
	if (cause == PROTO_CAUSE_DIGEST)
		log_line("the image is not the signed one");
	else if (cause != PROTO_CAUSE_NONE)
		log_errno("the slot cannot be written");
	return cause == PROTO_CAUSE_NONE;
}

static bool install(struct agent *a, const struct given *g, const struct update *u,
		    struct suit_bytes envelope)
{
	const char *why = "the slot cannot be made active";
	bool taken = true;
	for (size_t i = 0; i < u->payload_count && taken; i++)
		taken = take_payload(a, g, u, i);
	if (taken && machine_activate(a, u, envelope, &why) == PROTO_CAUSE_NONE)
		return true;
	if (taken)
		log_errno("%s", why);
	store_call_off(&a->store);
	return false;
}

/* Whoever applies it has chosen the moment, and is told when that is wrong: nothing waits here.
 */
static bool is_time(struct update *u)
{
	char why[WAIT_TEXT_SIZE];
	int64_t moment;
	for (; u->waited < u->wait_count; update_wait_over(u)) {
		if (update_next_wait(u, &moment) == WAIT_OVER)
			continue;
		wait_text(moment, why);
		log_line("it %s", why);
		return false;
	}
	return true;
}

struct document {
	char *bytes;
	size_t n;
};

static bool read_document(const char *path, struct document *ret)
{
	ret->bytes = malloc(SUIT_ENVELOPE_MAX);
	if (ret->bytes && file_read(path, ret->bytes, SUIT_ENVELOPE_MAX, &ret->n))
		return true;
	log_errno("%s", path);
	return false;
}

static void clean_document(struct document *d)
{
	free(d->bytes);
}

static struct suit_bytes bytes_of(const struct document *d)
{
	return (struct suit_bytes){ (const uint8_t *)d->bytes, d->n };
}

/* A dependency's envelope, which is among the files. */
static bool join_file(const struct agent *a, const struct given *g, const struct payload *p,
		      struct document *envelope)
{
	const char *path = find_file(a, g, p);
	CLEAN(document) struct document part = { 0 };
	uint8_t *whole;
	size_t n;
	if (!path || !read_document(path, &part) ||
	    elsewhere_join(a->verify.can.crypto, bytes_of(envelope), p, bytes_of(&part), &whole,
			   &n) != SUIT_OK)
		return false;
	free(envelope->bytes);
	*envelope = (struct document){ (char *)whole, n };
	return true;
}

/* Each round puts one more dependency there. */
static enum suit_rc look(struct agent *a, const struct given *g, struct document *envelope,
			 struct update *u, struct platform_result *ret)
{
	struct facts facts;
	enum suit_rc rc;
	machine_facts(a, &facts);
	do
		rc = verify_envelope(&a->verify, bytes_of(envelope), &facts, u, ret);
	while (rc != SUIT_OK && ret->elsewhere.size > 0 &&
	       join_file(a, g, &ret->elsewhere, envelope));
	return rc;
}

static int apply(struct agent *a, const struct given *g)
{
	CLEAN(document) struct document envelope = { 0 };
	struct update u = { 0 };
	struct platform_result result;
	if (!read_document(g->manifest, &envelope))
		return EXIT_FAILURE;
	if (a->store.boot.trial != BOOT_NO_TRIAL) { /* it may be running */
		log_line("the last update is still on trial");
		return EXIT_FAILURE;
	}
	if (look(a, g, &envelope, &u, &result) != SUIT_OK) {
		machine_refused(a, bytes_of(&envelope), &result);
		log_line("%s: %s", g->manifest, result.why);
		return EXIT_FAILURE;
	}
	if (!is_time(&u) || !install(a, g, &u, bytes_of(&envelope)))
		return EXIT_FAILURE;
	log_line("slot %c will be tried at the next start", a->store.boot.trial);
	return EXIT_SUCCESS;
}

/* --- command line
 * ------------------------------------------------------------------------------ */

static int usage(void)
{
	fputs("usage: muster-agent [run] -c FILE\n"
	      "       muster-agent apply -c FILE --manifest FILE [--image FILE]...\n"
	      "       muster-agent --version\n"
	      "Exit: 0 stopped, 1 failed, 2 wrong usage, 42 start me anew.\n",
	      stderr);
	return EXIT_USAGE;
}

static int start(const char *config, const struct given *g)
{
	static struct agent a;
	int code = EXIT_FAILURE;
	struct sigaction action = { .sa_handler = on_signal };
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (open_config(&a, config)) {
		know_start(&a);
		if (know_parts(&a))
			code = g->manifest ? apply(&a, g) : run(&a);
	}
	verify_finish(&a.verify);
	keys_finish(&a.keys);
	suit_key_free(a.report_key);
	suit_key_free(a.link_key);
	store_close(&a.store);
	return code;
}

/* False: not ours. */
static bool take_option(int o, const char **config, struct given *g)
{
	if (o == 'c')
		*config = optarg;
	else if (o == 'm')
		g->manifest = optarg;
	else if (o == 'i' && g->count < FILES_MAX)
		g->image[g->count++] = optarg;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "manifest", required_argument, NULL, 'm' },
		{ "image", required_argument, NULL, 'i' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	const char *config = NULL;
	struct given g = { 0 };
	int o;
	log_open("muster-agent");
	while ((o = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		if (o == 'V') {
			printf("muster-agent %s\n", agent_version);
			return EXIT_SUCCESS;
		}
		if (!take_option(o, &config, &g))
			return usage();
	}
	/* a dump would hold the device's key, and fill a small disk */
	prctl(PR_SET_DUMPABLE, 0);
	const char *command = optind < argc ? argv[optind] : "run";
	bool applies = strcmp(command, "apply") == 0;
	if (!config || optind + 1 < argc || (!applies && strcmp(command, "run") != 0) ||
	    applies != (g.manifest != NULL) || (g.count > 0 && !applies))
		return usage();
	while (agent_test_never_confirms && !applies)
		pause();
	return start(config, &g);
}
