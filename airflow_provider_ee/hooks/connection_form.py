"""The connection form for Airflow before 3.2, made of the table that later ones read themselves."""

from __future__ import annotations

from typing import Any

from airflow_provider_ee.provider_info import CONNECTION_FIELDS, FIELD_BEHAVIOUR

# What Airflow 2 takes for a secret that stays as it is.
KEPT_SECRET = "RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER"  # noqa: S105 (it stands for one)


def form_widgets() -> dict[str, Any]:
    """A form field for each field of the connection: name -> WTForms field.

    :raises ImportError: if Flask-AppBuilder is not installed; Airflow 2 has it, Airflow 3.1 puts something in
        its place, and Airflow 3.0 shows no provider's fields without it.
    """
    return {name: _form_field(field) for name, field in CONNECTION_FIELDS.items()}


def field_behaviour() -> dict[str, Any]:
    """``FIELD_BEHAVIOUR`` as the hook tells it."""
    return {key.replace("-", "_"): value for key, value in FIELD_BEHAVIOUR.items()}


def _form_field(field: dict[str, Any]) -> Any:
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from wtforms import BooleanField, IntegerField, PasswordField, StringField
    from wtforms.validators import NumberRange, Optional

    schema = field["schema"]
    options = {"label": field["label"], "description": field["description"], "default": schema.get("default")}
    kind = schema["type"][0]
    if kind == "boolean":
        return BooleanField(**options)
    if kind == "integer":
        within = NumberRange(schema["minimum"], schema["maximum"])
        return IntegerField(validators=[Optional(), within], widget=BS3TextFieldWidget(), **options)
    if schema.get("format") == "password":
        return PasswordField(validators=[Optional()], widget=_secret_widget(), **options)
    return StringField(validators=[Optional()], widget=BS3TextFieldWidget(), **options)


def _secret_widget() -> Any:
    """A password input that shows whether there is a secret: Airflow 2 deletes one that comes back empty."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget

    class SecretWidget(BS3PasswordFieldWidget):  # type: ignore[misc]
        def __call__(self, field: Any, **kwargs: Any) -> Any:
            kept = field.data and (field.raw_data or [KEPT_SECRET])[0] == KEPT_SECRET
            return super().__call__(field, **{**kwargs, "value": KEPT_SECRET if kept else ""})

    widget = SecretWidget()
    widget.hide_value = False  # what it would hide is not the secret
    return widget
