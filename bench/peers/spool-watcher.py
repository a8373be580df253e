#!/usr/bin/python3
"""A spool watcher as one would write it in an afternoon: gpg for each message of a Maildir, the result into PostgreSQL.

    spool-watcher.py --spool MAILDIR --homedir GNUPGHOME --recipient ADDRESS --database URL --count N

One psql stays open for all messages, which is what psycopg would give; every message is committed before its file goes. Ends
after N messages.
"""
import argparse
import os
import subprocess

GPG = ["gpg", "--batch", "--no-tty", "--trust-model", "always", "--no-auto-check-trustdb", "--compress-algo", "none"]


def main():
    parser = argparse.ArgumentParser()
    for name in ("spool", "homedir", "recipient", "database"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    new = os.path.join(options.spool, "new")
    psql = subprocess.Popen(
        ["psql", "-X", "-q", "-A", "-t", options.database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    filed = 0
    while filed < options.count:
        for name in sorted(os.listdir(new)):
            path = os.path.join(new, name)
            with open(path, "rb") as file:
                content = file.read()
            sealed = subprocess.run(
                GPG + ["--homedir", options.homedir, "--encrypt", "--recipient", options.recipient],
                input=content,
                capture_output=True,
                check=True,
            ).stdout
            psql.stdin.write("INSERT INTO peer_queue (content) VALUES ('\\x%s'::bytea) RETURNING 'filed';\n" % sealed.hex())
            psql.stdin.flush()
            if psql.stdout.readline().strip() != "filed":
                raise RuntimeError("psql did not take a message")
            os.unlink(path)
            filed += 1
            if filed == options.count:
                break
    psql.stdin.close()
    psql.wait()


main()
