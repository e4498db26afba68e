/* JSON forms of devices, classes, author keys, images and releases; see api/openapi.yaml. */
#pragma once

#include "api/json.h"
#include "core/campaign_explain.h"
#include "core/device.h"
#include "core/release.h"

json_t *device_json(struct arena *mem, const struct device_item *item);
/* What is shown once, added to the device's own form. */
void credential_json(json_t *device, const struct credential_issued *issued);
/* Reads psk or csr: exactly one. */
void credential_read(struct js *in, struct credential_new *ret);
json_t *explanation_json(const struct explanation *e);

json_t *class_json(const struct device_class *k);
json_t *class_digests_json(const char *component, const struct class_digests *d);
json_t *author_key_json(struct arena *mem, const struct author_key *k);

json_t *image_json(const struct image_item *image);
json_t *release_json(struct arena *mem, const struct release *r);
