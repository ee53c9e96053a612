"""The real client against a server on a SQLite file: some of the scenarios of `test_server.py`, one of each kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.watermelon.real import RealServer, real_server
from tests.watermelon.test_server import (
    colleagues,
    pair,
    people,
    person,
    team,
    test_a_first_sync_brings_all,
    test_a_lost_acknowledgement,
    test_a_reference_to_what_is_not_there_yet_waits,
    test_a_server_that_is_killed_in_the_middle_of_pushes,
    test_an_application_that_has_learnt_more_gets_what_it_has_missed,
    test_an_edit_wins_over_a_delete_where_it_is_declared,
    test_edits_of_different_fields_both_stand,
    test_five_devices,
    test_thousands_of_rows,
    test_two_people_share_what_is_shared,
    test_values_of_every_type,
)

__all__ = [
    "colleagues",
    "pair",
    "people",
    "person",
    "team",
    "test_a_first_sync_brings_all",
    "test_a_lost_acknowledgement",
    "test_a_reference_to_what_is_not_there_yet_waits",
    "test_a_server_that_is_killed_in_the_middle_of_pushes",
    "test_an_application_that_has_learnt_more_gets_what_it_has_missed",
    "test_an_edit_wins_over_a_delete_where_it_is_declared",
    "test_edits_of_different_fields_both_stand",
    "test_five_devices",
    "test_thousands_of_rows",
    "test_two_people_share_what_is_shared",
    "test_values_of_every_type",
]


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with real_server(DATABASE_URL="sqlite:///store.db") as made:
        yield made
