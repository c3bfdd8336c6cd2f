"""The small parts that templates are made of: icons, chips, times, copy buttons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.cluster.kinds.ages import human
from apps.cluster.registry import Kind
from apps.dashboard import paths
from apps.dashboard.look import Look, of_word

register = template.Library()
# What a reader has typed or a cluster has stored is always escaped: every tag below goes through format_html.


@register.simple_tag
def icon(name: str, size: str = "") -> SafeString:
    """One icon of the sprite; decorative, the word beside it is what counts."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        size, static("img/icons.svg"), name,
    )  # fmt: skip


@register.simple_tag
def mark() -> SafeString:
    return format_html(
        '<svg class="mark" aria-hidden="true"><use href="{}#mark"/></svg>', static("img/icons.svg")
    )


@register.simple_tag
def chip(word: str, look: Look | None = None) -> SafeString:
    """A state: tone, icon and word together."""
    shown = look or of_word(word)
    spin = " spin" if shown.spins else ""
    return format_html(
        '<span class="chip" data-tone="{}"><svg class="icon{}" aria-hidden="true"><use href="{}#{}"/></svg>{}</span>',
        shown.tone, spin, static("img/icons.svg"), shown.icon, word,
    )  # fmt: skip


@register.simple_tag(takes_context=True)
def ago(context: dict[str, Any], moment: datetime | None, suffix: str = "") -> SafeString | str:
    """How long ago; the browser keeps it true and shows the moment itself on hover."""
    if moment is None:
        return ""
    now = context.get("now") or datetime.now(UTC)
    stamp = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    length = human(max(now - moment, timedelta()))
    return format_html('<time datetime="{}" data-ago="{}">{}{}</time>', stamp, suffix, length, suffix)


@register.simple_tag(takes_context=True)
def until(context: dict[str, Any], moment: datetime) -> SafeString:
    """How long it is until then; the browser counts down and, at the end, looks at the page's regions again."""
    now = context.get("now") or datetime.now(UTC)
    stamp = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return format_html('<time datetime="{}" data-until>{}</time>', stamp, human(max(moment - now, timedelta())))


@register.simple_tag
def sprite() -> str:
    """Where the icons are, for those that need more than ``icon``."""
    return static("img/icons.svg")


@register.simple_tag
def copy(text: str, what: str = "") -> SafeString:
    """A button that copies ``text``."""
    label = f"Copy {what}" if what else "Copy"
    icons = sprite()
    return format_html(
        '<button type="button" class="button quiet slim square copy" data-copy="{}" aria-label="{}" title="{}">'
        '<svg class="icon small todo" aria-hidden="true"><use href="{}#copy"/></svg>'
        '<svg class="icon small done" aria-hidden="true"><use href="{}#tick"/></svg></button>',
        text, label, label, icons, icons,
    )  # fmt: skip


@register.simple_tag
def command(text: str) -> SafeString:
    """A command in a frame, with a button to copy it."""
    return format_html('<div class="copyable"><code>{}</code>{}</div>', text, copy(text, "command"))


@register.filter
def share(part: int, whole: int) -> int:
    """Per cent, for bars."""
    return round(100 * part / whole) if whole else 0


@register.filter
def called(kind: Kind, count: int = 1) -> str:
    """The kind as sentences call it, one or several."""
    return paths.word(kind, count)


@register.filter
def values(mapping: dict[str, Any], key: str) -> Any:
    return mapping.get(key, 0)
