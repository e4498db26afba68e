/* The one object file that differs between two versions of the agent. */
#include "agent/version.h"

#ifndef AGENT_VERSION
#define AGENT_VERSION MUSTER_VERSION
#endif
#ifndef AGENT_TEST_NEVER_CONFIRMS
#define AGENT_TEST_NEVER_CONFIRMS 0
#endif

const char agent_version[] = AGENT_VERSION;
/* A test image: it starts and then only sleeps, as an image that hangs would. */
const bool agent_test_never_confirms = AGENT_TEST_NEVER_CONFIRMS;
