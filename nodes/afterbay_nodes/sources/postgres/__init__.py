"""PostgreSQL as a source: logical replication by pgoutput.

From the bytes to Arrow: `pgoutput` parses the messages that steer (transactions, relations, truncates, logical
messages), `row_run` holds many row messages of one relation as one buffer, `tuples` decodes such a run into columns,
`type_table` says which column each type becomes, `type_facts` what must be asked of the server for types that it does
not know, and `session` what the connection must be set to, so that values come in the forms that `values` reads.
`copy_binary` reads the rows of a snapshot's COPY into the same columns.
"""
