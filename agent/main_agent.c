/* muster-agent: keeps the device it runs on up to date.
 *
 * It is itself the firmware that is updated: the launcher starts it out of a slot, it writes
 * the other slot, and asks the launcher by its exit code to be started anew.  `apply` does the
 * same from files, without a server. */
#include "agent/clean.h"
#include "agent/config.h"
#include "agent/file.h"
#include "agent/life.h"
#include "agent/log.h"
#include "agent/store.h"
#include "agent/text.h"
#include "agent/version.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>

#define EXIT_USAGE  2
#define CHUNK       1024
#define LOOP_MAX_MS 60000

struct agent {
	struct config config;
	struct verify verify;
	struct store store;
	struct link link;
	struct life life;
	struct life_config life_config;
	struct proto_register self;
	char slot;
	bool stale_trial;
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

static void machine_facts(void *m, uint64_t *ret_slot, uint64_t *ret_sequence)
{
	const struct agent *a = m;
	*ret_slot = boot_other(a->store.boot.active) == 'b';
	*ret_sequence = a->store.boot.sequence;
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

static enum proto_cause machine_begin(void *m, const struct update *u, uint64_t *ret_have)
{
	struct agent *a = m;
	end_stale_trial(a);
	enum proto_cause cause = store_begin(&a->store, u, ret_have);
	if (cause == PROTO_CAUSE_NONE)
		log_line("job %" PRIu64 ": version %s, %" PRIu64 " of %" PRIu64
			 " bytes are here already",
			 u->job, u->version[0] ? u->version : "?", *ret_have, u->size);
	return cause;
}

static bool machine_write(void *m, uint64_t offset, const uint8_t *p, size_t n)
{
	return store_write(&((struct agent *)m)->store, offset, p, n);
}

static enum proto_cause machine_check(void *m, const struct update *u)
{
	return store_check(&((struct agent *)m)->store, u);
}

static bool machine_activate(void *m, const struct update *u)
{
	return store_activate(&((struct agent *)m)->store, u);
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
	bool trial = a->store.boot.trial == a->slot;
	bool confirmed = store_confirm(&a->store, a->slot);
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
	.call_off = machine_call_off,
	.registered = machine_registered,
	.reboot = machine_reboot,
};

/* --- starting
 * ---------------------------------------------------------------------------------- */

static bool open_config(struct agent *a, const char *path)
{
	char why[CONFIG_TEXT_MAX];
	size_t bad = 0;
	if (!config_load(path, &a->config, why) || !config_finish(&a->config, why)) {
		log_line("%s", why);
		return false;
	}
	a->verify = (struct verify){ .crypto = &suit_crypto_openssl,
				     .vendor_id = a->config.vendor_id,
				     .class_id = a->config.class_id,
				     .component = a->config.component,
				     .image_max = a->config.image_max };
	if (!verify_anchors(&a->verify, (const char(*)[256])a->config.anchor,
			    a->config.anchor_count, &bad)) {
		log_line("%s: neither an author's public key nor an authority's certificate",
			 a->config.anchor[bad]);
		return false;
	}
	if (!store_open(&a->store, a->config.state_dir, &suit_crypto_openssl,
			a->config.journal_blocks * FETCH_BLOCK_MAX)) {
		log_errno("%s: the boot state cannot be read", a->config.state_dir);
		return false;
	}
	return true;
}

static bool choose_boot_id(struct agent *a)
{
	const char *id = getenv(BOOT_ENV_ID);
	if (id && text_unhex(id, a->self.boot_id, BOOT_ID_SIZE))
		return true;
	return getrandom(a->self.boot_id, BOOT_ID_SIZE, 0) == BOOT_ID_SIZE;
}

/* What this device is, as it will be registered. */
static bool know_self(struct agent *a)
{
	struct config *c = &a->config;
	const char *slot = getenv(BOOT_ENV_SLOT);
	struct suit_digest digest;
	uint64_t size;
	a->slot = slot && (*slot == 'a' || *slot == 'b') ? *slot : a->store.boot.active;
	a->stale_trial = a->store.boot.trial == boot_other(a->slot);
	if (!store_digest(&a->store, a->slot, &digest, &size)) {
		log_errno("slot %c cannot be read", a->slot);
		return false;
	}
	a->self = (struct proto_register){ .endpoint = c->endpoint,
					   .vendor_id = c->vendor_id,
					   .class_id = c->class_id,
					   .component = c->component,
					   .digest = digest,
					   .version = agent_version,
					   .envelope_max = c->envelope_max,
					   .image_max = c->image_max,
					   .block_size = c->block_size,
					   .attribute_count = c->attribute_count,
					   .last = a->store.boot.last };
	for (size_t i = 0; i < c->attribute_count; i++)
		a->self.attribute[i] =
			(struct proto_attribute){ c->attribute[i].name, c->attribute[i].value };
	if (a->self.last.outcome != BOOT_NOTHING)
		log_line("job %" PRIu64 ": the new image failed: %s", a->self.last.job,
			 a->self.last.reason);
	return choose_boot_id(a);
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
	if (!know_self(a) || getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
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

static bool install(struct agent *a, const struct update *u, int image)
{
	uint64_t have = 0;
	if (store_begin(&a->store, u, &have) != PROTO_CAUSE_NONE ||
	    !copy_image(&a->store, image, have)) {
		log_errno("the slot cannot be written");
		return false;
	}
	enum proto_cause cause = store_check(&a->store, u);
	if (cause != PROTO_CAUSE_NONE) {
		if (cause == PROTO_CAUSE_DIGEST)
			log_line("the image is not the signed one");
		else
			log_errno("the slot cannot be written");
		store_call_off(&a->store);
		return false;
	}
	if (!store_activate(&a->store, u)) {
		log_errno("the slot cannot be made active");
		return false;
	}
	return true;
}

static int apply(struct agent *a, const char *manifest_path, const char *image_path)
{
	CLEAN(mem) char *envelope = malloc(SUIT_ENVELOPE_MAX);
	CLEAN(fd) int image = open(image_path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	uint64_t slot, sequence;
	struct update u = { 0 };
	const char *why = "";
	if (image < 0 || !envelope ||
	    !file_read(manifest_path, envelope, SUIT_ENVELOPE_MAX, &n)) {
		log_errno("%s", image < 0 ? image_path : manifest_path);
		return EXIT_FAILURE;
	}
	struct suit_bytes bytes = { (const uint8_t *)envelope, n };
	machine_facts(a, &slot, &sequence);
	if (verify_envelope(&a->verify, bytes, slot, sequence, &u, &why) != PROTO_CAUSE_NONE) {
		log_line("%s: %s", manifest_path, why);
		return EXIT_FAILURE;
	}
	if (!install(a, &u, image))
		return EXIT_FAILURE;
	log_line("slot %c will be tried at the next start", a->store.boot.trial);
	return EXIT_SUCCESS;
}

/* --- command line
 * ------------------------------------------------------------------------------ */

static int usage(void)
{
	fputs("usage: muster-agent [run] -c FILE\n"
	      "       muster-agent apply -c FILE --manifest FILE --image FILE\n"
	      "       muster-agent --version\n"
	      "Exit: 0 stopped, 1 failed, 2 wrong usage, 42 start me anew.\n",
	      stderr);
	return EXIT_USAGE;
}

static int start(const char *config, const char *manifest, const char *image)
{
	static struct agent a;
	int code = EXIT_FAILURE;
	struct sigaction action = { .sa_handler = on_signal };
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (open_config(&a, config))
		code = manifest && image ? apply(&a, manifest, image) : run(&a);
	verify_finish(&a.verify);
	store_close(&a.store);
	return code;
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
	const char *config = NULL, *manifest = NULL, *image = NULL;
	int o;
	log_open("muster-agent");
	while ((o = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		if (o == 'V') {
			printf("muster-agent %s\n", agent_version);
			return EXIT_SUCCESS;
		}
		if (o == '?')
			return usage();
		*(o == 'c' ? &config : o == 'm' ? &manifest : &image) = optarg;
	}
	/* a dump would hold the device's key, and fill a small disk */
	prctl(PR_SET_DUMPABLE, 0);
	const char *command = optind < argc ? argv[optind] : "run";
	bool applies = strcmp(command, "apply") == 0;
	if (!config || optind + 1 < argc || (!applies && strcmp(command, "run") != 0) ||
	    applies != (manifest && image))
		return usage();
	while (agent_test_never_confirms && !applies)
		pause();
	return start(config, manifest, image);
}
