"""EarthEngineHook: an Airflow connection -> a client of Earth Engine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_ee.earthengine.errors import AuthError, EarthEngineError, RequestError, refuse_none
from airflow_provider_ee.provider_info import (
    CONNECTION_FIELDS,
    CONNECTION_NAME,
    CONNECTION_TYPE,
    DEFAULT_CONNECTION,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection
    from google.auth.credentials import Credentials

    from airflow_provider_ee.earthengine.client import EarthEngineClient
    from airflow_provider_ee.earthengine.credentials import CredentialSettings
    from airflow_provider_ee.earthengine.messages import ExportRequest
    from airflow_provider_ee.earthengine.pollers import Caller

# How a google_cloud_platform connection spells some of our fields.
_GOOGLE_NAMES = {"scopes": "scope", "anonymous": "is_anonymous"}
_PREFIXES = ("", "extra__google_cloud_platform__")
# A credential that we cannot read must not silently become another identity.
_UNSUPPORTED = ("key_secret_name", "idp_issuer_url")
# A ticked box is "y" where Airflow 2 tests a form that is not saved.
_FLAGS = {"true": True, "1": True, "y": True, "false": False, "0": False}
_PATIENCE_OF_A_PERSON = 15  # seconds


class EarthEngineHook(BaseHook):
    """Talk to Earth Engine with the credentials of an Airflow connection.

    The connection is of the type ``earth_engine`` or ``google_cloud_platform``. Where the default connection
    does not exist, application default credentials are used.

    :param ee_conn_id: id of the connection.
    :param project_id: Cloud project, instead of the one of the connection or of the credentials.
    :param impersonation_chain: service account to act as, or a list that ends with it, instead of the one of
        the connection.
    """

    conn_name_attr = "ee_conn_id"
    default_conn_name = DEFAULT_CONNECTION
    conn_type = CONNECTION_TYPE
    hook_name = CONNECTION_NAME

    def __init__(
        self,
        ee_conn_id: str = DEFAULT_CONNECTION,
        project_id: str | None = None,
        impersonation_chain: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ee_conn_id = ee_conn_id
        self._given_project = project_id
        self._given_chain = impersonation_chain

    @cached_property
    def project_id(self) -> str:
        """The project that calls are made in: given, of the connection, or of the credentials.

        :raises AuthError: if none of them names one.
        """
        refuse_none("project_id", self._given_project)
        project = self._given_project or self._fields.get("project") or self._credentials[1]
        if not project:
            raise AuthError(f"no Cloud project is known; set project in {self._named_connection}, or project_id.")
        return str(project)

    @property
    def deployment(self) -> str:
        """The connection's word that tells two Airflows with the same DAGs on one project apart."""
        return str(self._fields.get("deployment") or "")

    @cached_property
    def client(self) -> EarthEngineClient:
        """An authorised client.

        :raises EarthEngineError: if the connection is wrong or its credentials cannot be loaded.
        """
        return self._make_client(num_retries=self._number("num_retries"), timeout=self._number("timeout"))

    async def open_for_polling(self) -> tuple[Caller, EarthEngineClient]:
        """A client that repeats nothing, made without blocking the event loop, and for whom it calls.

        :raises EarthEngineError: if the connection is wrong or its credentials cannot be loaded.
        """
        from airflow.providers.common.compat.connection import get_async_connection
        from asgiref.sync import sync_to_async

        from airflow_provider_ee.earthengine.aside import in_thread

        try:
            self._connection = await get_async_connection(self.ee_conn_id)
        except AirflowNotFoundException:
            self._connection = None
        # Reading a connection, Airflow talks to its supervisor: before 3.2, in no other kind of thread.
        await sync_to_async(lambda: self._fields, thread_sensitive=False)()
        client: EarthEngineClient = await in_thread(
            lambda: self._make_client(num_retries=0, timeout=self._number("timeout"))
        )
        return self.caller, client

    @property
    def caller(self) -> Caller:
        """For whom calls are made, and where.

        :raises EarthEngineError: if the connection is wrong.
        """
        from airflow_provider_ee.earthengine.endpoint import DEFAULT_ENDPOINT, check_endpoint
        from airflow_provider_ee.earthengine.pollers import Caller

        # Before credentials are loaded for it.
        endpoint = check_endpoint(
            str(self._fields.get("api_endpoint") or DEFAULT_ENDPOINT), real_credentials=self._settings.are_real
        )
        return Caller(endpoint, self.project_id, self._settings.identity)

    def _make_client(self, *, num_retries: int, timeout: float) -> EarthEngineClient:
        from airflow_provider_ee import metrics
        from airflow_provider_ee.earthengine.client import EarthEngineClient

        caller = self.caller
        return EarthEngineClient(
            self.get_credentials(),
            caller.project,
            endpoint=caller.endpoint,
            real_credentials=self._settings.are_real,
            num_retries=num_retries,
            timeout=timeout,
            requested=metrics.requested,
        )

    def get_conn(self) -> EarthEngineClient:
        """The client, under the name that every hook has."""
        return self.client

    def get_credentials(self) -> Credentials:
        """The google-auth credentials of the connection.

        :raises AuthError: if there are none, or they cannot be read.
        """
        return self._credentials[0]

    def export(self, kind: str, request: Mapping[str, Any] | ExportRequest) -> dict[str, Any]:
        """Validate a request, send it once and return the Operation resource.

        A building block without memory: after a ``TransientError`` the export may have started.

        REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export, and those of
        the other kinds beside it

        :param kind: ``image``, ``table``, ``video``, ``map``, ``videoMap`` or ``classifier``.
        :param request: the REST request, as a dict or as a validated message. The expression may be an ee
            object, made after ``initialize_ee``.
        :raises RequestError: if it is wrong, before anything is sent, or refused.
        :raises EarthEngineError: of the kind that fits, for whatever else fails.
        """
        from airflow_provider_ee.assets import collect_lineage
        from airflow_provider_ee.earthengine.exported import Exported
        from airflow_provider_ee.earthengine.expression import expression_of
        from airflow_provider_ee.earthengine.messages import REQUESTS
        from airflow_provider_ee.earthengine.validation import parse

        if kind not in REQUESTS:
            raise RequestError(f"an export of the kind {kind!r} is not known; known are {', '.join(REQUESTS)}.")
        if isinstance(request, Mapping):
            checked = {**request, "expression": expression_of(request.get("expression"), kind)}
            request = parse(REQUESTS[kind], checked)
        operation = self.client.export(kind, request.body())
        collect_lineage(self, Exported.by(request))
        return operation

    def export_image(self, request: Mapping[str, Any] | ExportRequest) -> dict[str, Any]:
        """``export("image", request)``.

        REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export

        :param request: as for ``export``.
        :raises EarthEngineError: as ``export`` does.
        """
        return self.export("image", request)

    def initialize_ee(self) -> None:
        """Make the ``ee`` library ready with the credentials and the project of the connection.

        May be called again; what was there already is kept. Another's session in this process is never used.

        :raises RequestError: if ``ee`` is not installed, or has been initialised by somebody else.
        :raises EarthEngineError: if the service cannot be reached.
        """
        from airflow_provider_ee.earthengine import ee_session

        ee_session.initialize(self.caller, self.get_credentials())

    @contextmanager
    def ee_initialized(self) -> Iterator[None]:
        """``initialize_ee``, taken back in the end if it was not ready before; without ``ee``, nothing."""
        from airflow_provider_ee.earthengine import ee_session

        if not ee_session.is_installed():
            yield
            return
        with ee_session.session(self.caller, self.get_credentials()):
            yield

    def get_operation(self, name: str) -> dict[str, Any]:
        """The Operation resource; a failed operation is an answer, not an error.

        REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/get

        :param name: ``projects/PROJECT/operations/ID``.
        :raises NotFoundError: if the service does not know it.
        :raises EarthEngineError: of the kind that fits, for whatever else is refused.
        """
        return self.client.get_operation(name)

    def list_operations(self) -> Iterator[dict[str, Any]]:
        """All operations of the project, of all its users.

        REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/list

        :raises EarthEngineError: of the kind that fits, while they are gone through.
        """
        return self.client.list_operations()

    def cancel_operation(self, name: str) -> None:
        """Ask for an operation to be cancelled; it goes on for a while, and may still succeed.

        REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/cancel

        :param name: ``projects/PROJECT/operations/ID``.
        :raises EarthEngineError: of the kind that fits.
        """
        self.client.cancel_operation(name)

    def wait_for_operation(
        self, name: str, *, poll_interval: float = 30.0, timeout: float | None = None
    ) -> dict[str, Any]:
        """Wait until an operation has ended, in whatever state, and return its resource; cancels nothing.

        :param name: ``projects/PROJECT/operations/ID``.
        :param poll_interval: seconds between two looks.
        :param timeout: seconds to wait.
        :raises OperationTimeoutError: if it has not ended in time.
        :raises NotFoundError: if the service does not know it.
        """
        from airflow_provider_ee.earthengine.clock import SystemClock
        from airflow_provider_ee.earthengine.operation import Operation
        from airflow_provider_ee.earthengine.waiting import wait_for_operation

        final = wait_for_operation(
            self.client,
            Operation(self.get_operation(name)),
            SystemClock(),
            poll_interval=poll_interval,
            timeout=timeout,
            limit="timeout",
            log=self.log,
        )
        return dict(final.resource)

    def test_connection(self) -> tuple[bool, str]:
        """Whether the project can be used, what mends it if not, and which identity was used.

        Permission to export cannot be told without an export.
        """
        from airflow_provider_ee.earthengine.access import check_access

        try:
            self._check_that_secrets_were_given()
            self._number("num_retries")  # which this test has no use for
            timeout = min(self._number("timeout"), _PATIENCE_OF_A_PERSON)
            with closing(self._make_client(num_retries=0, timeout=timeout)) as client:
                works, told = True, check_access(client)
        except EarthEngineError as error:
            works, told = False, str(error)
        except Exception as error:  # whose text may quote a secret
            works, told = False, f"The connection could not be tested ({type(error).__name__})."
        # A connection that is not saved yet is tested under an id that nobody knows.
        return works, f"{told} {self._identity_used}".strip().replace(self._named_connection, "this connection")

    def _check_that_secrets_were_given(self) -> None:
        from airflow_provider_ee.hooks.connection_form import KEPT_SECRET

        for name, value in self._fields.items():
            if value == KEPT_SECRET:
                raise RequestError(
                    f"the page of Airflow 2 does not show the saved {name} to this test; "
                    "type it in again, or run `airflow connections test`."
                )

    @property
    def _identity_used(self) -> str:
        """A sentence, once there are credentials."""
        from airflow_provider_ee.earthengine.authorisation import identity_of
        from airflow_provider_ee.earthengine.credentials import origin

        if "_credentials" not in self.__dict__:
            return ""
        if not self._settings.are_real:
            return f"Identity used: {'none (anonymous)' if self._settings.anonymous else 'the fixed token'}."
        return f"Identity used: {identity_of(self.get_credentials())}, from {origin(self._settings)}."

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """The form's own fields, for Airflow before 3.2."""
        from airflow_provider_ee.hooks.connection_form import form_widgets

        return form_widgets()

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """What the form makes of the fields that every connection has, for Airflow before 3.2."""
        from airflow_provider_ee.hooks.connection_form import field_behaviour

        return field_behaviour()

    @property
    def _named_connection(self) -> str:
        return f"the connection {self.ee_conn_id!r}"

    @cached_property
    def _connection(self) -> Connection | None:
        try:
            connection: Connection = self.get_connection(self.ee_conn_id)
        except AirflowNotFoundException:
            return None
        return connection

    @cached_property
    def _fields(self) -> dict[str, Any]:
        """The fields of the connection that hold something."""
        refuse_none("ee_conn_id", self.ee_conn_id)
        connection = self._connection
        if connection is None:
            if self.ee_conn_id == DEFAULT_CONNECTION:
                return {}
            raise RequestError(
                f"{self._named_connection} does not exist; create it, or leave ee_conn_id out "
                "to use application default credentials."
            ) from None
        extra = connection.extra_dejson
        if not isinstance(extra, dict) or (
            not extra and (connection.extra or "").strip() not in ("", "{}", "null")
        ):
            raise RequestError(f"{self._named_connection} has an extra that is not a JSON object; correct it.")
        for name in _UNSUPPORTED:
            if _read(extra, name):
                raise RequestError(
                    f"{self._named_connection} sets {name}, which is not supported; use key_path, "
                    "keyfile_dict or credential_config_file."
                )
        fields = {name: _read(extra, name, _GOOGLE_NAMES.get(name)) for name in CONNECTION_FIELDS}
        return {name: value for name, value in fields.items() if value not in (None, "")}

    @cached_property
    def _settings(self) -> CredentialSettings:
        from airflow_provider_ee.earthengine.credentials import DEFAULT_SCOPES, CredentialSettings

        refuse_none("impersonation_chain", self._given_chain)
        chain = self._given_chain or self._fields.get("impersonation_chain")
        return CredentialSettings(
            key_path=self._fields.get("key_path"),
            keyfile_dict=self._fields.get("keyfile_dict"),
            credential_config_file=self._fields.get("credential_config_file"),
            anonymous=self._flag("anonymous"),
            token=self._fields.get("token"),
            impersonation_chain=self._words("impersonation_chain", chain),
            quota_project_id=self._fields.get("quota_project_id"),
            scopes=self._words("scopes", self._fields.get("scopes")) or DEFAULT_SCOPES,
        )

    @cached_property
    def _credentials(self) -> tuple[Credentials, str | None]:
        from airflow_provider_ee.earthengine.credentials import load_credentials

        return load_credentials(self._settings)

    def _number(self, name: str) -> int:
        schema = CONNECTION_FIELDS[name]["schema"]
        value = self._fields.get(name, schema["default"])
        try:
            number = float(value)
            if schema["minimum"] <= number <= schema["maximum"] and number.is_integer():
                return int(number)
        except (TypeError, ValueError):
            pass
        rule = f"a whole number from {schema['minimum']} to {schema['maximum']}"
        raise RequestError(f"{self._named_connection} sets {name} to {value!r:.80}; write {rule}.")

    def _flag(self, name: str) -> bool:
        value = self._fields.get(name, False)
        flag = _FLAGS.get(str(value).strip().lower())
        if flag is None:
            raise RequestError(f"{self._named_connection} sets {name} to {value!r:.80}; write true or false.")
        return flag

    def _words(self, name: str, given: Any) -> tuple[str, ...]:
        """A list, also as JSON text, or text with commas."""
        if isinstance(given, str):
            with suppress(ValueError, RecursionError):
                given = json.loads(given)
        words = given.split(",") if isinstance(given, str) else given or ()
        if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
            raise RequestError(f"{name} must be a list of text or text with commas, not {given!r:.80}.")
        return tuple(word.strip() for word in words if word.strip())


def _read(extra: Mapping[str, Any], *names: str | None) -> Any:
    for prefix in _PREFIXES:
        for name in names:
            value = extra.get(f"{prefix}{name}") if name else None
            if value not in (None, ""):
                return value
    return None
