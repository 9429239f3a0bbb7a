"""A fake of Horizon, Stellar's API: it knows one account. What it is sent is read by Stellar's own library, and its signature is
verified. Prints its port, then each transaction as JSON."""
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

from stellar_sdk import HashMemo, Keypair, ManageData, TransactionEnvelope

account, passphrase = sys.argv[1:3]
sequence = 41
taken = {}
slow = False


class Horizon(BaseHTTPRequestHandler):
    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == f"/accounts/{account}":
            return self.answer(200, {"id": account, "sequence": str(sequence)})
        if self.path.startswith("/transactions/") and self.path.split("/")[2] in taken:
            return self.answer(200, taken[self.path.split("/")[2]])
        self.answer(404, {"title": "Resource Missing", "status": 404})

    def do_POST(self):
        global sequence, slow
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        if self.path == "/slow":
            slow = True
            return self.answer(200, {})
        envelope = TransactionEnvelope.from_xdr(parse_qs(body)["tx"][0], passphrase)
        transaction, digest = envelope.transaction, envelope.hash()
        assert transaction.source.account_id == account, "another account"
        code = None
        try:
            Keypair.from_public_key(account).verify(digest, envelope.signatures[0].signature)
        except Exception:
            code = "tx_bad_auth"
        if transaction.sequence != sequence + 1:
            code = "tx_bad_seq"
        if code:
            extras = {"result_codes": {"transaction": code}}
            return self.answer(400, {"title": "Transaction Failed", "status": 400, "extras": extras})
        sequence += 1
        (operation,) = transaction.operations
        assert isinstance(operation, ManageData) and isinstance(transaction.memo, HashMemo)
        taken[digest.hex()] = {"hash": digest.hex(), "ledger": 7, "successful": True}
        seen = {
            "hash": digest.hex(),
            "fee": transaction.fee,
            "name": operation.data_name,
            "value": operation.data_value.hex(),
            "memo": transaction.memo.memo_hash.hex(),
            "until": transaction.preconditions.time_bounds.max_time,
        }
        print(json.dumps(seen), flush=True)
        if slow:
            slow = False
            return self.answer(504, {"title": "Timeout", "status": 504})
        self.answer(200, taken[digest.hex()])

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Horizon)
print(server.server_port, flush=True)
server.serve_forever()
