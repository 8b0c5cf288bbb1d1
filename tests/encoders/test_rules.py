"""Every rule of the protocol page about CSV (§6) and canal-json (§7), and the tests that hold it.

`_VALUES` are the golden values of every type, `_REFERENCE` the property tests against the plain encoders: all options,
types, widths and nulls.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

CSV, CANAL = "encoders/test_csv_vectors.py", "encoders/test_canal_vectors.py"
OPTIONS, READING, GOLDEN = "encoders/test_options.py", "encoders/test_csv_reading.py", "encoders/test_golden_values.py"
CSV_REFERENCE, CANAL_REFERENCE = "encoders/test_csv_reference.py", "encoders/test_canal_reference.py"
REFUSALS, KERNELS, LOG = "encoders/test_refusals.py", "encoders/test_kernels.py", "sources/test_change_log.py"

Held = tuple[str, ...]


def in_(file: str, *names: str) -> Held:
    return tuple(f"{file}::test_{name}" for name in names)


_CSV_REFERENCE = in_(
    CSV_REFERENCE, "any_options_give_the_bytes_of_the_rules", "usual_options_give_the_bytes_of_the_rules"
)
_CANAL_REFERENCE = in_(CANAL_REFERENCE, "any_options_give_the_bytes_of_the_rules")
_CSV_VALUES = in_(GOLDEN, "csv", "every_type_has_its_values") + _CSV_REFERENCE
_CANAL_VALUES = in_(GOLDEN, "canal_json", "every_type_has_its_values") + _CANAL_REFERENCE
_REFUSED = in_(OPTIONS, "csv_options_that_cannot_be_read_back_are_refused")
_READ_BACK = in_(READING, "texts_and_numbers_under_any_options", "every_type_under_any_options")

RULES: dict[str, Held] = {
    "§6 delimiter: 1-3 bytes, no CR or LF, no character of the quote": _REFUSED
    + in_(OPTIONS, "csv_takes_delimiters_of_one_to_three_bytes"),
    "§6 quote: 0-1 byte, not CR or LF": _REFUSED,
    "§6 null: unquoted, and told from every value": _REFUSED
    + in_(CSV, "null_the_empty_string_and_the_text_of_null_stay_three_things")
    + in_(CSV, "without_quotes_the_text_of_null_is_escaped")
    + in_(OPTIONS, "csv_takes_any_null_string_that_can_be_told")
    + in_(READING, "a_text_that_is_the_null_string_is_refused_where_nothing_tells_them_apart")
    + in_(READING, "an_empty_text_is_refused_where_null_is_empty_too")
    + _READ_BACK,
    "§6 include-commit-ts: column 4": in_(CSV, "the_quoted_vector_of_the_protocol"),
    "§6 binary-encoding-method: base64 or hex": in_(GOLDEN, "csv", "csv_in_hex") + _REFUSED,
    "§6 output-old-value: is-update, D and I": in_(
        CSV,
        "an_update_with_its_old_value_is_a_delete_and_an_insert_in_place",
        "inserts_need_no_old_values",
        "old_values_that_the_source_does_not_give_are_refused_with_the_place",
    ),
    "§6 output-field-header: one a file": in_(CSV, "the_header_names_the_columns_that_are_written")
    + in_("acceptance/test_nasty_run.py", "as_csv_without_quotes_and_a_header_in_each_file"),
    "§6 terminator: any that can be told, behind every row": in_(CSV, "every_row_ends_with_the_terminator")
    + in_(OPTIONS, "csv_takes_any_terminator_that_can_be_told")
    + in_(READING, "a_text_that_would_end_its_line_is_refused")
    + _REFUSED
    + _READ_BACK,
    "§6 columns: op, table, schema, [commit-ts], [is-update], the table's": in_(
        CSV, "the_leading_columns_stand_bare_in_their_order", "a_table_name_is_text_like_any_other"
    ),
    "§6 columns: none that is virtual or not selected": in_(CSV, "virtual_columns_are_left_out")
    + in_("transforms/test_select_columns.py", "an_encoder_takes_what_is_left"),
    "§6 update without old value: one U row; delete: the before-image": in_(CSV, "the_unquoted_vector_of_the_protocol")
    + _CSV_REFERENCE,
    "§6 an update of a key is split at the source, in place": in_(LOG, "an_update_of_the_key_is_split_in_place"),
    "§6 quoting on: the quote doubled, nothing else escaped": in_(
        CSV, "in_quotes_only_the_quote_is_doubled", "line_ends_are_raw_inside_quotes_and_escaped_without"
    ),
    "§6 quoting off: CR, LF, backslash and each delimiter byte escaped": in_(
        CSV,
        "without_quotes_each_byte_of_a_delimiter_gets_a_backslash",
        "half_a_delimiter_at_the_end_of_a_value_does_not_move_the_field",
    ),
    "§6 header: its names, unquoted": in_(
        CSV,
        "the_header_names_the_columns_that_are_written",
        "a_header_that_could_not_be_read_back_is_refused",
        "a_name_that_runs_into_the_delimiter_behind_it_has_no_header",
    )
    + in_(READING, "headers_split_into_the_names_under_any_options"),
    "§6 values: text raw, in any Unicode": _CSV_VALUES
    + in_(REFUSALS, "text_that_is_not_utf8_is_refused_at_its_row")
    + in_(REFUSALS, "surrogates_cut_and_overlong_characters_are_refused"),
    "§6 values: binary, dates and times with their fraction, zero dates": _CSV_VALUES,
    "§6 values: enum and set by name, 64 members, the empty one": _CSV_VALUES
    + in_(CSV, "an_enum_of_index_zero_and_an_empty_set_are_empty_strings")
    + in_(REFUSALS, "an_enum_index_beyond_its_elements_is_refused", "a_set_bit_beyond_its_elements_is_refused")
    + in_(REFUSALS, "names_that_the_source_did_not_tell_are_refused_and_numbers_are_not"),
    "§6 values: bit of 1 to 64, decimal to (65,30), JSON, vector, integers and year": _CSV_VALUES,
    "§6 float text: as Go's %v": _CSV_VALUES
    + in_(CSV, "floats_are_written_as_go_prints_them", "one_float_out_of_range_does_not_change_how_the_others_look")
    + in_(KERNELS, "doubles_have_the_shortest_digits_in_both_forms", "floats_have_the_shortest_digits_of_32_bits"),
    "§6 the two vectors": in_(CSV, "the_quoted_vector_of_the_protocol", "the_unquoted_vector_of_the_protocol"),
    "§7 one object a row and a terminator, keys in their order": in_(CANAL, "an_insert_in_full")
    + in_(CANAL_REFERENCE, "every_line_is_one_json_object_that_ends_the_line")
    + in_(OPTIONS, "json_ends_objects_by_line_ends_only"),
    "§7 pkNames: null if none": in_(CANAL, "the_primary_key_is_named_in_table_order_and_a_unique_key_is_not"),
    "§7 es: commit time; ts: encode time": in_(
        CANAL, "an_insert_in_full", "the_commit_time_comes_from_the_source_where_it_has_one"
    ),
    "§7 data and old: arrays of one object of strings or nulls": in_(
        CANAL, "an_insert_in_full", "null_and_the_text_null_are_two_things"
    ),
    "§7 delete: the before-image in data, old null": in_(CANAL, "a_delete_has_the_row_that_went_in_data"),
    "§7 update: old has all columns": in_(CANAL, "an_update_carries_all_columns_of_the_row_before_it"),
    "§7 only-output-updated-columns, content-compatible: old has the changed ones": in_(
        CANAL, "an_update_can_carry_only_what_changed"
    ),
    "§7 delete-only-output-handle-key-columns": in_(
        CANAL,
        "a_delete_can_keep_its_handle_key_only_and_order_stays",
        "a_table_without_a_handle_key_keeps_its_deletes_whole",
        "the_primary_key_is_named_in_table_order_and_a_unique_key_is_not",
    ),
    "§7 _tidb: on by default": in_(CANAL, "an_insert_in_full", "the_commit_ts_can_be_left_out"),
    "§7 content-compatible: full mysqlType": in_(CANAL, "mysql_types_are_full_only_when_asked")
    + in_(GOLDEN, "canal_json"),
    "§7 values: integers, bit, year, floats without exponent, decimal, dates, JSON": _CANAL_VALUES
    + in_(CANAL, "floats_never_have_an_exponent"),
    "§7 values: enum and set numeric, binary as Latin-1, text as UTF-8": _CANAL_VALUES
    + in_(CANAL, "enum_set_and_bit_are_numbers_and_bytes_are_characters"),
    "§7 Java types, and those of large unsigned values": _CANAL_VALUES
    + in_(CANAL, "a_large_unsigned_value_changes_its_java_type_and_no_other"),
    "§7 mysqlType: unsigned and zerofill, but for bit and year": in_(CANAL, "mysql_types_are_full_only_when_asked")
    + _CANAL_REFERENCE,
    "§7 escapes: controls and <>& as \\u00XX, \\t \\n \\r short, the rest literal": in_(
        CANAL, "strings_are_escaped_as_go_escapes_them", "names_are_escaped_like_values"
    )
    + in_(GOLDEN, "canal_json"),
    "§7 read back by change_log, and written again the same": in_(
        "sources/test_canal_round_trip.py",
        "any_rows_are_read_and_written_again_as_they_were",
        "every_type_at_its_edges",
    ),
    "§9 every option is part of what the state remembers": in_(OPTIONS, "the_identity_changes_with_every_option"),
    "texts beyond 32-bit offsets": in_(KERNELS, "texts_with_64_bit_offsets_give_the_same_bytes"),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_held_by_tests_that_exist(rule: str) -> None:
    for held in RULES[rule]:
        file, _, name = held.partition("::")
        assert re.search(rf"^def {name}\(", (TESTS / file).read_text(), re.MULTILINE), held
