r"""A run while it goes on, as others see it: what it tells of itself, and the local socket by which it is asked.

::

    run ---- figures (worked out when asked) ----> Listener, one thread, <state>/live.sock
                                                        ^ one line a question, one line an answer (`protocol`)
    afterbay top, tap, ui ---- Connection --------------+
                          \--- a state directory without a run: `stored`

Nothing here is needed by a run: one whose socket cannot be made goes on without it.
"""
