"""Whether a project can be exported from, as far as looking tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_ee.earthengine.errors import REGISTRATION_PAGE, AuthError

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.client import EarthEngineClient


def check_access(client: EarthEngineClient) -> str:
    """Ask for the project's registration and for its operations; says in a sentence what is well.

    REST pages: https://developers.google.com/earth-engine/reference/rest/v1/projects/getConfig and
    https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/list

    :raises EarthEngineError: of the kind that fits, with what mends it.
    """
    state = client.get_config().get("registrationState") or "REGISTRATION_STATE_UNSPECIFIED"
    if state == "NOT_REGISTERED":
        page = REGISTRATION_PAGE.format(project=client.project)
        raise AuthError(
            f"project {client.project!r} is not registered to use Earth Engine; register it at {page}."
        )
    try:
        client.list_page()
    except AuthError as error:
        raise AuthError(f"{error} Without it, an export whose answer was lost cannot be found again.") from None
    return f"Project {client.project!r} can be reached, and its operations be listed ({state})."
