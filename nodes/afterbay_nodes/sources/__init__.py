"""Sources: where changes come from. Each module holds one subject; the declarations are `demo.Demo` and
`change_log.ChangeLog`.
"""
