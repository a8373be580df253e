#!/usr/bin/python3
"""A pipe(8) content filter as people run it today: reads one message, calls gpg, re-injects with smtplib.

    pipe-gpg.py --homedir GNUPGHOME --next-hop HOST:PORT -f SENDER -- RECIPIENT...

Nothing is imported that is not needed, and gpg is called once for each recipient whose key is in the keyring, without a trust
database. Anything unexpected is a temporary failure (exit 75), as it must be.
"""
import smtplib
import subprocess
import sys
import uuid

EX_TEMPFAIL = 75
GPG = ["gpg", "--batch", "--no-tty", "--trust-model", "always", "--no-auto-check-trustdb"]
CONTENT_FIELDS = (b"content-type", b"content-transfer-encoding", b"content-disposition", b"mime-version")
# gpg's words for "no such key" on its status line.
NO_KEY = b"INV_RECP"


def split(content):
    """Header fields as (name, raw bytes) pairs, and the body."""
    head, _, body = content.partition(b"\r\n\r\n")
    fields = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1][1] += b"\r\n" + line
        elif line:
            fields.append([line.split(b":", 1)[0].lower(), line])
    return fields, body


def encrypt(home, recipient, fields, body):
    """The PGP/MIME message (RFC 3156), or None when there is no key."""
    inner = [raw for name, raw in fields if name in CONTENT_FIELDS and name != b"mime-version"]
    gpg = subprocess.run(
        GPG + ["--homedir", home, "--status-fd", "2", "--armor", "--encrypt", "--recipient", "<%s>" % recipient],
        input=b"\r\n".join(inner or [b"Content-Type: text/plain"]) + b"\r\n\r\n" + body,
        capture_output=True,
    )
    if gpg.returncode != 0:
        if NO_KEY in gpg.stderr:
            return None
        raise RuntimeError("gpg failed")
    boundary = b"=_" + uuid.uuid4().hex.encode()
    lines = [raw for name, raw in fields if name not in CONTENT_FIELDS]
    lines += [
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
        gpg.stdout.rstrip().replace(b"\n", b"\r\n"),
        b"",
        b"--%b--" % boundary,
        b"",
    ]
    return b"\r\n".join(lines)


def main(arguments):
    at = arguments.index("--")
    options = dict(zip(arguments[0:at:2], arguments[1:at:2]))
    recipients = arguments[at + 1 :]
    host, port = options["--next-hop"].rsplit(":", 1)
    content = sys.stdin.buffer.read().replace(b"\n", b"\r\n")  # pipe(8) writes LF, smtplib wants CRLF
    fields, body = split(content)
    with smtplib.SMTP(host, int(port)) as client:
        for recipient in recipients:
            copy = encrypt(options["--homedir"], recipient, fields, body)
            client.sendmail(options["-f"], [recipient], content if copy is None else copy)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Exception as error:  # pipe(8) bounces the mail on anything but 75
        print("4.3.0 cannot encrypt or re-inject now (%s)" % type(error).__name__)
        sys.exit(EX_TEMPFAIL)
