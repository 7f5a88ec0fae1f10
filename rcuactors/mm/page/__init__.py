"""The page allocator (mm/page_alloc.c), from a request to a page: lists of the CPUs, zone, watermarks, hooks."""
