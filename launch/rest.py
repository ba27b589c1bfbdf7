"""TensorFlow Serving's predict call over a SavedModel, with the standard library: to measure what JSON costs, and to test clients.

POST /v1/models/NAME:predict with {"signature_name": ..., "inputs": {name: nested lists}} -> {"outputs": {name: nested lists}}

As there: types are those of the signature, numbers may not change their kind, names that no input has are passed over, a
single output comes without its name, and errors are {"error": text} with status 400. Not there: rows ("instances"),
strings, several models.

References:
    https://www.tensorflow.org/tfx/serving/api_rest
"""

import contextlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import tensorflow as tf

_KINDS = {"b": "b", "i": "i", "u": "i", "f": "if"}  # of a type -> of JSON's numbers


class Model:
    """A SavedModel that answers predict calls.

    Args:
        folder: What `launch.export` wrote.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._loaded = tf.saved_model.load(str(folder))

    def predict(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answers one call.

        Raises:
            ValueError: On an unknown signature, a missing input, or one of the wrong type or form.
        """
        name = body.get("signature_name", "serving_default")
        if name not in self._loaded.signatures:
            raise ValueError(f"Signature {name!r} not found")
        given = body.get("inputs")
        if not isinstance(given, Mapping):
            raise ValueError("Missing 'inputs' key, or no object under it")
        function = self._loaded.signatures[name]
        _, specs = function.structured_input_signature
        outputs = function(**{key: _tensor(key, specs[key], given) for key in specs})
        lists = {key: value.numpy().tolist() for key, value in outputs.items()}
        (first, *more) = lists
        return {"outputs": lists if more else lists[first]}


@contextlib.contextmanager
def serving(folder: str | os.PathLike[str], port: int = 0) -> Iterator[str]:
    """Serves a SavedModel on this machine, in threads of this process; gives the address of the predict call.

    Args:
        folder: What `launch.export` wrote.
        port: 0 takes a free one.
    """
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.daemon_threads = True
    server.model = Model(folder)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/models/policy:predict"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answers a predict call."""
        text = self.rfile.read(int(self.headers["Content-Length"]))
        status = 200
        try:
            content = self.server.model.predict(json.loads(text))  # type: ignore[attr-defined]
        except (ValueError, tf.errors.OpError) as error:
            status, content = 400, {"error": str(error)}
        reply = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def _tensor(name: str, spec: tf.TensorSpec, given: Mapping[str, Any]) -> tf.Tensor:
    if name not in given:
        raise ValueError(f"Missing named input: {name} in 'inputs' object.")
    value = np.asarray(given[name])
    dtype = spec.dtype.as_numpy_dtype
    if value.dtype.kind not in _KINDS[np.dtype(dtype).kind]:
        raise ValueError(
            f"JSON value of {name} is not of expected type: {spec.dtype.name}"
        )
    return tf.constant(value.astype(dtype))
