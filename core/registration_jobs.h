/* What registrations prove about jobs; for core/registration.c. */
#pragma once

#include "core/registration.h"

/* Of several devices, each of which has just said something else than before.  Anything but
 * RC_OK: the transaction is lost. */
enum rc registration_judge(struct registrant *const *who, size_t n) MUST_CHECK;
