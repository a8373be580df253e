#!/usr/bin/python3
"""An after-queue SMTP content filter with the steps of GPG-Mailgate and Lacre behind aiosmtpd: handle_DATA does everything in
turn, with the usual libraries: parse with email, list the secret and the public keyring, one gpg call for each recipient,
rebuild, send with smtplib.

Its twin aiosmtpd-gpg-proxy.py overlaps its gpg processes and leaves out everything that could be left out.
Needs Debian's python3-aiosmtpd and gpg. Ends on SIGTERM.
"""
import argparse
import email
import email.encoders
import email.mime.application
import email.mime.multipart
import re
import signal
import smtplib
import subprocess

from aiosmtpd.controller import Controller


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


def attachment(content, subtype, **parameters):
    return email.mime.application.MIMEApplication(content, subtype, email.encoders.encode_7or8bit, **parameters)


def encrypt(home, fingerprint, message):
    """The message as PGP/MIME (RFC 3156)."""
    armored = gpg(home, "--trust-model", "always", "--armor", "-r", fingerprint, "-e", input=message.as_bytes())
    sealed = email.mime.multipart.MIMEMultipart("encrypted", protocol="application/pgp-encrypted")
    sealed.attach(attachment("Version: 1\n", "pgp-encrypted"))
    sealed.attach(attachment(armored, "octet-stream", name="encrypted.asc"))
    for name, value in message.items():
        if name.lower() not in ("content-type", "content-transfer-encoding", "mime-version"):
            sealed[name] = value
    return sealed.as_bytes()


class Filter:
    def __init__(self, home, host, port):
        self.home, self.host, self.port = home, host, port

    async def handle_DATA(self, server, session, envelope):
        try:
            message = email.message_from_bytes(envelope.content)
            # First what can be decrypted here, then what can be encrypted: two listings for every message.
            list_keys(self.home, "--list-secret-keys")
            keys = list_keys(self.home, "--list-keys")
            for recipient in envelope.rcpt_tos:
                fingerprint = keys.get(recipient.lower())
                copy = encrypt(self.home, fingerprint, message) if fingerprint else envelope.content
                with smtplib.SMTP(self.host, self.port) as relay:
                    relay.sendmail(envelope.mail_from, [recipient], copy)
        except (OSError, subprocess.CalledProcessError, smtplib.SMTPException):
            return "451 4.3.0 cannot encrypt or re-inject now"
        return "250 2.0.0 Ok"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True, help="host:port")
    parser.add_argument("--next-hop", required=True, help="host:port")
    parser.add_argument("--homedir", required=True, help="GNUPGHOME with the recipients' public keys")
    options = parser.parse_args()
    host, port = options.listen.rsplit(":", 1)
    next_host, next_port = options.next_hop.rsplit(":", 1)
    controller = Controller(Filter(options.homedir, next_host, int(next_port)), hostname=host, port=int(port))
    controller.start()
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    controller.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
