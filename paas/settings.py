"""Django's settings. Every choice an operator has is an environment variable; README.md lists them."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from apps.cluster import seal
from paas import VERSION
from paas.state import runtime_directory

BASE = Path(__file__).resolve().parent.parent
STATE = Path(os.environ.get("STATE") or BASE / "var").absolute()

PORT = int(os.environ.get("PORT") or 8000)
TLS_PORT = PORT + 443
REDIS_URL = os.environ.get("REDIS_URL") or f"unix://{runtime_directory(STATE)}/redis.sock"
DEBUG = False
PLATFORM_VERSION = VERSION

# How long a node may be unheard before it counts as lost, and how long its pods then wait for it. Seconds.
NODE_GRACE = float(os.environ.get("DROVER_NODE_GRACE") or 5)
NODE_EVICTION = float(os.environ.get("DROVER_NODE_EVICTION") or 2)
# Where nodes and pods reach this server, when it is not the address that the machine uses towards others.
SERVER_ADDRESS = os.environ.get("DROVER_ADDRESS") or ""
try:
    SERVER_ADDRESS = SERVER_ADDRESS and str(ip_address(SERVER_ADDRESS))
except ValueError:
    raise ImproperlyConfigured(f"DROVER_ADDRESS={SERVER_ADDRESS} is no address: give one such as 10.0.0.10.") from None
# Further names and addresses under which this server is reached, for its certificate.
SERVER_NAMES = [name for name in os.environ.get("DROVER_NAMES", "").split(",") if name]
# A registry, as host:port, that machines which join ask first.
NODE_MIRROR = os.environ.get("DROVER_MIRROR") or ""

# How pods reach those of other nodes: auto (directly on a shared link, by VXLAN where a router lies between), or one.
POD_NETWORK = os.environ.get("DROVER_POD_NETWORK") or "auto"
if POD_NETWORK not in ("auto", "host-gw", "vxlan"):
    raise ImproperlyConfigured(f"DROVER_POD_NETWORK={POD_NETWORK} is unknown: give auto, host-gw or vxlan.")

# Follows from the outer key, so that every web machine that knows DROVER_KEY agrees on it.
SECRET_KEY = seal.derived("django", seal.outer_key(STATE, os.environ.get("DROVER_KEY", ""))).hex()
# The dashboard answers under any of the machine's names; the Host header is used for nothing but links to itself.
ALLOWED_HOSTS = [host for host in os.environ.get("DROVER_HOSTS", "*").split(",") if host]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "channels",
    "django_htmx",
    "apps.cluster",
    "apps.accounts",
    "apps.nodes",
    "apps.catalog",
    "apps.controllers",
    "apps.scheduler",
    "apps.api",
    "apps.watch",
    "apps.dashboard",
    "paas",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "apps.dashboard.middleware.content_security",
    "apps.dashboard.middleware.StaticFiles",
    "apps.accounts.cookies.cookie_names",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "paas.urls"
ASGI_APPLICATION = "paas.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": dj_database_url.parse(os.environ.get("DATABASE_URL") or f"sqlite:///{STATE}/db.sqlite3")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;",
    }
    # A file also in tests: threads and processes must meet in it.
    DATABASES["default"]["TEST"] = {"NAME": str(STATE / "test.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Transactions belong to the store: they are short, and nothing outside the database happens inside one.
ATOMIC_REQUESTS = False

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "apps.dashboard.views.errors.bad_csrf"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"

STATIC_URL = "/static/"
NODE_MODULES = BASE / "node_modules"
STATICFILES_DIRS: list[Path | tuple[str, Path]] = [BASE / "static"]
# What package.json names, as it is; absent where there is no npm.
STATICFILES_DIRS += [
    (place, NODE_MODULES / part)
    for place, part in (("xterm", "@xterm/xterm/lib"), ("xterm", "@xterm/xterm/css"), ("xterm", "@xterm/addon-fit/lib"))
    if (NODE_MODULES / part).is_dir()
]
# Found beside the code at start: no collecting step stands between a clone and the first page.
WHITENOISE_USE_FINDERS = True

# Default: no. Every view of the REST adapter says what it allows.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["apps.api.permissions.DenyAll"],
    "UNAUTHENTICATED_USER": None,
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "filters": {"redis": {"()": "paas.bearable.RedisAway"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    # A line for every reminder that a worker takes, or for every question to a node, would bury the rest; and a
    # unix socket has no host name, which Kombu remarks on each time. Who asks for a host that is none gets a 400;
    # a traceback of it is what anybody could fill the log with.
    "loggers": {
        "celery": {"level": "WARNING"},
        "celery.worker.consumer.consumer": {"filters": ["redis"]},
        "channels_redis.pubsub": {"filters": ["redis"]},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "httpx": {"level": "WARNING"},
        "kombu.connection": {"level": "ERROR"},
    },
    "root": {"handlers": ["stderr"], "level": os.environ.get("DROVER_LOG_LEVEL") or "INFO"},
}
