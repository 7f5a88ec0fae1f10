"""c51_nowait_failure: memory is low, and a hook that can do without asks with GFP_NOWAIT.

The report: it did not say __GFP_NOWARN, so the log is full of allocation failures. The mend: it does.
"""

from rcuactors import GFP_NOWAIT, Gfp, Kernel, scenario, script


@scenario(settings={"mem": "16M"})
async def c51_nowait_failure(k: Kernel, fixed: bool = False, tries: int = 8) -> None:
    gfp = GFP_NOWAIT | Gfp.NOWARN if fixed else GFP_NOWAIT
    await k.cold_caches()
    await k.user_process("hog", k.nr_free_pages() - k.min_wmark_pages())
    for _ in range(tries):
        await k.kfree(await k.kmalloc(512, gfp))
        await k.free_page(await k.get_free_page(gfp))
    await k.user_exit("hog")


if __name__ == "__main__":
    script(c51_nowait_failure)
