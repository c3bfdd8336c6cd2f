"""Which form of an answer a client asks for in its Accept header."""

from dataclasses import dataclass
from enum import Enum

from apps.cluster.errors import NotAcceptable

META = "meta.k8s.io"
DISCOVERY = "apidiscovery.k8s.io"


class Form(Enum):
    """The object itself, its metadata alone, or a table made for people."""

    WHOLE = ""
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"


@dataclass(frozen=True, slots=True)
class Wanted:
    form: Form = Form.WHOLE
    yaml: bool = False


@dataclass(frozen=True, slots=True)
class _Offer:
    media_type: str
    parameters: dict[str, str]


_JSON_TYPES = frozenset({"application/json", "application/*", "*/*"})
_FORMS = {form.value: form for form in Form}


def choose(accept: str) -> Wanted:
    """The first form asked for that is served here. Raises NotAcceptable when there is none."""
    offers = _offers(accept)
    for offer in offers:
        yaml = offer.media_type == "application/yaml"
        if not yaml and offer.media_type not in _JSON_TYPES:
            continue
        wanted = offer.parameters.get("as", "")
        if not wanted:
            return Wanted(Form.WHOLE, yaml)
        if wanted in _FORMS and offer.parameters.get("g") == META and offer.parameters.get("v") == "v1":
            return Wanted(_FORMS[wanted], yaml)
    if offers:
        raise NotAcceptable("only the following media types are accepted: application/json, application/yaml")
    return Wanted()


def discovery_version(accept: str) -> str:
    """``v2`` or ``v2beta1`` when the client takes discovery in one document, else ""."""
    for offer in _offers(accept):
        if offer.parameters.get("g") == DISCOVERY and offer.parameters.get("v") in {"v2", "v2beta1"}:
            return offer.parameters["v"]
        if not offer.parameters and offer.media_type in _JSON_TYPES:
            return ""
    return ""


def _offers(accept: str) -> list[_Offer]:
    """The header's entries, most wanted first."""
    weighed = []
    for text in accept.split(",")[:50]:
        media_type, *rest = (piece.strip() for piece in text.split(";"))
        if not media_type:
            continue
        parameters = {
            name.strip(): value.strip() for name, _, value in (piece.partition("=") for piece in rest)
        }
        try:
            weight = float(parameters.pop("q", "1"))
        except ValueError:
            weight = 0.0
        weighed.append((weight, _Offer(media_type.lower(), parameters)))
    return [offer for weight, offer in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0]
