/* JSON forms of operators, tokens and the audit; see api/openapi.yaml. */
#pragma once

#include "api/json.h"
#include "base/model/audit.h"
#include "core/operator.h"

json_t *operator_json(const struct operator_item *o);
/* What is shown once, added to the operator's own form. */
void operator_issued_json(json_t *o, const struct operator_issued *issued);
json_t *token_json(const struct token_item *t);
json_t *audit_json(const struct audit_entry *e);

/* Reads the member "role" into *ret; false when it is absent or wrong. */
bool role_read(struct js *in, enum js_need need, enum role *ret);
