#!/usr/bin/env python3
"""A backend of xdg-desktop-portal for tests without a desktop: grants every request, unless there is a file "refuse" in the
runtime directory, and locks nothing down.

Its bus name is org.freedesktop.impl.portal.desktop.bgcamtest; it runs until it is killed.
"""

import os

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "org.freedesktop.impl.portal.desktop.bgcamtest"
PATH = "/org/freedesktop/portal/desktop"
IN, OUT = "in", "out"
ACCESS_DIALOG = [
    ("handle", "o", IN), ("app_id", "s", IN), ("parent_window", "s", IN), ("title", "s", IN), ("subtitle", "s", IN),
    ("body", "s", IN), ("options", "a{sv}", IN), ("response", "u", OUT), ("results", "a{sv}", OUT),
]
LOCKS = ("printing", "save-to-disk", "application-handlers", "location", "camera", "microphone", "sound-output")


def interfaces():
    arguments = "".join(f'<arg name="{name}" type="{kind}" direction="{way}"/>' for name, kind, way in ACCESS_DIALOG)
    locks = "".join(f'<property name="disable-{what}" type="b" access="readwrite"/>' for what in LOCKS)
    return Gio.DBusNodeInfo.new_for_xml(
        f"""<node>
        <interface name="org.freedesktop.impl.portal.Access">
          <method name="AccessDialog">{arguments}</method>
        </interface>
        <interface name="org.freedesktop.impl.portal.Lockdown">{locks}</interface>
        </node>"""
    ).interfaces


def answer(_connection, _sender, _path, _interface, _method, _arguments, invocation):
    refused = os.path.exists(os.path.join(os.environ["XDG_RUNTIME_DIR"], "refuse"))
    invocation.return_value(GLib.Variant("(ua{sv})", (int(refused), {})))


def not_locked(*_):
    return GLib.Variant("b", False)


def serve(connection, _name):
    for interface in interfaces():
        connection.register_object(PATH, interface, answer, not_locked, None)


Gio.bus_own_name(Gio.BusType.SESSION, NAME, Gio.BusNameOwnerFlags.NONE, serve, None, None)
GLib.MainLoop().run()
