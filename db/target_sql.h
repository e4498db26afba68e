/* The one place that says in SQL which devices a campaign's target matches: a list names its
 * devices whatever their state (so that a wrong one can be refused by name); attributes and
 * "all" match devices that have registered and are not revoked. */
#pragma once

#define TARGET_COLUMNS                                                                         \
	"d.device_id, d.endpoint, d.hash, d.lifecycle, d.vendor_id, d.class_id, d.formats, "   \
	"d.only_encrypted, d.max_envelope, d.max_image"

/* target: SQL that yields the jsonb once, such as "$2::jsonb" or a subselect in parentheses. */
#define TARGET_DEVICES(tenant, target)                                                         \
	"(SELECT " TARGET_COLUMNS " FROM device d WHERE d.tenant_id = " tenant                 \
	" AND d.lifecycle = 1 AND " target " ? 'all' "                                         \
	"UNION ALL SELECT " TARGET_COLUMNS " FROM device d WHERE d.tenant_id = " tenant        \
	" AND d.lifecycle = 1 AND " target " ? 'attributes' "                                  \
	"AND d.attributes @> (" target " -> 'attributes') "                                    \
	"UNION ALL SELECT " TARGET_COLUMNS " FROM device d "                                   \
	"JOIN (SELECT DISTINCT jsonb_array_elements_text(" target " -> 'devices') AS name) n " \
	"ON n.name = d.endpoint WHERE d.tenant_id = " tenant ")"
