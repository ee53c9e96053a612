"""The scenarios that every device and every server must get through, as data.

`SCHEMA` is what they need: a server declares both tables with these columns, numbers as floats. What is expected of the end
holds under any rule of merging, and where a delete meets an edit, under the default that the delete wins.
"""

from __future__ import annotations

from holdfast.testing.sync.schema import Column, Schema, Table
from holdfast.testing.sync.script import Create, Delete, Edit, Resend, Script, Step, Sync

SCHEMA = Schema(
    1,
    (
        Table(
            "notes",
            (
                Column("title"),
                Column("body", optional=True),
                Column("rank", "number"),
                Column("score", "number", optional=True),
                Column("done", "boolean"),
                Column("starred", "boolean", optional=True),
            ),
        ),
        Table("tags", (Column("label"), Column("weight", "number"))),
    ),
)

NOTE = ("notes", "n")

SHARED: tuple[Step, ...] = (Create("A", "n", {"title": "first", "rank": 1}), Sync("A"), Sync("B"))
"""One row that A made and B has."""

WORDS = {
    "plain": "abc",
    "accents": "Ångström, e\u0301 and \u00e9",
    "right_to_left": "שלום \u202e\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "beyond_the_basic_plane": "😀👩\u200d👩\u200d👧 𝒳 \U0010fffd",
    "separators": "line\u2028paragraph\u2029tab\tline\r\nend",
    "markup": "<b>&amp;\"'\\/ \ufeff%00 \u007f",
    "words": "null",
    "spaces": "  ",
}
NUMBERS = {
    "zero": 0,
    "minus_zero": -0.0,
    "tenth": 0.1,
    "sum": 0.1 + 0.2,
    "third": -1 / 3,
    "smallest": 5e-324,
    "smallest_normal": 2.2250738585072014e-308,
    "largest": 1.7976931348623157e308,
    "exact": 2**53,
    "below_exact": -(2**53 - 1),
    "exponent": 1e21,
    "before_exponent": 123456789012345680000,
    "moment": 1769860800123,
}

_FIRST = (
    Script(
        "first_sync_of_nothing",
        (Sync("A"), Sync("B")),
    ),
    Script(
        "first_sync_brings_all",
        (
            *(Create("A", f"n{i}", {"title": f"note {i}", "rank": i}) for i in range(20)),
            Create("A", "t", {"label": "red", "weight": 0.5}, table="tags"),
            Sync("A"),
            Sync("B"),
        ),
        {("notes", "n7"): {"title": "note 7", "rank": 7}, ("tags", "t"): {"label": "red", "weight": 0.5}},
    ),
    Script(
        "own_rows_before_the_first_sync",
        (*SHARED, Create("C", "c", {"title": "offline"}), Sync("C"), Sync("A")),
        {NOTE: {"title": "first"}, ("notes", "c"): {"title": "offline"}},
    ),
    Script(
        "several_devices_in_turn",
        (
            *SHARED,
            Edit("B", "n", {"body": "from B"}),
            Create("C", "c", {"title": "of C"}),
            Sync("B"),
            Sync("C"),
            Edit("C", "n", {"score": 2.5}),
            Sync("C"),
            Sync("A"),
            Edit("A", "n", {"done": True}),
            Sync("A"),
        ),
        {
            NOTE: {"title": "first", "body": "from B", "score": 2.5, "done": True},
            ("notes", "c"): {"title": "of C"},
        },
    ),
    Script(
        "a_first_sync_that_is_lost",
        (*SHARED, Sync("C", lose="pull"), Create("C", "c", {}), Sync("C")),
        {NOTE: {"title": "first"}, ("notes", "c"): {"title": ""}},
    ),
)

_MERGES = (
    Script(
        "different_fields",
        (
            *SHARED,
            Edit("A", "n", {"title": "of A"}),
            Edit("B", "n", {"body": "of B", "rank": 2}),
            Sync("A"),
            Sync("B"),
        ),
        {NOTE: {"title": "of A", "body": "of B", "rank": 2}},
    ),
    Script(
        "same_field",
        (*SHARED, Edit("A", "n", {"title": "of A"}), Edit("B", "n", {"title": "of B"}), Sync("A"), Sync("B")),
    ),
    Script(
        "same_field_same_value",
        (*SHARED, Edit("A", "n", {"title": "both"}), Edit("B", "n", {"title": "both"}), Sync("A"), Sync("B")),
        {NOTE: {"title": "both"}},
    ),
    Script(
        "same_and_different_fields",
        (
            *SHARED,
            Edit("A", "n", {"title": "of A", "body": "of A"}),
            Edit("B", "n", {"title": "of B", "done": True}),
            Sync("A"),
            Sync("B"),
        ),
        {NOTE: {"body": "of A", "done": True}},
    ),
    Script(
        "there_and_back",
        (
            *SHARED,
            Edit("A", "n", {"title": "changed"}),
            Edit("A", "n", {"title": "first"}),
            Edit("B", "n", {"title": "of B"}),
            Sync("B"),
            Sync("A"),
        ),
    ),
    Script(
        "an_edit_between_pull_and_push_of_another",
        (
            *SHARED,
            Edit("A", "n", {"title": "of A"}),
            Edit("B", "n", {"body": "of B"}),
            Sync("A", at={"pushing": (Sync("B"),)}),
        ),
        {NOTE: {"title": "of A", "body": "of B"}},
    ),
    Script(
        "the_same_field_between_pull_and_push_of_another",
        (
            *SHARED,
            Edit("A", "n", {"title": "of A"}),
            Edit("B", "n", {"title": "of B", "rank": 7}),
            Sync("A", at={"pushing": (Sync("B"),)}),
        ),
        {NOTE: {"rank": 7}},
    ),
    Script(
        "an_edit_while_a_pull_is_under_way",
        (
            *SHARED,
            Edit("B", "n", {"title": "of B", "body": "of B"}),
            Sync("B"),
            Sync("A", at={"pulled": (Edit("A", "n", {"rank": 5}),)}),
        ),
        {NOTE: {"title": "of B", "body": "of B", "rank": 5}},
    ),
    Script(
        "two_pushes_between_pull_and_push",
        (
            *SHARED,
            Sync("C"),
            Edit("A", "n", {"rank": 9}),
            Edit("B", "n", {"body": "of B"}),
            Edit("C", "n", {"done": True}),
            Sync("A", at={"pulled": (Sync("B"),), "pushing": (Sync("C"),)}),
        ),
        {NOTE: {"title": "first", "rank": 9, "body": "of B", "done": True}},
    ),
)

_DELETES = (
    Script("delete", (*SHARED, Delete("A", "n"), Sync("A"), Sync("B")), {NOTE: None}),
    Script(
        "delete_before_edit",
        (*SHARED, Delete("A", "n"), Edit("B", "n", {"title": "late"}), Sync("A"), Sync("B")),
        {NOTE: None},
    ),
    Script(
        "edit_before_delete",
        (*SHARED, Edit("A", "n", {"title": "late"}), Delete("B", "n"), Sync("A"), Sync("B")),
        {NOTE: None},
    ),
    Script(
        "delete_between_pull_and_push_of_an_edit",
        (
            *SHARED,
            Edit("A", "n", {"title": "late"}),
            Delete("B", "n"),
            Sync("A", at={"pushing": (Sync("B"),)}),
        ),
        {NOTE: None},
    ),
    Script(
        "both_delete",
        (*SHARED, Delete("A", "n"), Delete("B", "n"), Sync("A"), Sync("B")),
        {NOTE: None},
    ),
    Script(
        "made_and_deleted_offline",
        (Create("A", "n", {"title": "short"}), Delete("A", "n"), Sync("A"), Sync("B")),
        {NOTE: None},
    ),
    Script(
        "made_again_after_its_delete",
        (
            *SHARED,
            Delete("A", "n"),
            Sync("A"),
            # The pull after a delete may bring the device's own delete back, which would take the new row with it.
            Sync("A"),
            Create("A", "n", {"title": "again"}),
            Sync("A"),
            Sync("B"),
        ),
        {NOTE: {"title": "again", "rank": 0}},
    ),
)

_ECHOES = (
    Script(
        "own_row_edited_after_its_push",
        (
            *SHARED,
            Edit("A", "n", {"title": "second"}),
            Sync("A"),
            Edit("A", "n", {"title": "third"}),
            Sync("A"),
        ),
        {NOTE: {"title": "third"}},
    ),
    Script(
        "own_row_deleted_between_push_and_next_pull",
        (Create("A", "n", {"title": "x"}), Sync("A"), Delete("A", "n"), Sync("A"), Sync("B")),
        {NOTE: None},
    ),
    Script(
        "own_row_deleted_while_its_push_is_answered",
        (
            Create("A", "n", {"title": "x"}),
            Sync("A", at={"answered": (Delete("A", "n"),)}),
            Sync("A"),
            Sync("B"),
        ),
        {NOTE: None},
    ),
    Script(
        "new_row_edited_during_its_push",
        (
            Create("A", "n", {"title": "x"}),
            Sync("A", at={"pushing": (Edit("A", "n", {"body": "late"}),)}),
            Sync("A"),
            Sync("B"),
        ),
        {NOTE: {"title": "x", "body": "late"}},
    ),
    Script(
        "edit_during_a_push_keeps_an_old_column_listed",
        (
            *SHARED,
            Edit("A", "n", {"title": "of A"}),
            Sync("A", at={"pushing": (Edit("A", "n", {"rank": 4}),)}),
            Sync("B"),
            Edit("B", "n", {"title": "of B"}),
            Sync("B"),
            Sync("A"),
        ),
        {NOTE: {"rank": 4}},
    ),
    Script(
        "edits_on_both_sides_of_a_push",
        (
            *SHARED,
            Edit("A", "n", {"title": "one"}),
            Sync(
                "A",
                at={
                    "pulled": (Edit("A", "n", {"title": "two"}),),
                    "pushing": (Edit("A", "n", {"title": "three"}),),
                    "answered": (Edit("A", "n", {"title": "four"}),),
                },
            ),
        ),
        {NOTE: {"title": "four"}},
    ),
)

_LOSSES = (
    Script(
        "lost_acknowledgement_of_a_create",
        (Create("A", "n", {"title": "x"}), Sync("A", lose="ack"), Sync("B"), Sync("A")),
        {NOTE: {"title": "x"}},
    ),
    Script(
        "lost_acknowledgement_of_a_create_then_anothers_edit",
        (
            Create("A", "n", {"title": "x"}),
            Sync("A", lose="ack"),
            Sync("B"),
            Edit("B", "n", {"title": "of B"}),
            Sync("B"),
            Sync("A"),
        ),
        {NOTE: {"title": "of B"}},
    ),
    Script(
        "lost_acknowledgement_of_an_update_then_anothers_edit",
        (
            *SHARED,
            Edit("A", "n", {"title": "of A"}),
            Sync("A", lose="ack"),
            Sync("B"),
            Edit("B", "n", {"body": "of B"}),
            Sync("B"),
            Sync("A"),
        ),
        {NOTE: {"title": "of A", "body": "of B"}},
    ),
    Script(
        "lost_acknowledgement_then_another_edit",
        (*SHARED, Edit("A", "n", {"title": "one"}), Sync("A", lose="ack"), Edit("A", "n", {"title": "two"}), Sync("A")),
        {NOTE: {"title": "two"}},
    ),
    Script(
        "lost_acknowledgement_of_a_delete",
        (*SHARED, Delete("A", "n"), Sync("A", lose="ack"), Sync("B"), Sync("A")),
        {NOTE: None},
    ),
    Script(
        "lost_push",
        (*SHARED, Edit("A", "n", {"title": "of A"}), Sync("A", lose="push"), Sync("B"), Sync("A")),
        {NOTE: {"title": "of A"}},
    ),
    Script(
        "lost_pull",
        (*SHARED, Edit("B", "n", {"title": "of B"}), Sync("B"), Sync("A", lose="pull"), Sync("A")),
        {NOTE: {"title": "of B"}},
    ),
    Script(
        "delivered_twice",
        (
            Create("A", "n", {"title": "x"}),
            Create("A", "gone", {}),
            Sync("A", twice=True),
            Edit("A", "n", {"rank": 2}),
            Delete("A", "gone"),
            Sync("A", twice=True),
            Sync("B"),
        ),
        {NOTE: {"title": "x", "rank": 2}, ("notes", "gone"): None},
    ),
    Script(
        "an_old_push_delivered_after_a_newer_one",
        (
            *SHARED,
            Edit("A", "n", {"title": "one"}),
            Sync("A"),
            Edit("A", "n", {"title": "two"}),
            Sync("A"),
            Resend("A", -2),
        ),
        {NOTE: {"title": "two"}},
    ),
    Script(
        "an_old_push_delivered_after_anothers_edit",
        (*SHARED, Edit("A", "n", {"title": "of A"}), Sync("A"), Sync("B"), Edit("B", "n", {"title": "of B"}), Sync("B"), Resend("A", -1)),
        {NOTE: {"title": "of B"}},
    ),
    Script(
        "an_old_create_delivered_after_the_delete",
        (Create("A", "n", {"title": "x"}), Sync("A"), Delete("A", "n"), Sync("A"), Resend("A", 0), Sync("B")),
        {NOTE: None},
    ),
)  # fmt: skip

_VALUES = (
    Script(
        "text_of_every_kind",
        (
            *(Create("A", name, {"title": text, "body": text}) for name, text in WORDS.items()),
            Sync("A"),
            Sync("B"),
            *(Edit("B", name, {"title": text + "."}) for name, text in WORDS.items()),
        ),
        {("notes", name): {"title": text + ".", "body": text} for name, text in WORDS.items()},
    ),
    Script(
        "numbers_at_the_edge",
        (
            *(Create("A", name, {"rank": value, "score": value}) for name, value in NUMBERS.items()),
            Sync("A"),
            Sync("B"),
            *(Edit("B", name, {"title": "seen"}) for name in NUMBERS),
        ),
        {("notes", name): {"rank": v, "score": v, "title": "seen"} for name, v in NUMBERS.items()},
    ),
    Script(
        "values_that_become_null",
        (
            Create("A", "n", {"body": "x", "score": 1, "starred": True}),
            Sync("A"),
            Sync("B"),
            Edit("B", "n", {"body": None, "score": None, "starred": None}),
            Edit("A", "n", {"title": "kept"}),
            Sync("B"),
            Sync("A"),
        ),
        {NOTE: {"title": "kept", "body": None, "score": None, "starred": None}},
    ),
    Script(
        "empty_is_not_null",
        (
            Create("A", "n", {"body": "", "score": 0, "starred": False}),
            Create("A", "null", {}),
            Sync("A"),
            Sync("B"),
        ),
        {
            NOTE: {"body": "", "score": 0, "starred": False},
            ("notes", "null"): {"title": "", "body": None, "rank": 0, "score": None, "done": False},
        },
    ),
)

SCRIPTS: tuple[Script, ...] = (*_FIRST, *_MERGES, *_DELETES, *_ECHOES, *_LOSSES, *_VALUES)
