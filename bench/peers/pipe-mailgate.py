#!/usr/bin/python3
"""A pipe(8) content filter with the steps and the imports of GPG-Mailgate: configuration by configparser, M2Crypto for S/MIME,
the secret and the public keyring listed for every message, the message parsed and rebuilt with the email package, one gpg
call for each recipient, logging, smtplib. Needs Debian's python3-m2crypto and gpg.

    pipe-mailgate.py --homedir GNUPGHOME --next-hop HOST:PORT -f SENDER -- RECIPIENT...

Its twin pipe-gpg.py leaves out everything that could be left out.
"""
import configparser
import email
import email.encoders
import email.mime.application
import email.mime.multipart
import email.mime.text
import email.utils
import logging
import os
import re
import smtplib
import subprocess
import sys
import tempfile

from M2Crypto import BIO, SMIME, X509  # noqa: F401  loaded for every message, used for S/MIME recipients only

EX_TEMPFAIL = 75
CONFIGURATION = """
[gpg]
keyhome = %(home)s
[relay]
host = %(host)s
port = %(port)s
[logging]
file = %(log)s
"""


def configure(options):
    host, port = options["--next-hop"].rsplit(":", 1)
    log = os.path.join(tempfile.gettempdir(), "pipe-mailgate.log")
    parser = configparser.RawConfigParser()
    parser.read_string(CONFIGURATION % {"home": options["--homedir"], "host": host, "port": port, "log": log})
    logging.basicConfig(filename=parser.get("logging", "file"), level=logging.INFO)
    return parser


def gpg(home, *arguments, **more):
    command = ["gpg", "--batch", "--no-tty", "--homedir", home, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, **more).stdout


def list_keys(home, which):
    """Fingerprint by address, from the keyring of public or secret keys."""
    keys, fingerprint = {}, None
    for line in gpg(home, which, "--with-colons").decode("utf-8", "replace").split("\n"):
        columns = line.split(":")
        if columns[0] == "fpr":
            fingerprint = fingerprint or columns[9]
        elif columns[0] in ("pub", "sec"):
            fingerprint = None
        elif columns[0] == "uid":
            found = re.search(r"<(.*?)>", columns[9])
            if found:
                keys[found.group(1).lower()] = fingerprint
    return keys


def encrypt(home, fingerprint, message):
    """The message as PGP/MIME (RFC 3156)."""
    inner = message.as_bytes()
    armored = gpg(home, "--trust-model", "always", "--armor", "-r", fingerprint, "-e", input=inner)
    sealed = email.mime.multipart.MIMEMultipart("encrypted", protocol="application/pgp-encrypted")
    sealed.attach(
        email.mime.application.MIMEApplication("Version: 1\n", "pgp-encrypted", email.encoders.encode_7or8bit)
    )
    sealed.attach(
        email.mime.application.MIMEApplication(armored, "octet-stream", email.encoders.encode_7or8bit, name="encrypted.asc")
    )
    for name, value in message.items():
        if name.lower() not in ("content-type", "content-transfer-encoding", "mime-version"):
            sealed[name] = value
    return sealed.as_bytes()


def main(arguments):
    at = arguments.index("--")
    options = dict(zip(arguments[0:at:2], arguments[1:at:2]))
    configuration = configure(options)
    home = configuration.get("gpg", "keyhome")
    raw = sys.stdin.buffer.read()
    message = email.message_from_bytes(raw)
    # First what can be decrypted here, then what can be encrypted: two listings for every message.
    list_keys(home, "--list-secret-keys")
    keys = list_keys(home, "--list-keys")
    for recipient in arguments[at + 1 :]:
        fingerprint = keys.get(email.utils.parseaddr(recipient)[1].lower())
        copy = encrypt(home, fingerprint, message) if fingerprint else raw
        with smtplib.SMTP(configuration.get("relay", "host"), configuration.getint("relay", "port")) as relay:
            relay.sendmail(options["-f"], [recipient], copy)
        logging.info("sent one copy, %s", "sealed" if fingerprint else "as it was")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Exception as error:  # pipe(8) bounces the mail on anything but 75
        print("4.3.0 cannot encrypt or re-inject now (%s)" % type(error).__name__)
        sys.exit(EX_TEMPFAIL)
