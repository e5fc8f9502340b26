"""A client of the documented API (v0), written from docs/v0-api.md alone: nothing of Waxwing's code is in it."""

import base64
import gzip
import json
import os

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


def b64(octets):
    return base64.b64encode(octets).decode()


def new_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key):
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, info)


def private_pem(key):
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, kind, plain)


def seal(content, key, compress=False):
    """The fields of an upload that the sealing gives."""
    fk, nonce = AESGCM.generate_key(bit_length=256), os.urandom(12)
    stored = gzip.compress(content) if compress else content
    return {
        "nonce": b64(nonce),
        "ciphertext": b64(AESGCM(fk).encrypt(nonce, stored, None)),
        "wrapped_key": b64(key.public_key().encrypt(fk, OAEP)),
        "metadata": json.dumps({"compressed": compress, "original_size": len(content)}),
    }


def unseal(told, key):
    fk = key.decrypt(base64.b64decode(told["wrapped_key"]), OAEP)
    stored = AESGCM(fk).decrypt(base64.b64decode(told["nonce"]), base64.b64decode(told["ciphertext"]), None)
    return gzip.decompress(stored) if json.loads(told["metadata"]).get("compressed") else stored


class Client:
    """One person at one server."""

    def __init__(self, url):
        self.url, self.http, self.token = url, requests.Session(), None

    def call(self, method, path, **more):
        if self.token:
            more.setdefault("headers", {})["Authorization"] = f"Bearer {self.token}"
        return self.http.request(method, self.url + path, timeout=60, **more)

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body=None):
        return self.call("POST", path, json=body)

    def delete(self, path):
        return self.call("DELETE", path)

    def login(self, email, otp):
        reply = self.post("/auth/login", {"email": email, "otp": otp})
        if reply.ok:
            told = reply.json()
            self.token, self.refresh_token, self.user_id = told["token"], told["refresh_token"], told["user_id"]
        return reply
