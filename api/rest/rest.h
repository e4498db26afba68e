/* Handlers of the REST API.  Each decodes, calls core and encodes; see api/openapi.yaml. */
#pragma once

#include "api/route.h"

#define REST_HANDLER(name) enum rc name(struct call *c, const struct req *req, struct res *res)

/* h_ops.c */
REST_HANDLER(h_livez);
REST_HANDLER(h_readyz);
REST_HANDLER(h_metrics);
REST_HANDLER(h_limits_get);
/* h_operator.c */
REST_HANDLER(h_bootstrap);
REST_HANDLER(h_whoami);
REST_HANDLER(h_operator_list);
REST_HANDLER(h_operator_create);
REST_HANDLER(h_operator_get);
REST_HANDLER(h_operator_update);
REST_HANDLER(h_operator_delete);
REST_HANDLER(h_token_list);
REST_HANDLER(h_token_create);
REST_HANDLER(h_token_delete);
REST_HANDLER(h_audit_list);
REST_HANDLER(h_event_list);
/* h_device.c */
REST_HANDLER(h_device_list);
REST_HANDLER(h_device_create);
REST_HANDLER(h_device_get);
REST_HANDLER(h_device_update);
REST_HANDLER(h_device_delete);
REST_HANDLER(h_device_credential);
REST_HANDLER(h_device_revoke);
REST_HANDLER(h_device_events);
REST_HANDLER(h_device_report);
REST_HANDLER(h_device_why);
/* h_class.c */
REST_HANDLER(h_class_list);
REST_HANDLER(h_class_create);
REST_HANDLER(h_class_get);
REST_HANDLER(h_class_update);
REST_HANDLER(h_class_digests);
REST_HANDLER(h_author_key_list);
REST_HANDLER(h_author_key_create);
REST_HANDLER(h_author_key_delete);
REST_HANDLER(h_ca_get);
/* h_release.c */
REST_HANDLER(h_image_list);
REST_HANDLER(h_image_put);
REST_HANDLER(h_image_get);
REST_HANDLER(h_release_list);
REST_HANDLER(h_release_create);
REST_HANDLER(h_release_get);
REST_HANDLER(h_release_manifest);
REST_HANDLER(h_release_variant);
REST_HANDLER(h_release_add_manifest);
REST_HANDLER(h_release_withdraw);
/* h_campaign.c */
REST_HANDLER(h_campaign_list);
REST_HANDLER(h_campaign_create);
REST_HANDLER(h_campaign_get);
REST_HANDLER(h_campaign_start);
REST_HANDLER(h_campaign_pause);
REST_HANDLER(h_campaign_resume);
REST_HANDLER(h_campaign_abort);
REST_HANDLER(h_campaign_jobs);
