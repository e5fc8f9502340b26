"""The peer of the documented API: upload and download as a plain Flask application does them, in a folder of files.

Nobody signs in, nothing is counted, no quota is kept and no row written: what is measured is the way of the bytes.
"""

import base64
import json
import os
import pathlib
import uuid

from flask import Flask, jsonify, request

FOLDER = pathlib.Path(os.environ["BENCH_FOLDER"])
app = Flask(__name__)


@app.post("/upload")
def upload():
    body = request.get_json()
    file_id = str(uuid.uuid4())
    content = base64.b64decode(body.pop("ciphertext"), validate=True)
    with open(FOLDER / file_id, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    (FOLDER / f"{file_id}.json").write_text(json.dumps(body))
    return jsonify(file_id=file_id)


@app.get("/files/<uuid:file_id>")
def fetch(file_id):
    told = json.loads((FOLDER / f"{file_id}.json").read_text())
    content = (FOLDER / str(file_id)).read_bytes()
    return jsonify(file_id=str(file_id), ciphertext=base64.b64encode(content).decode(), **told)
