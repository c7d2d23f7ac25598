"""``/_emulator``: what tests see and steer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, HTTPException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from airflow_provider_ee.emulator.app import Front
from airflow_provider_ee.emulator.errors import ServiceError
from airflow_provider_ee.emulator.faults import Fault, check_pattern
from airflow_provider_ee.emulator.gate import CONTROL
from airflow_provider_ee.emulator.operations import Behaviour


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BehaviourBody(_Body):
    """How operations behave whose description matches."""

    match: Annotated[str, AfterValidator(check_pattern)] = ""
    fail: dict[str, Any] | None = Field(default=None, min_length=1)
    succeed: bool = False
    stay: Literal["PENDING", "RUNNING"] | None = None
    duration_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    eecu_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    attempts: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _check_outcome(self) -> BehaviourBody:
        if self.fail and self.succeed:
            raise ValueError("an operation cannot both fail and succeed; give one of them")
        return self


class Release(_Body):
    """The name of a hold."""

    hold: str


class Advance(_Body):
    """Time to let pass."""

    advance_seconds: float = Field(ge=0, le=1e9)


class Seed(_Body):
    """Operations of other people to add."""

    operations: int = Field(ge=1, le=1_000_000)
    project: str | None = None


class Settings(_Body):
    """What nobody knows about the service, to be tried both ways."""

    burn_request_ids: bool | None = None
    duplicate_status: int | None = Field(default=None, ge=400, le=599)


def control_routes(front: Front) -> APIRouter:
    """The routes; who may ask for them is settled at the gate."""
    router = APIRouter(prefix=CONTROL)
    operations, faults = front.service.operations, front.faults
    known = {method.name for method in front.methods.all}

    @router.get("/requests")
    def requests() -> dict[str, Any]:
        return {"requests": list(front.log)}

    @router.delete("/requests")
    def forget_requests() -> dict[str, Any]:
        front.log.clear()
        return {}

    @router.get("/faults")
    def armed_faults() -> dict[str, Any]:
        return {"faults": faults.report()}

    @router.post("/faults")
    async def arm(fault: Fault) -> dict[str, Any]:
        if fault.method not in known:
            raise HTTPException(400, f"There is no method {fault.method!r}; it would never fire.")
        faults.arm(fault)
        return {}

    @router.delete("/faults")
    async def disarm() -> dict[str, Any]:
        faults.clear()
        return {}

    @router.post("/release")
    async def release(body: Release) -> dict[str, Any]:
        if not faults.release(body.hold):
            raise HTTPException(404, f"No fault holds under the name {body.hold!r}.")
        return {}

    @router.get("/operations")
    def true_operations() -> dict[str, Any]:
        return {"operations": [{**operations.resource(one), "user": one.user} for one in operations.all()]}

    @router.post("/operations")
    def behave(body: BehaviourBody) -> dict[str, Any]:
        operations.add_behaviour(Behaviour(**body.model_dump()))
        return {}

    @router.post("/clock")
    def advance(body: Advance) -> dict[str, Any]:
        operations.advance(body.advance_seconds)
        return {"now": operations.now()}

    @router.post("/seed")
    def seed(body: Seed) -> dict[str, Any]:
        operations.seed(body.project or _latest_project(front), body.operations)
        return {}

    @router.post("/settings")
    def settings(body: Settings) -> dict[str, Any]:
        for name, value in body.model_dump(exclude_none=True).items():
            setattr(front.service, name, value)
        return {}

    return router


def _latest_project(front: Front) -> str:
    paths = (entry["path"].split("/") for entry in reversed(front.log))
    project = next((parts[3] for parts in paths if parts[2:3] == ["projects"] and len(parts) > 3), None)
    if project is None:
        raise ServiceError(400, "Say which project to seed: nothing has been asked of any yet.")
    return str(project)


def add_control(app: FastAPI, front: Front) -> None:
    """Add the routes to an application."""
    app.include_router(control_routes(front))
