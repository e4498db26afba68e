/* The scrub: reads every stored image again and again, a little at a time, and puts away those
 * whose bytes are not what their name says. */
#pragma once

#include "core/images.h"

struct images_scrub;

struct images_scrub *images_scrub_create(struct images *s);
void images_scrub_free(struct images_scrub *scrub);
/* Reads up to `budget` bytes.  True when an image was found bad and put away: ret is its
 * digest; call again. */
bool images_scrub_step(struct images_scrub *scrub, int64_t budget, struct digest *ret);
