#!/usr/bin/python3
"""An after-queue SMTP content filter as an administrator writes one: aiosmtpd receives, gpg encrypts, smtplib sends on.

One call of gpg for each message, trust always, no look at the keyring beforehand. Nothing wasteful is added and nothing is
tuned. Needs Debian's python3-aiosmtpd and gpg. Ends on SIGTERM.
"""
import argparse
import email
import signal
import smtplib
import subprocess
from email.encoders import encode_7or8bit
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart

from aiosmtpd.controller import Controller

CONTENT_FIELDS = ("content-type", "content-transfer-encoding", "mime-version")


def encrypt(home, recipients, message):
    """The message as PGP/MIME (RFC 3156)."""
    command = ["gpg", "--batch", "--homedir", home, "--trust-model", "always", "--armor", "--encrypt"]
    for recipient in recipients:
        command += ["--recipient", recipient]
    armored = subprocess.run(command, input=message.as_bytes(), capture_output=True, check=True).stdout
    sealed = MIMEMultipart("encrypted", protocol="application/pgp-encrypted")
    sealed.attach(MIMEApplication(b"Version: 1\n", "pgp-encrypted", encode_7or8bit))
    sealed.attach(MIMEApplication(armored, "octet-stream", encode_7or8bit, name="encrypted.asc"))
    for name, value in message.items():
        if name.lower() not in CONTENT_FIELDS:
            sealed[name] = value
    return sealed.as_bytes()


class Filter:
    def __init__(self, home, next_hop):
        self.home, self.next_hop = home, next_hop

    async def handle_DATA(self, server, session, envelope):
        try:
            sealed = encrypt(self.home, envelope.rcpt_tos, email.message_from_bytes(envelope.content))
            with smtplib.SMTP(*self.next_hop) as relay:
                relay.sendmail(envelope.mail_from, envelope.rcpt_tos, sealed)
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
    handler = Filter(options.homedir, (next_host, int(next_port)))
    controller = Controller(handler, hostname=host, port=int(port), data_size_limit=50_000_000)
    controller.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    controller.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
