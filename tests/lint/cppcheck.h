/* What cppcheck needs of headers that it does not read. */
#define LIST_FOREACH(v, h, f)       for ((v) = (h)->lh_first; (v); (v) = (v)->f.le_next)
#define json_array_foreach(a, i, v) for (i = 0; (v = json_array_get(a, i)); i++)
#define json_object_foreach(o, k, v)                                                           \
	for (k = next_key(o); (v = next_value(o, k)); k = next_key(o))
