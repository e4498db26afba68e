/* Manifest sources: JSON that docs/manifest.md describes, read into struct suit_source. */
#pragma once

#include "cli/json_node.h"
#include "suit/source.h"

#define SOURCE_FILE_MAX (256 * 1024)

/* Reads the file; images that it names are hashed.  Everything is from cli->mem. */
enum exit_code source_read_file(struct cli *c, const char *path,
				struct suit_source *ret) MUST_CHECK;
/* The same from a value; name and folder as in struct reading. */
enum exit_code source_read_json(struct cli *c, json_t *json, const char *name,
				const char *folder, struct suit_source *ret) MUST_CHECK;

/* --- parts, in files of their own ----------------------------------------------------------
 */

/* While reading: what is growing. */
struct source {
	struct suit_source *ret;
	struct suit_source_component *component;
	struct suit_payload *payload; /* SUIT_PAYLOADS_MAX of them */
};

/* The index of a component that a member names. */
size_t source_component(const struct source *s, struct node n);
void source_component_id(struct node n, struct suit_component_id *ret);
/* {"file"} or {"digest", "size"}, members of n. */
void source_image_ref(struct node n, struct suit_image_ref *ret);
void source_payload_add(struct source *s, struct node n, struct suit_bytes name,
			struct suit_bytes content);
/* Images, load, metadata: all members of a component. */
void source_component_read(struct source *s, struct node n, size_t index);
void source_metadata(struct node n, struct suit_metadata *ret);
void source_guard(struct node n, struct suit_source_guard *ret);
void source_wait(struct node n, struct suit_wait *ret);
/* ">=1.2" */
void source_bound(struct node n, const char *text, struct suit_version_match *ret);
void source_text(struct source *s, struct node n);
void source_sequences(struct node n, struct suit_source *ret);
