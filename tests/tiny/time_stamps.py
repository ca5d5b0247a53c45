"""A time stamp authority (RFC 3161) of nobody, on loopback; openssl writes its answers."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.tiny.provenance import chain

__all__ = ["serve_time"]

_SETTINGS = """
[tsa]
default_tsa = here
[here]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""


@contextmanager
def serve_time(folder: Path, *, broken: bool = False) -> Iterator[tuple[str, str]]:
    """Answer until the block ends.

    Args:
        folder: Empty; gets its keys.
        broken: Whether it answers nonsense.

    Yields:
        Its address, and its root as PEM.
    """
    own = chain(name="clock", purpose=ExtendedKeyUsageOID.TIME_STAMPING, is_ecdsa=True)
    leaf, _, root = own.chain.partition("-----END CERTIFICATE-----\n")
    files = {
        "leaf.pem": f"{leaf}-----END CERTIFICATE-----\n",
        "root.pem": root,
        "leaf.key": own.private_key.decode(),
        "settings": _SETTINGS,
        "serial": "01\n",
    }
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)

    class Authority(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            answer = b"nonsense" if broken else _answer(folder, asked)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Authority) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", root
        server.shutdown()


def _answer(folder: Path, asked: bytes) -> bytes:
    (folder / "asked").write_bytes(asked)
    words = ["ts", "-reply", "-config", "settings", "-section", "here", "-queryfile", "asked"]
    words += ["-signer", "leaf.pem", "-inkey", "leaf.key", "-chain", "root.pem", "-out", "answer"]
    subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=True)
    return (folder / "answer").read_bytes()
