"""The page that shows a pipeline live. Needs the extra `ui` (Starlette, uvicorn); loaded only by who shows it.

::

    browser --- GET /, /page/... ---> files of this package, nothing from elsewhere
            --- GET /events --------> server-sent events: graph, look, look, ...   <--- Watch: one look for all viewers
            --- POST /command ------> drain, pause, resume; with --allow-control and the token only
"""
