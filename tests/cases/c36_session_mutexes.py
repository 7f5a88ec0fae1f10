"""c36_session_mutexes: a session is made with the list's mutex first, and used with its own first.

The report: two mutexes in either order. The mend: the list's first, always.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c36_session_mutexes(k: Kernel, fixed: bool = False) -> None:
    session, sessions = k.mutex("&ses->sem"), k.mutex("&list->sem")

    await k.mutex_lock(sessions)
    await k.mutex_lock(session)
    await k.mutex_unlock(sessions)
    await k.mutex_unlock(session)

    first, second = (sessions, session) if fixed else (session, sessions)
    await k.mutex_lock(first)
    await k.mutex_lock(second)
    await k.mutex_unlock(second)
    await k.mutex_unlock(first)


if __name__ == "__main__":
    script(c36_session_mutexes)
