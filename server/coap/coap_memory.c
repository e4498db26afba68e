/* libcoap's allocator, replaced: these functions have the library's own names, and the dynamic
 * linker takes ours, because the program comes before its libraries.  The one thing to know:
 * without memory libcoap 4.3.1 drops messages or answers 5.00 by itself; from the reserve
 * (base/memory.h) the message goes on, and the dispatcher says 5.03.  A libcoap that is linked
 * so that it takes its own works as it always did. */

#include "base/memory.h"

#include <coap3/coap.h>
#include <stdlib.h>

void *coap_malloc_type(coap_memory_tag_t type, size_t size)
{
	(void)type;
	return memory_library_alloc(size);
}

void *coap_realloc_type(coap_memory_tag_t type, void *p, size_t size)
{
	(void)type;
	return memory_library_realloc(p, size);
}

void coap_free_type(coap_memory_tag_t type, void *p)
{
	(void)type;
	free(p);
}
