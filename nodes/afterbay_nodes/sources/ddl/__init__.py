"""What a DDL statement of MySQL, MariaDB or TiDB does to tables: tokenizer, column definitions, classifier.

Small on purpose: it reads what a change log needs, and says honestly where a statement's outcome cannot be known.
"""
