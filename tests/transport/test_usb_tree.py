"""USB devices and serial ports as sysfs has them, and what is in their way."""

from __future__ import annotations

from pathlib import Path

import pytest

from powerlab.transport.usb_obstacles import IGNORED, Places, obstacles
from powerlab.transport.usb_tree import other_serial_ports, usb_devices
from tests.transport.usb_trees import Tree, km003c, ppk2


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Get an empty tree."""
    return Tree(tmp_path)


def places(tree: Tree) -> Places:
    """Get where a tree keeps what is looked at."""
    return Places(tree.sys, tree.dev, tree.proc, tree.udev)


def told(tree: Tree, *kinds: str, permitted: bool = True) -> dict[str, str]:
    """Get the obstacles of the only device by code, each with its hint."""
    (device,) = usb_devices(tree.sys)
    found = obstacles(device, kinds, places(tree), lambda _: permitted)
    return {each.code: f"{each.message}: {each.hint}" for each in found}


def test_a_composite_device_is_read_whole(tree) -> None:
    """Descriptor, interfaces in their order, their drivers and nodes."""
    km003c(tree)
    (device,) = usb_devices(tree.sys)
    assert (device.usb_id, device.serial, device.product) == ("5FC9:0063", "007965", "KM003C")
    assert [each.driver for each in device.interfaces] == ["powerz", "cdc_acm", "cdc_acm", "usbhid"]
    assert [each.code for each in device.interfaces] == ["FF00", "0202", "0A00", "0300"]
    assert device.nodes("tty") == ("/dev/ttyACM1",)
    assert device.nodes("hidraw") == ("/dev/hidraw4",)
    assert device.node == "/dev/bus/usb/001/005"


def test_the_port_of_the_lowest_interface_comes_first(tree) -> None:
    """Whatever number the kernel gave it."""
    ppk2(tree)
    (device,) = usb_devices(tree.sys)
    assert device.nodes("tty") == ("/dev/ttyACM3", "/dev/ttyACM2")


@pytest.mark.parametrize(
    ("node", "kind"),
    [("ttyUSB0", "tty"), ("ttyACM12", "tty"), ("usbtmc0", "usbtmc"), ("hidraw0", "hidraw")],
)
def test_nodes_are_found_where_each_driver_puts_them(tree, node, kind) -> None:
    """A USB serial converter has its port one level further down than a CDC one."""
    tree.device("2-1", "1AB1:0588", [{"node": node}])
    (device,) = usb_devices(tree.sys)
    assert device.nodes(kind) == (f"/dev/{node}",)


def test_hubs_and_broken_entries_are_no_devices(tree) -> None:
    """A hub, a device that vanished and one with letters that are none stop nothing."""
    tree.device("1-1", "1d6b:0002", bDeviceClass="09")
    tree.device("1-3", "5fc9:00", [{"node": "ttyACM0"}])
    (tree.sys / "bus" / "usb" / "devices" / "1-9").symlink_to("../nowhere")
    tree.device("1-5", "28e9:028a", busnum="x")
    (tree.sys / "bus" / "usb" / "devices" / "1-5" / "product").write_bytes(b"\xce\xff\n")
    (device,) = usb_devices(tree.sys)
    assert (device.usb_id, device.bus) == ("28E9:028A", 0)


def test_a_computer_without_usb_has_none(tmp_path) -> None:
    """A container has no such directory."""
    assert usb_devices(tmp_path) == ()
    assert other_serial_ports(tmp_path) == ()


def test_other_serial_ports_are_listed_and_consoles_are_not(tree) -> None:
    """Bluetooth links and built-in ports that exist; USB's own are told with their device."""
    tree.device("1-2", "28e9:028a", [{"node": "ttyACM0"}])
    tree.port("ttyACM0", driver="cdc_acm")
    tree.port("rfcomm0")
    tree.port("ttyS0", driver="serial8250")
    tree.port("ttyS1", driver="serial8250", uart="0")
    tree.port("tty1")
    found = {port.path: (port.kind, port.driver) for port in other_serial_ports(tree.sys)}
    assert found == {
        "/dev/rfcomm0": ("bluetooth", ""),
        "/dev/ttyS0": ("built-in", "serial8250"),
    }


def test_a_meter_with_nothing_in_its_way_has_no_obstacle(tree) -> None:
    """Permitted, left alone, awake."""
    ppk2(tree)
    assert told(tree, "serial") == {}


@pytest.mark.parametrize(
    ("kind", "node", "mends"),
    [
        ("serial", "/dev/ttyACM1", "usermod -aG dialout"),
        ("hid", "/dev/hidraw4", "powerlab instruments udev"),
        ("usb", "/dev/bus/usb/001/005", "powerlab instruments udev"),
        ("visa", "/dev/bus/usb/001/005", "powerlab instruments udev"),
    ],
)
def test_a_lacking_permission_names_node_and_cure(tree, kind, node, mends) -> None:
    """Of the node that this kind of link goes through."""
    km003c(tree)
    text = told(tree, kind, permitted=False)["permission"]
    assert node in text
    assert mends in text


def test_a_device_without_its_node_is_told(tree) -> None:
    """A HID meter whose interface no driver took."""
    tree.device("1-2", "2e3c:5558", [{"class": "0300"}])
    assert "hidraw" in told(tree, "hid")["no-node"]


def test_the_kernels_sensor_driver_is_told_where_it_matters(tree) -> None:
    """On the bulk interface of a POWER-Z, with the exact name to unbind."""
    km003c(tree)
    assert "1-2:1.0" in told(tree, "usb")["kernel-driver"]
    assert "kernel-driver" not in told(tree, "hid")


def test_another_program_on_the_interface_is_told(tree) -> None:
    """The driver "usbfs" is a program that has claimed it."""
    tree.device("1-2", "5fc9:0063", [{"driver": "usbfs"}])
    assert "fuser" in told(tree, "usb")["in-use"]


def test_autosuspend_is_told(tree) -> None:
    """With the file that switches it off."""
    ppk2(tree, **{"power/control": "auto"})
    assert "/sys/bus/usb/devices/1-4.1/power/control" in told(tree, "serial")["autosuspend"]


def test_modem_manager_is_told_unless_udev_says_to_leave_the_device_alone(tree) -> None:
    """Running, and the device or its port not marked."""
    ppk2(tree)
    tree.write("proc/7/comm", "sshd\n")
    assert told(tree, "serial") == {}
    tree.write("proc/812/comm", "ModemManager\n")
    assert "/dev/ttyACM3" in told(tree, "serial")["modem-manager"]
    tree.write("udev/c189:4", f"E:ID_BUS=usb\n{IGNORED}\n")
    assert told(tree, "serial") == {}


def test_modem_manager_may_be_told_by_the_port_as_well(tree) -> None:
    """Rules of others mark the terminal, not the device."""
    ppk2(tree)
    tree.write("proc/812/comm", "ModemManager\n")
    tree.port("ttyACM3", driver="cdc_acm", number="166:3")
    tree.write("udev/c166:3", f"{IGNORED}\n")
    assert told(tree, "serial") == {}


def test_a_device_without_a_port_is_none_of_modem_managers_business(tree) -> None:
    """A HID meter is never probed."""
    tree.device("1-2", "2e3c:5558", [{"class": "0300", "node": "hidraw0"}])
    tree.write("proc/812/comm", "ModemManager\n")
    assert told(tree, "hid") == {}
