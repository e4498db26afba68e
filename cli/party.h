/* Who can decrypt an image: keys from files, given as FILE or KID=FILE.  KID is text, or bytes
 * as 0x and hexadecimal digits.  Secrets are wiped with the list. */
#pragma once

#include "cli/cli.h"
#include "suit/encrypt.h"

struct party_list {
	struct suit_party party[SUIT_RECIPIENTS_MAX];
	uint8_t secret[SUIT_RECIPIENTS_MAX][32];
	struct suit_key *key[SUIT_RECIPIENTS_MAX];
	size_t count;
};

/* A key shared with a class: 16 or 32 bytes, raw or as hexadecimal digits. */
enum exit_code party_add_kek(struct cli *c, struct party_list *list,
			     const char *text) MUST_CHECK;
/* A P-256 key in PEM; without KID its own id stands for it. */
enum exit_code party_add_key(struct cli *c, struct party_list *list,
			     const char *text) MUST_CHECK;
/* Each of the options' values; NULL: no such option. */
enum exit_code party_add_all(struct cli *c, struct party_list *list, const char *kek_option,
			     const char *key_option) MUST_CHECK;
void clean_party_list(struct party_list *list);

/* The content key of an info, by --kek or the other option, one of which is given: by its key
 * id, or, when none was given, as the only recipient too. */
enum exit_code party_key_open(struct cli *c, const struct suit_encryption *e,
			      const char *key_option, struct suit_content_key *ret) MUST_CHECK;
#define PARTY_INFO_MAX 16384 /* 64 recipients with the longest key ids */
enum exit_code party_info_make(const struct party_list *list,
			       const struct suit_content_key *key, uint8_t buf[PARTY_INFO_MAX],
			       struct suit_bytes *ret) MUST_CHECK;
static inline void clean_content_key(struct suit_content_key *key)
{
	suit_content_key_wipe(key);
}
