#!/usr/bin/python3
"""An after-queue SMTP content filter as people run it today: aiosmtpd receives, gpg encrypts, smtplib re-injects.

Written to be as fast as that design allows: gpg runs as an asynchronous subprocess, so that sessions overlap; the keyring is
listed once at the start and not for each message; no trust database; one gpg call for each recipient with a key.
Needs Debian's python3-aiosmtpd and gpg. Ends on SIGTERM.
"""
import argparse
import asyncio
import signal
import smtplib
import subprocess
import uuid

from aiosmtpd.controller import Controller

GPG = ["gpg", "--batch", "--no-tty", "--trust-model", "always", "--no-auto-check-trustdb"]
CONTENT_FIELDS = ("content-type", "content-transfer-encoding", "content-disposition", "mime-version")


def known_addresses(home):
    """The addresses of all user IDs in the keyring."""
    listing = subprocess.run(GPG + ["--homedir", home, "--with-colons", "--list-keys"], capture_output=True, check=True)
    found = set()
    for line in listing.stdout.decode("utf-8", "replace").splitlines():
        columns = line.split(":")
        if columns[0] == "uid" and "<" in columns[9]:
            found.add(columns[9].rsplit("<", 1)[1].rstrip(">").lower())
    return found


def split(content):
    """Header fields as (name, raw bytes) pairs, and the body."""
    head, _, body = content.partition(b"\r\n\r\n")
    fields = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1][1] += b"\r\n" + line
        elif line:
            fields.append([line.split(b":", 1)[0].decode("latin-1").lower(), line])
    return fields, body


def plaintext(fields, body):
    """What is encrypted: the content fields and the body."""
    inner = [raw for name, raw in fields if name in CONTENT_FIELDS and name != "mime-version"]
    return b"\r\n".join(inner or [b"Content-Type: text/plain"]) + b"\r\n\r\n" + body


def sealed(fields, armored):
    """The PGP/MIME message (RFC 3156) around an armored ciphertext."""
    outer = [raw for name, raw in fields if name not in CONTENT_FIELDS]
    boundary = b"=_" + uuid.uuid4().hex.encode()
    return b"\r\n".join(
        outer
        + [
            b"MIME-Version: 1.0",
            b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="%b"' % boundary,
            b"",
            b"--%b" % boundary,
            b"Content-Type: application/pgp-encrypted",
            b"",
            b"Version: 1",
            b"",
            b"--%b" % boundary,
            b'Content-Type: application/octet-stream; name="encrypted.asc"',
            b"",
            armored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").rstrip(),
            b"",
            b"--%b--" % boundary,
            b"",
        ]
    )


class Filter:
    def __init__(self, home, host, port):
        self.home, self.host, self.port = home, host, port
        self.known = known_addresses(home)

    async def encrypt(self, recipient, content):
        fields, body = split(content)
        gpg = await asyncio.create_subprocess_exec(
            *GPG, "--homedir", self.home, "--armor", "--encrypt", "--recipient", "<%s>" % recipient,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )
        armored, complaint = await gpg.communicate(plaintext(fields, body))
        if gpg.returncode != 0:
            raise RuntimeError(complaint.decode("utf-8", "replace"))
        return sealed(fields, armored)

    def reinject(self, sender, copies):
        with smtplib.SMTP(self.host, self.port) as client:
            for recipients, content in copies:
                client.sendmail(sender, recipients, content)

    async def handle_DATA(self, server, session, envelope):
        try:
            passing = [r for r in envelope.rcpt_tos if r.lower() not in self.known]
            keyed = [r for r in envelope.rcpt_tos if r.lower() in self.known]
            copies = [([r], await self.encrypt(r, envelope.content)) for r in keyed]
            if passing:
                copies.append((passing, envelope.content))
            await asyncio.get_running_loop().run_in_executor(None, self.reinject, envelope.mail_from, copies)
        except (OSError, RuntimeError, smtplib.SMTPException):
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
    handler = Filter(options.homedir, next_host, int(next_port))
    controller = Controller(handler, hostname=host, port=int(port), data_size_limit=50_000_000, enable_SMTPUTF8=True)
    controller.start()
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    controller.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
