"""Rules for udev, written from the profiles: who may open a meter, and who must leave it alone.

Sources: systemd's udev(7) for the syntax and the tag ``uaccess`` (which the file's number must
precede 73 for); ModemManager's "Modem filter" for ID_MM_DEVICE_IGNORE; the kernel's
sysfs-bus-usb for ``power/control``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from powerlab.catalog.instrument_profile import InstrumentProfile

RULES_FILE = "/etc/udev/rules.d/70-powerlab.rules"
INSTALL = (
    f"powerlab instruments udev | sudo tee {RULES_FILE} > /dev/null",
    "sudo udevadm control --reload && sudo udevadm trigger --action=add",
)
"""What puts the rules to work; whatever is plugged in need not be plugged in again."""


def udev_rules(profiles: Iterable[InstrumentProfile], group: str = "dialout") -> str:
    """Get the rules for every USB id of the profiles.

    The user at the desk may open the nodes, and so may the members of ``group``.
    """
    models: dict[str, list[str]] = {}
    for profile in profiles:
        for usb_id in profile.link.usb_ids:
            models.setdefault(usb_id, []).append(profile.id)
    return "\n".join(_lines(models, group)) + "\n"


def _lines(models: dict[str, list[str]], group: str) -> Iterator[str]:
    yield "# Power meters that powerlab knows. Written by: powerlab instruments udev"
    yield "# To install:"
    yield from (f"#   {command}" for command in INSTALL)
    yield ""
    yield 'ACTION=="remove", GOTO="powerlab_end"'
    yield 'SUBSYSTEM!="usb|tty|hidraw|usbmisc", GOTO="powerlab_end"'
    access = f'GROUP="{group}", MODE="0660", TAG+="uaccess", ENV{{ID_MM_DEVICE_IGNORE}}="1"'
    for usb_id, names in sorted(models.items()):
        vendor, product = usb_id.lower().split(":")
        yield ""
        yield f"# {', '.join(names)}"
        yield (
            f'SUBSYSTEM=="usb", ENV{{DEVTYPE}}=="usb_device", ATTR{{idVendor}}=="{vendor}", '
            f'ATTR{{idProduct}}=="{product}", {access}, ATTR{{power/control}}="on"'
        )
        yield (
            f'SUBSYSTEM=="tty|hidraw|usbmisc", ATTRS{{idVendor}}=="{vendor}", '
            f'ATTRS{{idProduct}}=="{product}", {access}'
        )
    yield ""
    yield 'LABEL="powerlab_end"'
