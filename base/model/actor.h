/* Who speaks.  A transport fills it from what the peer has proved; nobody else does. */
#pragma once

#include "base/bytes.h"

enum actor_kind { ACTOR_NONE = 0, ACTOR_OPERATOR, ACTOR_DEVICE, ACTOR_SYSTEM };

/* A set of bits, so that a route can name several. */
enum role {
	ROLE_ANY = 0,            /* nobody needs to have proved anything */
	ROLE_VIEWER = 1 << 0,    /* reads */
	ROLE_PUBLISHER = 1 << 1, /* reads; uploads images and releases */
	ROLE_OPERATOR = 1 << 2,  /* reads; devices and campaigns */
	ROLE_ADMIN = 1 << 3,     /* everything; operators, author keys, classes */
	ROLE_DEVICE = 1 << 4,
};
#define ROLES_READ (ROLE_VIEWER | ROLE_PUBLISHER | ROLE_OPERATOR | ROLE_ADMIN)

struct roster_device;

struct actor {
	enum actor_kind kind;
	enum role role;
	struct uuid id;               /* of the operator or the device */
	const char *name;             /* for texts to that peer; never into the audit */
	struct roster_device *device; /* ACTOR_DEVICE: its entry in the roster */
	uint64_t session; /* ACTOR_DEVICE: a later session has a higher number; 0: not known */
};
