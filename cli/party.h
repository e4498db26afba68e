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
