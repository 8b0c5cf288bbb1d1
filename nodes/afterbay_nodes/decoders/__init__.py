"""From the bytes of one data file to Arrow columns: the encoders' way back.

`decode.decode` picks the decoder by extension (and, for json, by content); every decoder yields `StoredRows`.
"""
