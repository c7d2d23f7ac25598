"""How Airflow's versions let a task go on in the triggerer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import conf
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_ee.flags import check_flags

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

BROKEN_OFF = "__fail__"
"""What Airflow resumes a task with, instead of a method, if its trigger has broken or its time is over."""


HEAD_START = 0.0 if AIRFLOW_V_3_0_PLUS else 30.0
"""Seconds by which a trigger has to keep ``execution_timeout`` sooner: Airflow 2 ends the deferral itself then."""


def deferred_context() -> Context | None:
    """The context of a task that was deferred, where Airflow 2 ends it without resuming it.

    It does so if the ``execution_timeout`` is over: then only ``on_kill`` is called.
    """
    if AIRFLOW_V_3_0_PLUS:
        return None
    from airflow.providers.common.compat.sdk import get_current_context

    try:
        context: Context = get_current_context()
    except Exception:
        return None
    return context if getattr(context["ti"], "next_method", None) else None


def is_deferrable(given: bool | None) -> bool:
    """Whether a task waits in the triggerer, if it waits: as given, else as Airflow is configured.

    :raises ValueError: if what was given is neither True nor False.
    """
    check_flags(deferrable=given)
    if given is not None:
        return given
    configured: bool = conf.getboolean("operators", "default_deferrable", fallback=False)
    return configured


def is_timeout(error: Exception) -> bool:
    """Whether a deferral was broken off because its time was over, rather than because its trigger has broken."""
    # Airflow 2 has no type for it, only a text.
    return type(error).__name__ == "TaskDeferralTimeout" or "timeout" in str(error).lower()
