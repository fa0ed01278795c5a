"""Serve the samples' code over HTTPS; runs in the cluster, from a ConfigMap.

A ConfigMap's keys hold no slash: a file's name is its address with `_` for `/`.
"""

import http.server
import ssl
from pathlib import Path

FILES = Path("/files")
CERTIFICATE = Path("/certificate")
PORT = 8443  # below 1024 would need root


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with a file, or says that there is none."""

    def do_GET(self) -> None:
        """One file."""
        file = FILES / self.path.strip("/").replace("/", "_")
        if not file.is_file():
            self.send_error(404, "the test cluster serves the samples' code alone")
            return
        body = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until told to stop."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE / "tls.crt", CERTIFICATE / "tls.key")
    server = http.server.ThreadingHTTPServer(("", PORT), Handler)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.serve_forever()


if __name__ == "__main__":
    main()
