/* The common case, in terms of suit/source.h. */

#include "suit/build.h"

#include "suit/cbor.h"
#include "suit/encode.h"

#define KEY_TEXT 23

/* Alternatives need slots to tell them apart; the draft wants at least two of them. */
static enum suit_rc input_check(const struct suit_build *in)
{
	size_t bytes = 0;

	if (in->image_count == 0 || in->component.count == 0)
		return SUIT_MISSING;
	if (in->image_count > SUIT_SLOTS_MAX || in->component.count > SUIT_SEGMENTS_MAX ||
	    in->text_version.n > SUIT_BUILD_TEXT_MAX)
		return SUIT_TOO_LARGE;
	for (size_t i = 0; i < in->component.count; i++)
		bytes += in->component.segment[i].n;
	if (bytes > SUIT_BUILD_COMPONENT_MAX)
		return SUIT_TOO_LARGE;
	for (size_t i = 0; i < in->image_count; i++)
		if (in->image[i].has_slot != (in->image_count > 1))
			return SUIT_MISSING;
	return SUIT_OK;
}

static void images_fill(const struct suit_build *in, struct suit_source_image *ret)
{
	for (size_t i = 0; i < in->image_count; i++)
		ret[i] = (struct suit_source_image){
			.whole = { .has_digest = true,
				   .has_size = true,
				   .digest = in->image[i].digest,
				   .size = in->image[i].size },
			.has_slot = in->image[i].has_slot,
			.slot = in->image[i].slot,
			.uri = in->image[i].uri,
		};
}

enum suit_rc suit_build(const struct suit_crypto *crypto, const struct suit_build *in,
			uint8_t *buf, size_t size, size_t *ret_n)
{
	static const uint8_t english[] = "en";
	struct suit_source_image image[SUIT_SLOTS_MAX];
	struct suit_source_component component = { .id = in->component,
						   .install = SUIT_INSTALL_FETCH,
						   .image = image,
						   .image_count = in->image_count,
						   .invoke = in->invoke };
	struct suit_source_text_component words = { .text = { [SUIT_TEXT_COMPONENT_VERSION] =
								      in->text_version } };
	struct suit_source_text text = { .language = { english, 2 },
					 .component = &words,
					 .component_count = 1 };
	struct suit_source source = { .sequence = in->sequence,
				      .has_vendor = true,
				      .vendor = { .uuid = in->vendor_id },
				      .class_id = &in->class_id,
				      .class_count = 1,
				      .reference_uri = in->reference_uri,
				      .version_count = in->version_count,
				      .component = &component,
				      .component_count = 1,
				      .text = &text,
				      .text_count = in->text_version.n > 0,
				      .sever = SUIT_BIT(KEY_TEXT) };

	enum suit_rc rc = input_check(in);
	if (rc != SUIT_OK)
		return rc;
	if (in->version_count > SUIT_VERSION_MAX)
		return SUIT_TOO_LARGE;
	for (size_t i = 0; i < in->version_count; i++)
		source.version[i] = in->version[i];
	images_fill(in, image);
	return suit_encode(crypto, &source, buf, size, ret_n);
}
