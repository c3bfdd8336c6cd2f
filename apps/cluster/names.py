"""What names, label keys and label values may look like. No Django here.

Each function answers None when the text is fine, else what it must be, in words that follow "Invalid value".
Everything that reaches a path, a command or a query has passed one of these.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

LABEL_LIMIT: Final = 63
SUBDOMAIN_LIMIT: Final = 253

DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?", re.ASCII)
DNS_1035_LABEL = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?", re.ASCII)
DNS_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*", re.ASCII)
QUALIFIED = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?", re.ASCII)
CONFIG_KEY = re.compile(r"[-._A-Za-z0-9]+", re.ASCII)
ENV_NAME = re.compile(r"[-._A-Za-z][-._A-Za-z0-9]*", re.ASCII)
PORT_NAME = re.compile(r"[a-z0-9-]+", re.ASCII)

GENERATED_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: no words by accident
GENERATED_LENGTH: Final = 5


def generated(lead: str) -> str:
    """A name that begins so, which nobody is likely to have."""
    return lead + "".join(secrets.choice(GENERATED_LETTERS) for _ in range(GENERATED_LENGTH))


class Draw:
    """Generated names that begin alike, for many objects: whether they are taken is then asked of many at once."""

    def __init__(self, lead: str) -> None:
        self.lead, self.names = lead, list[str]()
        self._drawn = 0

    def more(self) -> list[str]:
        """As many again as were needed so far: one for whoever makes one."""
        self.names += [generated(self.lead) for _ in range(max(self._drawn, 1))]
        self._drawn += len(self.names)
        return self.names


def dns_label_problem(text: str) -> str | None:
    """RFC 1123 label: namespaces, containers, volumes, hostnames."""
    if len(text) > LABEL_LIMIT:
        return f"must be no more than {LABEL_LIMIT} characters"
    if not DNS_LABEL.fullmatch(text):
        return (
            "a lowercase RFC 1123 label must be made of lower case letters, digits and '-', "
            "and begin and end with a letter or digit (such as 'my-name' or '123-abc')"
        )
    return None


def dns_1035_problem(text: str) -> str | None:
    """RFC 1035 label: names of services, which become names in DNS and in variables."""
    if len(text) > LABEL_LIMIT:
        return f"must be no more than {LABEL_LIMIT} characters"
    if not DNS_1035_LABEL.fullmatch(text):
        return (
            "a DNS-1035 label must be made of lower case letters, digits and '-', begin with a letter "
            "and end with a letter or digit (such as 'my-name' or 'abc-123')"
        )
    return None


def dns_subdomain_problem(text: str) -> str | None:
    """RFC 1123 subdomain: the name of most objects."""
    if len(text) > SUBDOMAIN_LIMIT:
        return f"must be no more than {SUBDOMAIN_LIMIT} characters"
    if not DNS_SUBDOMAIN.fullmatch(text):
        return (
            "a lowercase RFC 1123 subdomain must be made of lower case letters, digits, '-' and '.', "
            "and begin and end with a letter or digit (such as 'example.com')"
        )
    return None


def path_segment_problem(text: str) -> str | None:
    """Names that need only be one segment of a URL: roles and bindings, such as 'system:node'."""
    if len(text) > SUBDOMAIN_LIMIT:
        return f"must be no more than {SUBDOMAIN_LIMIT} characters"
    if text in {".", ".."}:
        return f"may not be {text!r}"
    if "/" in text or "%" in text:
        return "may not contain '/' or '%'"
    if not text.isprintable():
        return "may not contain control characters"
    return None


def label_key_problem(text: str) -> str | None:
    """Keys of labels and annotations, and finalizers: an optional DNS prefix, a slash and a name."""
    prefix, slash, name = text.rpartition("/")
    if slash and (not prefix or dns_subdomain_problem(prefix)):
        return "the part before '/' must be a DNS subdomain (such as 'example.com')"
    if not name:
        return "the name part must not be empty"
    if len(name) > LABEL_LIMIT:
        return f"the name part must be no more than {LABEL_LIMIT} characters"
    if not QUALIFIED.fullmatch(name):
        return (
            "the name part must be made of letters, digits, '-', '_' or '.', "
            "and begin and end with a letter or digit (such as 'MyName' or 'example.com/my.name')"
        )
    return None


def label_value_problem(text: str) -> str | None:
    """Values of labels: may be empty."""
    if len(text) > LABEL_LIMIT:
        return f"must be no more than {LABEL_LIMIT} characters"
    if text and not QUALIFIED.fullmatch(text):
        return (
            "a label's value must be empty or made of letters, digits, '-', '_' or '.', "
            "and begin and end with a letter or digit (such as 'MyValue')"
        )
    return None


def config_key_problem(text: str) -> str | None:
    """Keys of secrets and config maps, which become file names."""
    if len(text) > SUBDOMAIN_LIMIT:
        return f"must be no more than {SUBDOMAIN_LIMIT} characters"
    if not CONFIG_KEY.fullmatch(text):
        return "a key must be made of letters, digits, '-', '_' or '.' (such as 'key.name')"
    if text == "." or text.startswith(".."):
        return "must not be '.' and must not begin with '..'"
    return None


def env_name_problem(text: str) -> str | None:
    """Names of environment variables."""
    if not ENV_NAME.fullmatch(text):
        return (
            "a variable's name must be made of letters, digits, '_', '-' or '.', "
            "and must not begin with a digit (such as 'MY_NAME')"
        )
    if text == "." or text.startswith(".."):
        return "must not be '.' and must not begin with '..'"
    return None


def port_name_problem(text: str) -> str | None:
    """Names of container ports, and target ports given by name: an IANA service name."""
    if len(text) > 15:
        return "must be no more than 15 characters"
    if not PORT_NAME.fullmatch(text) or not any("a" <= letter <= "z" for letter in text):
        return "must be made of lower case letters, digits and '-', with at least one letter"
    if "--" in text or text.startswith("-") or text.endswith("-"):
        return "must not begin or end with '-' or contain '--'"
    return None
