"""Every refusal, as the API's Status: a code, a reason, a message for people, causes with field paths."""

from collections.abc import Sequence

from apps.cluster import types


class ApiError(Exception):
    """A request refused. Subclasses fix ``code`` (HTTP) and ``reason`` (the API's word for it)."""

    code = 500
    reason = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        causes: Sequence[types.Problem] = (),
        name: str = "",
        kind: str = "",
        group: str = "",
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.causes = tuple(causes)
        self.name, self.kind, self.group, self.retry_after = name, kind, group, retry_after

    def status(self) -> types.Status:
        """The answer's body."""
        details = types.StatusDetails(
            name=self.name,
            kind=self.kind,
            group=self.group,
            retry_after_seconds=self.retry_after,
            causes=[types.StatusCause(reason=c.reason, message=c.message, field=c.path) for c in self.causes],
        )
        return types.Status(
            status="Failure",
            code=self.code,
            reason=self.reason,
            message=self.message,
            details=details if details != types.StatusDetails() else None,
        )


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class Conflict(ApiError):
    code, reason = 409, "Conflict"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Gone(ApiError):
    """What was asked for lies before what the log still tells. ``continue_token`` goes on with what is there now."""

    code, reason = 410, "Expired"

    def __init__(self, message: str, *, continue_token: str = "") -> None:
        super().__init__(message)
        self.continue_token = continue_token

    def status(self) -> types.Status:
        status = super().status()
        status.metadata.continue_ = self.continue_token
        return status


class RequestEntityTooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    """The object's content breaks a rule; ``causes`` name each field."""

    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"


class TooNew(ApiError):
    """A number was asked for that is still to come."""

    code, reason = 504, "Timeout"

    def status(self) -> types.Status:
        status = super().status()
        cause = types.StatusCause(reason="ResourceVersionTooLarge", message="Too large resource version")
        status.details = types.StatusDetails(causes=[cause], retry_after_seconds=self.retry_after)
        return status


class Unavailable(ApiError):
    """Something this answer needs is away for now: a node, the database."""

    code, reason = 503, "ServiceUnavailable"


def invalid(kind: str, name: str, problems: Sequence[types.Problem], *, group: str = "") -> Invalid:
    """``Service "frontend" is invalid: spec.ports[0].port: Invalid value: ...``."""
    lines = [f"{problem.path}: {problem.message}" for problem in problems]
    told = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    shown = f"{kind}.{group}" if group else kind
    return Invalid(f'{shown} "{name}" is invalid: {told}', causes=problems, name=name, kind=kind, group=group)
