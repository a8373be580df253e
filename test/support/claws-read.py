"""Reads messages in Claws Mail as a screen reader does: by what it tells assistive technology (AT-SPI).

    dbus-run-session -- xvfb-run -a /usr/bin/python3 claws-read.py CONFIG-FOLDER FOLDER MESSAGE-ID...

Selects the messages of FOLDER, which are numbered from 1, one after the other, and prints for each a line of JSON: the text of
the view that shows it, or what is there instead.
"""
import json
import subprocess
import sys
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

START_SECONDS = 60
SETTLED_SECONDS = 0.8
LONGEST_SECONDS = 20


# Of no interest, and with many parts.
SKIPPED = (Atspi.Role.MENU_BAR, Atspi.Role.TOOL_BAR, Atspi.Role.TABLE, Atspi.Role.TREE_TABLE)


def claws():
    desktop = Atspi.get_desktop(0)
    for index in range(desktop.get_child_count()):
        application = desktop.get_child_at_index(index)
        if application is not None and "claws" in (application.get_name() or ""):
            return application
    return None


def walk(node):
    if node is None or node.get_role() in SKIPPED:
        return
    yield node
    for index in range(node.get_child_count()):
        yield from walk(node.get_child_at_index(index))


def shown(application, message_id):
    """The text of the view that shows the message; None where none does."""
    for node in walk(application):
        try:
            if node.get_role() != Atspi.Role.TEXT or not node.get_state_set().contains(Atspi.StateType.SHOWING):
                continue
            text = Atspi.Text.get_text(node, 0, Atspi.Text.get_character_count(node))
            if message_id in text:
                return text
        except GLib.Error:
            continue  # it has gone away in the meantime
    return None


def settled(application, message_id):
    begun = since = time.monotonic()
    last = None
    while time.monotonic() - begun < LONGEST_SECONDS:
        # Else it may answer from what it remembers.
        application.clear_cache()
        now = shown(application, message_id)
        if now is None or now != last:
            since, last = time.monotonic(), now
        if time.monotonic() - since > SETTLED_SECONDS:
            return {"text": now}
        time.sleep(0.1)
    names = [node.get_name() for node in walk(application) if node.get_name()]
    return {"failed": f"claws-mail does not show {message_id}, but {names}"}


def main():
    config, folder, message_ids = sys.argv[1], sys.argv[2], sys.argv[3:]
    command = ["claws-mail", "--alternate-config-dir", config]
    child = subprocess.Popen(command, stdout=sys.stderr)
    try:
        end = time.monotonic() + START_SECONDS
        while claws() is None:
            if child.poll() is not None or time.monotonic() > end:
                sys.exit("claws-mail did not start")
            time.sleep(0.2)
        for number, message_id in enumerate(message_ids, 1):
            subprocess.run([*command, "--select", f"{folder}/{number}"], check=True, stdout=sys.stderr, timeout=60)
            print(json.dumps(settled(claws(), message_id)), flush=True)
    finally:
        child.terminate()
        child.wait()


main()
