/* A condition that several stores ask of releases. */
#pragma once

/* The device has one of the release's installed digests in each of its components: one that two
 * releases share says nothing of the others. Both arguments are SQL: an alias of `release`, and
 * a device's id. */
#define RUNS_RELEASE(release, device)                                                          \
	"NOT EXISTS (SELECT FROM release_installed o WHERE o.tenant_id = " release             \
	".tenant_id AND o.release_id = " release ".release_id AND NOT EXISTS ("                \
	"SELECT FROM release_installed a JOIN component h ON h.tenant_id = a.tenant_id "       \
	"AND h.name = a.component AND h.digest = a.digest WHERE a.tenant_id = o.tenant_id "    \
	"AND a.release_id = o.release_id AND a.component = o.component "                       \
	"AND h.device_id = " device "))"
