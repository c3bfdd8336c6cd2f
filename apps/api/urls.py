"""The API's addresses in Django, for browsers: the same ones that the ASGI adapter serves to clients."""

from django.urls import re_path

from apps.api.asgi import ROOTS
from apps.api.drf import ApiView

urlpatterns = [re_path(rf"^(?:{'|'.join(sorted(ROOTS))})(?:/.*)?$", ApiView.as_view(), name="api")]
