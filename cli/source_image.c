/* The members of a component: its images, and how they get there. */

#include "base/hash.h"
#include "cli/author.h"
#include "cli/source.h"

#include <errno.h>
#include <string.h>

#define IMAGE_SIZE_MAX (INT64_C(1) << 40)

static void read_digest(struct node n, struct suit_digest *ret)
{
	struct digest digest;
	if (digest_parse(node_string(n, 64), &digest) != RC_OK)
		node_fail(n, "must be the 64 hexadecimal digits of a SHA-256");
	else
		memcpy(ret->b, digest.b, sizeof(ret->b));
}

static void hash_file(struct node n, struct suit_image_ref *ret)
{
	struct digest digest;
	int64_t size;
	const char *path = node_path(n);
	if (!node_is_good(n))
		return;
	CLEAN(file) FILE *from = fopen(path, "re");
	if (!from) {
		n.r->code = cli_fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_FAILED,
				     "cannot open %s: %s", path, strerror(errno));
		return;
	}
	n.r->code = author_hash(path, from, &digest, &size);
	if (!node_is_good(n))
		return;
	*ret = (struct suit_image_ref){ .has_digest = true,
					.has_size = true,
					.size = (uint64_t)size };
	memcpy(ret->digest.b, digest.b, sizeof(ret->digest.b));
}

/* What stands beside a file must agree with it. */
void source_image_ref(struct node n, struct suit_image_ref *ret)
{
	struct suit_image_ref said = { 0 };
	said.has_digest = node_has(n, "digest");
	said.has_size = node_has(n, "size");
	if (said.has_digest)
		read_digest(node_member(n, "digest"), &said.digest);
	if (said.has_size)
		said.size = (uint64_t)node_int(node_member(n, "size"), 0, IMAGE_SIZE_MAX);
	*ret = said;
	if (!node_has(n, "file"))
		return;
	hash_file(node_member(n, "file"), ret);
	if (said.has_digest && !suit_digest_equal(&said.digest, &ret->digest))
		node_fail(node_member(n, "digest"), "is not that of the file");
	if (said.has_size && said.size != ret->size)
		node_fail(node_member(n, "size"), "is not that of the file");
}

/* An object of its own with just those members. */
static void read_ref(struct node n, struct suit_image_ref *ret)
{
	static const char *const names[] = { "file", "digest", "size", NULL };
	node_only(n, names);
	source_image_ref(n, ret);
	if (node_is_good(n) && !ret->has_digest)
		node_fail(n, "needs \"file\" or \"digest\"");
}

/* --- where it comes from -------------------------------------------------------------------
 */

/* By digest, so that a release never freezes a host name. */
static struct suit_bytes uri_of_digest(struct cli *c, const struct suit_digest *d)
{
	const char *text =
		arena_printf(c->mem, "img/%s", hex_encode(c->mem, (struct bytes){ d->b, 32 }));
	return (struct suit_bytes){ (const uint8_t *)text, strlen(text) };
}

static void read_integrated(struct source *s, struct node n, struct suit_source_image *ret,
			    struct node holder)
{
	struct node file = node_member(holder, "file");
	if (!node_has(holder, "file") || ret->uri.n == 0 || ret->uri.p[0] != '#') {
		node_fail(n, "is integrated: it needs a \"file\", and a \"uri\" that begins "
			     "with '#'");
		return;
	}
	struct suit_bytes content = node_file(file, SUIT_ENVELOPE_MAX);
	source_payload_add(s, n, ret->uri, content);
}

static void read_where(struct source *s, struct node n, enum suit_install install,
		       struct suit_source_image *ret)
{
	bool through = install == SUIT_INSTALL_COPY || install == SUIT_INSTALL_SWAP;
	struct node fetched = node_member(n, "fetched");
	if (through) {
		ret->via = source_component(s, node_member(n, "via"));
		if (node_has(n, "fetched"))
			read_ref(fetched, &ret->fetched);
		else
			ret->fetched = ret->whole;
	}
	if (node_has(n, "uri"))
		ret->uri = node_text(node_member(n, "uri"), SUIT_URI_MAX);
	else
		ret->uri = uri_of_digest(n.r->cli,
					 through ? &ret->fetched.digest : &ret->whole.digest);
	if (node_has(n, "uri_replaceable"))
		ret->uri_replaceable = node_bool(node_member(n, "uri_replaceable"));
	if (node_has(n, "fetch_args"))
		ret->fetch_args =
			node_bytes(node_member(n, "fetch_args"), SUIT_SOURCE_STRING_MAX);
	if (node_has(n, "integrated") && node_bool(node_member(n, "integrated")))
		read_integrated(s, n, ret, node_has(n, "fetched") ? fetched : n);
}

static const char *const image_names[] = { "slot",
					   "file",
					   "digest",
					   "size",
					   "precursor",
					   "uri",
					   "uri_replaceable",
					   "fetch_args",
					   "via",
					   "fetched",
					   "integrated",
					   "encryption_info",
					   "content",
					   "encryption_info_replaceable",
					   NULL };

/* Members that another way of installing would use. */
static void refuse_members(struct node n, enum suit_install install)
{
	static const struct {
		const char *name;
		unsigned installs; /* bit n: enum suit_install n */
	} uses[] = {
		{ "precursor",
		  1 << SUIT_INSTALL_FETCH | 1 << SUIT_INSTALL_COPY | 1 << SUIT_INSTALL_SWAP },
		{ "uri",
		  1 << SUIT_INSTALL_FETCH | 1 << SUIT_INSTALL_COPY | 1 << SUIT_INSTALL_SWAP },
		{ "uri_replaceable",
		  1 << SUIT_INSTALL_FETCH | 1 << SUIT_INSTALL_COPY | 1 << SUIT_INSTALL_SWAP },
		{ "fetch_args",
		  1 << SUIT_INSTALL_FETCH | 1 << SUIT_INSTALL_COPY | 1 << SUIT_INSTALL_SWAP },
		{ "integrated",
		  1 << SUIT_INSTALL_FETCH | 1 << SUIT_INSTALL_COPY | 1 << SUIT_INSTALL_SWAP },
		{ "via", 1 << SUIT_INSTALL_COPY | 1 << SUIT_INSTALL_SWAP },
		{ "fetched", 1 << SUIT_INSTALL_COPY | 1 << SUIT_INSTALL_SWAP },
		{ "encryption_info", 1 << SUIT_INSTALL_COPY | 1 << SUIT_INSTALL_WRITE },
		{ "encryption_info_replaceable",
		  1 << SUIT_INSTALL_COPY | 1 << SUIT_INSTALL_WRITE },
		{ "content", 1 << SUIT_INSTALL_WRITE },
	};
	for (size_t i = 0; i < ARRAY_LEN(uses); i++)
		if (node_has(n, uses[i].name) && !(uses[i].installs & 1u << install))
			node_fail(node_member(n, uses[i].name),
				  "has no meaning with this \"install\"");
}

static void read_image(struct source *s, struct node n, enum suit_install install,
		       struct suit_source_image *ret)
{
	bool fetches = install != SUIT_INSTALL_NONE && install != SUIT_INSTALL_WRITE;
	node_only(n, image_names);
	refuse_members(n, install);
	ret->has_slot = node_has(n, "slot");
	if (ret->has_slot)
		ret->slot = (uint64_t)node_int(node_member(n, "slot"), 0, INT64_MAX);
	source_image_ref(n, &ret->whole);
	if (node_is_good(n) && !ret->whole.has_digest && install != SUIT_INSTALL_WRITE)
		node_fail(n, "needs \"file\" or \"digest\"");
	if (node_has(n, "precursor"))
		read_ref(node_member(n, "precursor"), &ret->precursor);
	if (node_has(n, "encryption_info"))
		ret->encryption_info =
			node_bytes(node_member(n, "encryption_info"), SUIT_SOURCE_STRING_MAX);
	if (node_has(n, "encryption_info_replaceable"))
		ret->encryption_replaceable =
			node_bool(node_member(n, "encryption_info_replaceable"));
	if (ret->encryption_replaceable && ret->encryption_info.n == 0)
		node_fail(n, "has no \"encryption_info\" that could be replaced");
	if (node_has(n, "content"))
		ret->content = node_bytes(node_member(n, "content"), SUIT_SOURCE_STRING_MAX);
	if (fetches && node_is_good(n))
		read_where(s, n, install, ret);
}

static void read_images(struct source *s, struct node n, struct suit_source_component *ret)
{
	bool one = node_has(n, "image");
	struct node m = node_member(n, one ? "image" : "images");
	if (one && node_has(n, "images"))
		node_fail(m, "stands beside \"images\"; take one");
	if (!one && !node_has(n, "images"))
		return;
	size_t count = one ? 1 : node_items(m, SUIT_IMAGES_MAX);
	struct suit_source_image *image =
		arena_array(n.r->cli->mem, SUIT_IMAGES_MAX, sizeof(*image));
	for (size_t i = 0; i < count; i++)
		read_image(s, one ? m : node_item(m, i), ret->install, &image[i]);
	ret->image = image;
	ret->image_count = count;
}

/* --- load, invoke, metadata ----------------------------------------------------------------
 */

static void read_load(struct source *s, struct node n, struct suit_source_component *ret)
{
	static const char *const names[] = {
		"into", "file", "digest", "size", "encryption_info", NULL
	};
	node_only(n, names);
	ret->load = true;
	ret->load_into = source_component(s, node_member(n, "into"));
	source_image_ref(n, &ret->loaded);
	if (node_has(n, "encryption_info"))
		ret->load_encryption_info =
			node_bytes(node_member(n, "encryption_info"), SUIT_SOURCE_STRING_MAX);
}

/* {"actor number": bits} */
static void read_permissions(struct node n, struct suit_permissions *ret)
{
	struct node members[SUIT_ACTORS_MAX];
	const char *names[SUIT_ACTORS_MAX];
	ret->count = node_members(n, SUIT_ACTORS_MAX, members, names);
	for (size_t i = 0; i < ret->count; i++) {
		ret->of[i].bits = (uint64_t)node_int(members[i], 0, INT32_MAX);
		if (parse_i64(bytes_of(names[i]), INT64_MIN, INT64_MAX, &ret->of[i].actor) !=
		    RC_OK)
			node_fail(members[i], "must be called by the number of its actor");
	}
}

void source_metadata(struct node n, struct suit_metadata *ret)
{
	static const char *const names[] = { "default_permissions",
					     "user_permissions",
					     "group_permissions",
					     "role_permissions",
					     "file_type",
					     "modified",
					     "created",
					     "creator",
					     NULL };
	static const char *const types[] = { "regular", "directory", "symlink", NULL };
	node_only(n, names);
	for (unsigned key = SUIT_META_DEFAULT; key <= SUIT_META_CREATOR; key++)
		if (node_has(n, names[key - 1]))
			ret->has |= SUIT_BIT(key);
	if (ret->has & SUIT_BIT(SUIT_META_DEFAULT))
		ret->default_permissions =
			(uint64_t)node_int(node_member(n, names[0]), 0, INT32_MAX);
	for (unsigned i = 0; i < 3; i++)
		if (ret->has & SUIT_BIT(SUIT_META_USER + i))
			read_permissions(node_member(n, names[1 + i]), &ret->permissions[i]);
	if (ret->has & SUIT_BIT(SUIT_META_FILE_TYPE))
		ret->file_type = 1 + node_word(node_member(n, "file_type"), types);
	if (ret->has & SUIT_BIT(SUIT_META_MODIFIED))
		ret->modified = (uint64_t)node_time(node_member(n, "modified"));
	if (ret->has & SUIT_BIT(SUIT_META_CREATED))
		ret->created = (uint64_t)node_time(node_member(n, "created"));
	if (ret->has & SUIT_BIT(SUIT_META_CREATOR))
		ret->creator = node_int(node_member(n, "creator"), INT64_MIN, INT64_MAX);
}

static bool flag(struct node n, const char *name)
{
	return node_has(n, name) && node_bool(node_member(n, name));
}

static enum suit_install read_install(struct node n)
{
	static const char *const words[] = { "none", "fetch", "copy", "swap", "write", NULL };
	if (node_has(n, "install"))
		return (enum suit_install)node_word(node_member(n, "install"), words);
	return node_has(n, "image") || node_has(n, "images") ? SUIT_INSTALL_FETCH
							     : SUIT_INSTALL_NONE;
}

/* What is copied is fetched before; what is fetched in place is so at install. */
static bool read_fetch_early(struct node n, enum suit_install install)
{
	static const char *const words[] = { "install", "payload-fetch", NULL };
	if (node_has(n, "fetch_in"))
		return node_word(node_member(n, "fetch_in"), words) == 1;
	return install == SUIT_INSTALL_COPY || install == SUIT_INSTALL_SWAP;
}

void source_component_read(struct source *s, struct node n, size_t index)
{
	static const char *const names[] = {
		"id",          "install",         "image",    "images", "repeat_digest",
		"fetch_in",    "check_candidate", "metadata", "load",   "invoke",
		"invoke_args", "uninstall",       NULL
	};
	struct suit_source_component *ret = &s->component[index];
	node_only(n, names);
	ret->install = read_install(n);
	ret->repeat_digest = flag(n, "repeat_digest");
	ret->fetch_early = read_fetch_early(n, ret->install);
	ret->check_candidate = flag(n, "check_candidate");
	ret->invoke = flag(n, "invoke");
	ret->uninstall = flag(n, "uninstall");
	if (node_has(n, "metadata")) {
		struct suit_metadata *m = arena_alloc(n.r->cli->mem, sizeof(*m));
		source_metadata(node_member(n, "metadata"), m);
		ret->metadata = m;
	}
	if (node_has(n, "load"))
		read_load(s, node_member(n, "load"), ret);
	if (node_has(n, "invoke_args"))
		ret->invoke_args =
			node_bytes(node_member(n, "invoke_args"), SUIT_SOURCE_STRING_MAX);
	read_images(s, n, ret);
}
