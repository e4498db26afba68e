/* A PKCS#11 driver in front of another one: what a token does that SoftHSM never does.  Named
 * by module-path; the environment says:
 *
 * - MUSTER_TOKEN_DRIVER: the driver behind it
 * - MUSTER_TOKEN_STATE: a file; while its text is `removed` no token is there, nothing works
 * and all sessions end, `another`: it was pulled out, and one of the same name and PIN is in
 * its place, `other-pin`: it has another PIN, `final-try`: it says that one try of
 * its PIN is left, `broken`: the key does not work, and its session never does again
 * - MUSTER_TOKEN_LOGINS: a file that gets a line for each PIN that the token was given */
#define CRYPTOKI_GNU
#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS_MAX 16

static struct ck_function_list ours, *theirs;
static ck_session_handle_t broken;

static bool state_is(const char *word)
{
	const char *path = getenv("MUSTER_TOKEN_STATE");
	char text[32] = "";
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	if (fd >= 0)
		close(fd);
	return n > 0 && strcmp(text, word) == 0;
}

/* Whoever pulls a token out ends its sessions, and logs out. */
static void end_sessions(void)
{
	ck_slot_id_t slots[SLOTS_MAX];
	unsigned long n = SLOTS_MAX;
	if (theirs->C_GetSlotList(1, slots, &n) == CKR_OK)
		for (unsigned long i = 0; i < n; i++)
			theirs->C_CloseAllSessions(slots[i]);
}

static ck_rv_t slot_list(unsigned char present, ck_slot_id_t *list, unsigned long *count)
{
	if (!state_is("removed"))
		return theirs->C_GetSlotList(present, list, count);
	end_sessions();
	*count = 0;
	return CKR_OK;
}

static ck_rv_t token_info(ck_slot_id_t slot, struct ck_token_info *info)
{
	ck_rv_t rv = theirs->C_GetTokenInfo(slot, info);
	if (rv == CKR_OK && state_is("final-try"))
		info->flags |= CKF_USER_PIN_FINAL_TRY;
	if (rv == CKR_OK && state_is("another"))
		info->serial_number[0] ^= 1;
	return rv;
}

static ck_rv_t login(ck_session_handle_t session, ck_user_type_t user, unsigned char *pin,
		     unsigned long n)
{
	const char *path = getenv("MUSTER_TOKEN_LOGINS");
	FILE *f = path ? fopen(path, "ae") : NULL;
	if (f) {
		fprintf(f, "user %lu\n", (unsigned long)user);
		fclose(f);
	}
	return state_is("other-pin") ? CKR_PIN_INCORRECT
				     : theirs->C_Login(session, user, pin, n);
}

static ck_rv_t fault(ck_session_handle_t session)
{
	if (state_is("removed") || state_is("another")) {
		end_sessions();
		return CKR_DEVICE_REMOVED;
	}
	if (state_is("broken"))
		broken = session;
	return broken && broken == session ? CKR_FUNCTION_FAILED : CKR_OK;
}

static ck_rv_t close_session(ck_session_handle_t session)
{
	if (broken == session)
		broken = 0;
	return theirs->C_CloseSession(session);
}

static ck_rv_t sign_init(ck_session_handle_t session, struct ck_mechanism *how,
			 ck_object_handle_t key)
{
	ck_rv_t rv = fault(session);
	return rv == CKR_OK ? theirs->C_SignInit(session, how, key) : rv;
}

static ck_rv_t derive(ck_session_handle_t session, struct ck_mechanism *how,
		      ck_object_handle_t base, struct ck_attribute *want, unsigned long n,
		      ck_object_handle_t *ret)
{
	ck_rv_t rv = fault(session);
	return rv == CKR_OK ? theirs->C_DeriveKey(session, how, base, want, n, ret) : rv;
}

ck_rv_t C_GetFunctionList(struct ck_function_list **ret);
__attribute__((visibility("default"))) ck_rv_t C_GetFunctionList(struct ck_function_list **ret)
{
	const char *path = getenv("MUSTER_TOKEN_DRIVER");
	void *driver = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
	void *symbol = driver ? dlsym(driver, "C_GetFunctionList") : NULL;
	ck_rv_t (*get)(struct ck_function_list **);
	memcpy(&get, &symbol, sizeof(get));
	if (!symbol || get(&theirs) != CKR_OK)
		return CKR_GENERAL_ERROR;
	ours = *theirs;
	ours.C_GetFunctionList = C_GetFunctionList;
	ours.C_GetSlotList = slot_list;
	ours.C_GetTokenInfo = token_info;
	ours.C_Login = login;
	ours.C_CloseSession = close_session;
	ours.C_SignInit = sign_init;
	ours.C_DeriveKey = derive;
	*ret = &ours;
	return CKR_OK;
}
