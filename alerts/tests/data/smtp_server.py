"""A real mail server (aiosmtpd) for alerts/tests/email.rs. Prints its port, then one JSON line for
each message it took. What it refuses is said by the addresses:

sender    busy@ 421, banned@ 550
recipient later@ 451, once@ 451 the first time, gone@ 550
message   to full@ 452, to spam@ 554
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Handler:
    def __init__(self):
        self.once = set()

    async def handle_MAIL(self, server, session, envelope, address, options):
        answer = {"busy": "421 4.3.2 come back", "banned": "550 5.7.1 not you"}.get(
            address.split("@")[0]
        )
        if answer:
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        who = address.split("@")[0]
        if who == "later" or (who == "once" and address not in self.once):
            self.once.add(address)
            return "451 4.7.1 greylisted"
        if who == "gone":
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        names = {to.split("@")[0] for to in envelope.rcpt_tos}
        if "full" in names:
            return "452 4.3.1 disk full"
        if "spam" in names:
            return "554 5.7.1 looks like spam"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        report = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "login": session.authenticated,
            "headers": [[name, str(value)] for name, value in message.items()],
            "body": message.get_content(),
            "charset": message.get_content_charset(),
            "defects": [str(d) for d in message.defects],
            "ascii": envelope.content.isascii(),
            "longest": max(len(line) for line in envelope.content.split(b"\r\n")),
        }
        print(json.dumps(report), flush=True)
        return "250 2.0.0 queued as 4711"


def login(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data == LoginPassword(b"ioc", b"geheim")
    return AuthResult(success=good, handled=False)


async def main(mode, cert, key):
    handler = Handler()
    options = {"hostname": "mail.test", "timeout": 20}
    context = None
    if mode in ("starttls", "implicit"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
    if mode == "starttls":
        options.update(tls_context=context, authenticator=login)
    implicit = context if mode == "implicit" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, **options), "127.0.0.1", 0, ssl=implicit
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with the test: nobody holds the other end of the pipe then.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main(*(sys.argv[1:] + [""] * 3)[:3]))
