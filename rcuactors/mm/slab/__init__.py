"""The slab allocator (mm/slub.c): how versions guard a CPU's slab, and what designs add: sheaves, kmalloc_nolock()."""

from ...marks import Side

__side__ = Side.ALLOCATOR
