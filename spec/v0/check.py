"""Plays the whole table of the documented API against a real waxd: at the root and under /api/v0."""

import argparse
import base64
import contextlib
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import time

from cryptography.exceptions import InvalidTag

from client import Client, new_key, seal, unseal

PLAYED = []
RAISED = {
    "WAXD_V0_OTP_PER_IP": "1000",
    "WAXD_V0_LOGINS_PER_IP": "1000",
    "WAXD_V0_UPLOADS_PER_HOUR": "1000",
    "WAXD_V0_CALLS_PER_HOUR": "10000",
    "WAXD_V0_CALLS_PER_DAY": "10000",
}


def must(what, holds, seen=""):
    if not holds:
        sys.exit(f"v0: does not hold: {what} {seen}")
    PLAYED.append(what)


def fails(reply, status, code, what):
    is_problem = reply.headers.get("content-type") == "application/problem+json"
    told = reply.json() if is_problem else {}
    must(what, reply.status_code == status and told.get("code") == code, f"{reply.status_code} {reply.text[:300]}")
    return reply


def gives(reply, fields, what):
    must(what, reply.status_code == 200 and set(fields) <= set(reply.json()), f"{reply.status_code} {reply.text[:300]}")
    return reply.json()


@contextlib.contextmanager
def server(waxd, more=None):
    """A waxd of its own, and its data folder."""
    with tempfile.TemporaryDirectory() as data:
        data = pathlib.Path(data)
        command = [waxd, "serve", "--listen", "127.0.0.1:0", "--plain-http", "--data", str(data / "d")]
        env = {**os.environ, "WAXD_MAIL": "console", "RUST_LOG": "info", **(more or {})}
        with open(data / "log", "wb") as log:
            process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            for line in process.stdout:
                if found := re.search(r"ready (http://\S+)", line):
                    yield found.group(1), data / "d"
                    return
            sys.exit("v0: waxd did not start: " + (data / "log").read_text())
        finally:
            process.terminate()
            process.wait()


def letters(data):
    """Those that are there. Not by their times: a file's may lie before the clock that was read before it."""
    return set((data / "mail").glob("*.eml"))


def code_for(data, email, before):
    """The code that was sent to an address since those letters."""
    for _ in range(3000):
        for letter in letters(data) - before:
            text = letter.read_text()
            if f"To: {email}" in text:
                return re.search(r"\b(\d{6})\b", text.split("\n\n", 1)[1]).group(1)
        time.sleep(0.02)
    sys.exit(f"v0: no letter for {email}")


def signed_in(url, data, email):
    client = Client(url)
    before = letters(data)
    reply = client.post("/auth/request_otp", {"email": email})
    must("asking for a code", reply.status_code == 200 and reply.json() == {"status": "ok", "message": "OTP sent to email"})
    told = gives(
        client.login(email, code_for(data, email, before)),
        ["token", "refresh_token", "user_id", "expires_in"],
        "signing in",
    )
    must("an access token lives an hour", told["expires_in"] == 3600)
    return client


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def tokens(url, data):
    ann = signed_in(url, data, "ann@firm.example")
    for token, kind, lives in [(ann.token, "access", 3600), (ann.refresh_token, "refresh", 7 * 86400)]:
        said = claims(token)
        must(f"claims of the {kind} token", {"user_id", "type", "exp", "iat", "jti"} <= set(said))
        must(f"kind and life of the {kind} token", said["type"] == kind and said["exp"] - said["iat"] == lives)
        must(f"whose {kind} token it is", said["user_id"] == ann.user_id)
    told = gives(ann.post("/auth/refresh", {"refresh_token": ann.refresh_token}), ["token", "expires_in"], "renewing")
    again = gives(ann.post("/auth/refresh", {"refresh_token": ann.refresh_token}), ["token"], "and again with the same")
    fails(ann.post("/auth/refresh", {"refresh_token": ann.token}), 401, "sign_in_needed", "an access token renews nothing")
    first, ann.token = ann.token, ann.refresh_token
    fails(ann.get("/files"), 401, "sign_in_needed", "a refresh token opens nothing")
    ann.token = told["token"]
    for native in ["/api/v1/auth/whoami", "/api/v1/files", "/api/v1/v0-files", "/api/v1/auth/sessions"]:
        fails(ann.get(native), 401, "sign_in_needed", f"no native route takes a v0 token: {native}")
    gives(ann.post("/auth/logout"), ["status"], "signing out")
    for token in [first, told["token"], again["token"]]:
        ann.token = token
        fails(ann.get("/files"), 401, "sign_in_needed", "every token of the session is dead at once")
    ann.token = None
    fails(ann.post("/auth/refresh", {"refresh_token": ann.refresh_token}), 401, "sign_in_needed", "and renews nothing")
    fails(ann.login("ann@firm.example", "000000"), 401, "code_rejected", "a used code and a wrong one")
    fails(ann.login("ann@firm.example", "12345"), 400, "malformed", "five digits")
    fails(ann.post("/auth/request_otp", {"email": "nobody"}), 400, "malformed", "no address")
    fails(ann.post("/auth/request_otp", {}), 400, "malformed", "a missing field")


def files(url, data, prefix):
    ann = signed_in(url, data, f"ann{len(prefix)}@firm.example")
    bob = signed_in(url, data, f"bob{len(prefix)}@firm.example")
    eve = signed_in(url, data, f"eve{len(prefix)}@firm.example")
    for client in [ann, bob, eve]:
        client.url += prefix
    key, content = new_key(), os.urandom(20_000_000)
    body = {**seal(content, key), "filename": "plan.pdf", "expires_hours": 2, "allowed_users": [f"bob{len(prefix)}@firm.example"]}
    up = gives(ann.post("/upload", body), ["file_id", "expires_at"], "an upload of 20 MB")
    path = f"/files/{up['file_id']}"
    must("the lifetime that was asked for", abs(up["expires_at"] - time.time() - 7200) < 60)
    fields = ["file_id", "filename", "nonce", "ciphertext", "wrapped_key", "metadata"]
    told = gives(bob.get(path), fields, "a listed user downloads it")
    must("it opens as it was sealed", unseal(told, key) == content)
    must("every field comes back", all(told[name] == body[name] for name in fields[1:]))
    seen = gives(
        bob.get(path + "/metadata"),
        ["file_id", "filename", "uploaded_at", "expires_at", "size", "downloads", "owner"],
        "its metadata",
    )
    must("what the metadata say", (seen["size"], seen["downloads"], seen["owner"]) == (len(content) + 16, 1, False))
    must("the owner is told so", ann.get(path + "/metadata").json()["owner"] is True)
    fails(eve.get(path), 403, "forbidden", "somebody else may not have it")
    fails(eve.get(path + "/metadata"), 403, "forbidden", "nor its metadata")
    fails(eve.delete(path), 403, "forbidden", "nor end it")
    fails(bob.delete(path), 403, "forbidden", "a reader does not end it")
    listed = gives(ann.get("/files"), ["files"], "the own uploads")["files"]
    must("of the list", [row["file_id"] for row in listed] == [up["file_id"]])
    must("fields of a row", {"file_id", "filename", "uploaded_at", "expires_at", "size", "downloads"} <= set(listed[0]))
    must("what others sent is not in it", bob.get("/files").json()["files"] == [])
    stats = gives(ann.get("/stats"), ["total_files", "total_size", "activity_count"], "totals")
    must("what they say", (stats["total_files"], stats["total_size"]) == (1, len(content) + 16) and stats["activity_count"] > 1)
    small = {**seal(b"words " * 1000, key, compress=True), "filename": "a b/ü.txt"}
    own = gives(ann.post("/upload", small), ["file_id"], "an upload for oneself, compressed")["file_id"]
    must("the usual lifetime", abs(ann.get(f"/files/{own}/metadata").json()["expires_at"] - time.time() - 168 * 3600) < 60)
    must("it opens", unseal(ann.get(f"/files/{own}").json(), key) == b"words " * 1000)
    fails(bob.get(f"/files/{own}"), 403, "forbidden", "without a list it is the owner's alone")
    altered = ann.get(f"/files/{own}").json()
    octets = bytearray(base64.b64decode(altered["ciphertext"]))
    octets[5] ^= 1
    altered["ciphertext"] = base64.b64encode(octets).decode()
    with contextlib.suppress(InvalidTag):
        unseal(altered, key)
        sys.exit("v0: an altered file opened")
    for nothing in ["/files/00000000-0000-4000-8000-000000000000", "/files/x"]:
        fails(ann.get(nothing), 404, "not_found", "an unknown file")
        fails(ann.get(nothing + "/metadata"), 404, "not_found", "nor its metadata")
        fails(ann.delete(nothing), 404, "not_found", "nor is it ended")
    gives(ann.delete(f"/files/{own}"), [], "the owner ends it")
    fails(ann.get(f"/files/{own}"), 404, "not_found", "and it is gone")
    for missing in ["/upload/presigned", "/upload/s3"]:
        fails(ann.post(missing, {}), 501, "not_offered", "there is no S3")
    health = gives(ann.get("/health"), ["status", "timestamp", "s3_available", "email_available"], "health")
    must("of health", (health["status"], health["s3_available"]) == ("healthy", False))
    refused(ann, body | {"ciphertext": base64.b64encode(b"x" * 40).decode()})
    ann.token, kept = None, ann.token
    for method, call in [("GET", "/files"), ("GET", path), ("GET", path + "/metadata"), ("DELETE", path), ("GET", "/stats"),
                         ("POST", "/upload"), ("POST", "/upload/presigned"), ("POST", "/upload/s3"), ("POST", "/auth/logout")]:
        fails(ann.call(method, call), 401, "sign_in_needed", f"nobody at {method} {call}")
    ann.token = kept
    # Two hours pass.
    with contextlib.closing(sqlite3.connect(data / "waxwing.db")) as db, db:
        db.execute("UPDATE files SET expires_at = 1 WHERE file_id = ?", [bytes.fromhex(up["file_id"].replace("-", ""))])
    fails(bob.get(path), 410, "expired", "an expired file")
    fails(ann.get(path + "/metadata"), 410, "expired", "and its metadata")
    fails(eve.get(path), 403, "forbidden", "of which nobody else learns")
    must("it is in no list", ann.get("/files").json()["files"] == [])


def refused(ann, good):
    """Every wrong body is 400, and nothing is stored."""
    before = ann.get("/stats").json()["total_files"]
    text = json.dumps(good)
    twice = text[:-1] + ', "filename": "again"}'
    wrong = {
        "no JSON": "{", "nothing": "", "a list": "[]", "trailing bytes": text + "x", "two objects": text + text,
        "a field twice": twice, "too deep": text[:-1] + ', "x": ' + "[" * 100 + "]" * 100 + "}",
        "broken UTF-8": text.encode().replace(b"plan", b"pl\xff\xfe"),
    }
    for name in ["filename", "nonce", "ciphertext", "wrapped_key", "metadata"]:
        wrong[f"without {name}"] = json.dumps({key: value for key, value in good.items() if key != name})
        wrong[f"{name} a number"] = json.dumps(good | {name: 7})
        wrong[f"{name} null"] = json.dumps(good | {name: None})
    for name in ["nonce", "ciphertext", "wrapped_key"]:
        for broken in ["QQ", "QQ=", "Q Q==", "QR==", "QQ==QQ==", "_-==", ""]:
            wrong[f"{name} {broken!r}"] = json.dumps(good | {name: broken})
    for hours in [0, -1, 1.5, "2", True, 10**9]:
        wrong[f"expires_hours {hours!r}"] = json.dumps(good | {"expires_hours": hours})
    for users in ["bob@firm.example", [7], ["nobody"], {}]:
        wrong[f"allowed_users {users!r}"] = json.dumps(good | {"allowed_users": users})
    wrong["metadata that is no JSON"] = json.dumps(good | {"metadata": "{"})
    wrong["an empty filename"] = json.dumps(good | {"filename": ""})
    for what, body in wrong.items():
        reply = ann.call("POST", "/upload", data=body, headers={"Content-Type": "application/json"})
        fails(reply, 400, "malformed", f"refused: {what}")
    must("nothing was stored", ann.get("/stats").json()["total_files"] == before)
    skipped = json.dumps({"more": {"deep": [1, {"x": "y"}]}} | dict(reversed(good.items())) | {"last": None}, indent=1)
    skipped = skipped.replace("/", "\\/")
    reply = ann.call("POST", "/upload", data=skipped, headers={"Content-Type": "application/json"})
    ann.delete("/files/" + gives(reply, ["file_id"], "any order, more fields, escaped slashes")["file_id"])


def limits(waxd):
    with server(waxd, {"MAX_CONTENT_LENGTH": "100000"}) as (url, data):
        ann = signed_in(url, data, "ann@firm.example")
        key = new_key()
        too_long = {**seal(os.urandom(100_000), key), "filename": "long"}
        fails(ann.post("/upload", too_long), 413, "too_large", "MAX_CONTENT_LENGTH")
        long_without_length = iter([json.dumps(too_long).encode()])
        reply = ann.call("POST", "/upload", data=long_without_length, headers={"Content-Type": "application/json"})
        fails(reply, 413, "too_large", "and without a length that was told")
        small = {**seal(b"small", key), "filename": "small"}
        # Those two counted as well.
        for _ in range(18):
            gives(ann.post("/upload", small), ["file_id"], "an upload")
        waited = fails(ann.post("/upload", small), 429, "too_many", "20 uploads an hour")
        must("and when to come again", 0 < int(waited.headers["Retry-After"]) <= 3600)
        for _ in range(50):
            gives(ann.get("/stats"), [], "a call")
        fails(ann.get("/files"), 429, "too_many", "50 other calls an hour")
        gives(ann.get("/health"), [], "health is not counted")
        for n in range(4):
            must("another code", ann.post("/auth/request_otp", {"email": f"x{n}@firm.example"}).status_code == 200)
        fails(ann.post("/auth/request_otp", {"email": "x5@firm.example"}), 429, "too_many", "5 codes an hour")
        for _ in range(9):
            fails(ann.post("/auth/login", {"email": "ann@firm.example", "otp": "000000"}), 401, "code_rejected", "a wrong code")
        fails(ann.post("/auth/login", {"email": "ann@firm.example", "otp": "000000"}), 429, "too_many", "10 sign-ins an hour")
        gives(ann.post("/auth/logout"), ["status"], "nobody is kept from signing out")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("waxd", help="the executable")
    waxd = parser.parse_args().waxd
    with server(waxd, RAISED) as (url, data):
        tokens(url, data)
        for prefix in ["", "/api/v0"]:
            files(url, data, prefix)
    limits(waxd)
    print(f"v0: {len(PLAYED)} things of the documented API hold")


main()
