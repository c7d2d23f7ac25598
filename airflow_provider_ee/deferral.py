"""How Airflow's versions let a task go on in the triggerer."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import conf

BROKEN_OFF = "__fail__"
"""What Airflow resumes a task with, instead of a method, if its trigger has broken or its time is over."""


def is_deferrable(given: bool | None) -> bool:
    """Whether a task waits in the triggerer, if it waits: as given, else as Airflow is configured.

    :raises ValueError: if what was given is neither True nor False.
    """
    if given is not None:
        if not isinstance(given, bool):
            raise ValueError(f"deferrable={given!r} must be True or False.")
        return given
    configured: bool = conf.getboolean("operators", "default_deferrable", fallback=False)
    return configured


def is_timeout(error: Exception) -> bool:
    """Whether a deferral was broken off because its time was over, rather than because its trigger has broken."""
    # Airflow 2 has no type for it, only a text.
    return type(error).__name__ == "TaskDeferralTimeout" or "timeout" in str(error).lower()
