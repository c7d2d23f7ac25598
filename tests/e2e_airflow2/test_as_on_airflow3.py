"""Scenarios that come out on Airflow 2.11 as they do on Airflow 3."""

# ruff: noqa: F401 (what is imported is played)

from __future__ import annotations

import pytest
from test_limits import (
    test_a_full_queue_is_waited_for_without_a_slot,
    test_a_sensor_that_times_out_cancels_nothing,
    test_a_sensor_waits_without_a_slot,
    test_a_timeout_cancels_and_fails_without_a_retry,
    test_quick_exports_fail_no_task,
)
from test_processes_die import (
    test_a_task_that_dies_before_it_hears_of_its_export_finds_it,
    test_a_task_that_dies_before_it_is_deferred_goes_on_with_its_export,
    test_a_triggerer_that_ends_and_comes_back_goes_on,
    test_a_worker_that_is_lost_before_it_hears_of_its_export_finds_it,
    test_the_retry_of_a_task_whose_trigger_broke_goes_on_with_its_export,
    test_what_is_marked_failed_while_no_triggerer_is_there_is_mended_by_a_clear,
)
from test_user_acts import (
    test_a_clear_after_success_exports_anew,
    test_a_clear_of_one_mapped_task_exports_anew_for_it_only,
    test_a_clear_while_deferred_exports_anew,
    test_a_mark_of_one_mapped_task_cancels_its_export_only,
    test_a_mark_while_deferred_cancels,
    test_a_run_that_is_deleted_while_deferred_leaves_no_export,
    test_an_export_is_waited_for_without_a_slot,
)

pytestmark = pytest.mark.e2e
