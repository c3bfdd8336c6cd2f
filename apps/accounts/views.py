"""Logging in and out, and the page behind the one-time set-up link."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, BaseUserCreationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.accounts import known_browsers, setup, throttle

BACKEND = "django.contrib.auth.backends.ModelBackend"


class LoginForm(AuthenticationForm):
    """Django's form, which listens only as often as the throttle allows."""

    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username") or ""
        address = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        browser = known_browsers.mark_of(self.request, username) if self.request else ""
        keys = throttle.keys(username, address, browser)
        now = datetime.now(UTC)
        seconds = throttle.wait(keys, now)
        if seconds:
            raise ValidationError(f"Too many attempts. Try again in {seconds} s.", code="throttled")
        try:
            cleaned = super().clean()
        except ValidationError:
            throttle.failed(keys, now)
            raise
        if self.get_user() is not None:
            throttle.passed(keys[:1])
        return cleaned


@method_decorator(login_not_required, name="dispatch")
class Login(LoginView):
    """``/login``."""

    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True
    extra_context = {"admin_missing": lambda: not setup.admin_exists()}

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        known_browsers.remember(self.request, response, form.get_user().get_username())
        return response


class Logout(LogoutView):
    """``/logout``; a POST, so that no link of another page can log anyone out."""

    http_method_names = ["post", "options"]
    next_page = "/login"


class SetupForm(BaseUserCreationForm):  # type: ignore[type-arg]  # Django's own is not subscriptable
    """The first administrator's name and password, held to the password rules."""

    class Meta:
        model = User
        fields = ("username",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = "Letters, digits and @ . + - _"
        self.fields["password1"].help_text = "At least 8 characters, and not a common one."
        self.fields["password2"].label, self.fields["password2"].help_text = "The same password again", ""


@login_not_required
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
def first_admin(request: HttpRequest, token: str) -> HttpResponse:
    """``/setup/<token>``: make the first administrator and log them in."""
    if not setup.is_open(token):
        return _spent(request)
    form = SetupForm(request.POST or None, initial={"username": setup.ADMIN})
    if request.method != "POST" or not form.is_valid():
        return render(
            request, "accounts/setup.html", {"form": form}, status=200 if not form.is_bound else 422
        )
    try:
        user = setup.use_link(token, form.cleaned_data["username"], form.cleaned_data["password1"])
    except setup.LinkSpent:
        return _spent(request)
    login(request, user, backend=BACKEND)
    response = redirect("/")
    known_browsers.remember(request, response, user.get_username())
    return response


def _spent(request: HttpRequest) -> HttpResponse:
    context = {"admin_exists": setup.admin_exists(), "login": reverse("login")}
    return render(request, "accounts/setup_spent.html", context, status=410)
