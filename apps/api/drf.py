"""The API over Django REST framework, over the same core: for browsers, and for whoever mounts it in a Django site.

It negotiates, authenticates and denies by default; what the API is and allows is the core's business.
"""

import uuid
from collections.abc import Iterable
from typing import Any, cast

import orjson
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework import exceptions
from rest_framework.authentication import SessionAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request as DrfRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import authentication
from apps.api import core
from apps.api.bodies import MOST_BYTES
from apps.api.messages import JSON, Answer, Query, Request, Stream, Talk, refusal
from apps.cluster.actors import ANONYMOUS, Actor
from apps.cluster.errors import (
    BadRequest,
    Forbidden,
    MethodNotAllowed,
    RequestEntityTooLarge,
    Unauthorized,
)


class Known(BasePermission):
    """Whoever proved who they are; and anyone for what is public."""

    def has_permission(self, request: DrfRequest, view: Any) -> bool:
        return isinstance(request.auth, Actor) or core.public(_bare(request))


class Credentials(SessionAuthentication):
    """A bearer token, or a session whose changes carry its CSRF token."""

    def authenticate(self, request: DrfRequest) -> Any:
        headers = {name.lower(): value for name, value in request.headers.items()}
        user = getattr(request._request, "user", None)
        try:
            actor = authentication.authenticate(headers, user)
        except Unauthorized:
            if "authorization" in headers or not core.public(_bare(request)):
                raise
            return None
        if "authorization" not in headers:
            self.enforce_csrf(request)
        return user, actor

    def authenticate_header(self, request: DrfRequest) -> str:
        return 'Bearer realm="drover"'


class PageOrJson(BaseContentNegotiation):
    """A page for browsers; every other form is chosen by the core."""

    def select_parser(self, request: DrfRequest, parsers: Iterable[Any]) -> Any:
        return None

    def select_renderer(
        self, request: DrfRequest, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        page, plain = renderers
        wanted = "text/html" in request.headers.get("accept", "")
        return (page, "text/html") if wanted else (plain, JSON)


class Page(BrowsableAPIRenderer):
    """An answer to read and to follow links from; changes are for the dashboard and for clients."""

    def get_default_renderer(self, view: Any) -> BaseRenderer:
        return JSONRenderer()

    def show_form_for_method(self, view: Any, method: str, request: DrfRequest, obj: Any) -> bool:
        return False


class ApiView(APIView):
    """Every address of the API."""

    authentication_classes = (Credentials,)
    permission_classes = (Known,)
    renderer_classes = (Page, JSONRenderer)
    content_negotiation_class = PageOrJson
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    def get_view_name(self) -> str:
        return "Drover API"

    def answer(self, request: DrfRequest) -> HttpResponseBase:
        """Carry the request to the core and its answer back."""
        actor = request.auth if isinstance(request.auth, Actor) else ANONYMOUS
        page = getattr(request, "accepted_media_type", JSON) == "text/html"
        asked = _whole(request, page=page)
        return _carried(core.handle(actor, asked), asked.id, page=page)

    get = head = post = put = patch = delete = answer

    def handle_exception(self, exc: Exception) -> Response:
        """Refusals of the framework become the API's own: a Status. A browser that is nobody yet may log in."""
        error = _translated(exc)
        response = _carried(core.failed(error, _bare(self.request)), "", page=False)
        if isinstance(error, Unauthorized) and getattr(self.request, "accepted_media_type", JSON) == "text/html":
            response = redirect_to_login(self.request.get_full_path())
        return cast(Response, response)


def _bare(request: DrfRequest) -> Request:
    return Request(request.method or "GET", request.path, id=uuid.uuid4().hex[:16])


def _whole(request: DrfRequest, *, page: bool) -> Request:
    headers = {name.lower(): value for name, value in request.headers.items()}
    if page:
        headers["accept"] = JSON
    try:
        body = request._request.body
    except RequestDataTooBig:
        raise RequestEntityTooLarge(f"Request entity too large: limit is {MOST_BYTES} bytes") from None
    query = Query.parse(request.META.get("QUERY_STRING", ""))
    return Request(request.method or "GET", request.path, query, headers, body, uuid.uuid4().hex[:16])


def _carried(answer: Answer | Stream, number: str, *, page: bool) -> HttpResponseBase:
    response: HttpResponseBase
    if isinstance(answer, Talk):
        answer = refusal(BadRequest("this is served over websockets only"))
    if isinstance(answer, Stream):
        response = StreamingHttpResponse(answer.open(), content_type=answer.content_type)
    elif page and answer.content_type == JSON and answer.body:
        response = Response(orjson.loads(answer.body), status=answer.code)
    else:
        response = HttpResponse(answer.body, status=answer.code, content_type=answer.content_type)
    for name, value in answer.headers if isinstance(answer, Answer) else ():
        response.headers[name] = value
    if number:
        response.headers["x-request-id"] = number
    return response


def _translated(error: Exception) -> Exception:
    """The framework's refusals as ours."""
    match error:
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Unauthorized("Unauthorized: log in, or send a token")
        case exceptions.PermissionDenied():
            return Forbidden(f"forbidden: {error.detail}")
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed("the server does not allow this method on the requested resource")
        case exceptions.APIException():
            return BadRequest(str(error.detail))
    return error
