"""A headless Chromium, driven through pipes by its DevTools protocol: no port, no driver, no package."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium (Debian: apt-get install chromium)")
PATIENCE_S = 60.0


class Browser:
    """One tab. What it says of network, console and errors is kept in ``events``.

    Parameters
    ----------
    folder : Path
        An empty one, for its profile.
    """

    def __init__(self, folder: Path) -> None:
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        command = [CHROMIUM, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={folder}"]
        command += ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-component-update", "--hide-scrollbars"]
        shell = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "chromium", *command],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._buffer, self._last, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=PATIENCE_S)
        os.close(self._write)
        os.close(self._read)

    def call(self, method: str, **said: Any) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": said}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda heard: heard.get("id") == self._last, method)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def open(self, url: str) -> None:
        """Go there, and wait until everything that the page names is loaded."""
        for address in ("about:blank", url):  # from one fragment of a page to another, nothing would be loaded
            self.events.clear()
            failed = self.call("Page.navigate", url=address).get("errorText")
            assert not failed, f"{address}: {failed}"
            if not any(event["method"] == "Page.loadEventFired" for event in self.events):
                self._until(lambda heard: heard.get("method") == "Page.loadEventFired", address)

    def value(self, script: str) -> Any:
        """What a piece of JavaScript in the page gives."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def text(self) -> str:
        """What a reader sees."""
        return self.value("document.body ? document.body.innerText : ''")

    def wait_for(self, words: str, *, patience_s: float = PATIENCE_S) -> str:
        """The page's text once it holds these words."""
        ends = time.monotonic() + patience_s
        while words not in (text := self.text()):
            assert time.monotonic() < ends, f"{words!r} did not come up; there is: {text[:2000]}"
            time.sleep(0.25)
        return text

    def becomes(self, script: str) -> bool:
        """Whether a piece of JavaScript gives something true within a few seconds: styles may lag behind a switch."""
        return any(self.value(script) or time.sleep(0.1) for _ in range(30))

    def resize(self, width: int, height: int = 900) -> None:
        """Another window [px]."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str = "light", medium: str = "screen") -> None:
        """``light`` or ``dark``, on ``screen`` or in ``print``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=medium, features=features)

    def press(self, key: str) -> None:
        """A key down and up: ``Tab``, ``Enter``."""
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            said = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", **said, **(text if kind == "keyDown" else {}))

    def picture(self, path: Path) -> None:
        """The whole page as a PNG, for people."""
        said = self.call("Page.captureScreenshot", captureBeyondViewport=True, fromSurface=True)
        path.write_bytes(base64.b64decode(said["data"]))

    def pdf(self) -> bytes:
        """The page as it is printed."""
        self.prefer(medium="print")
        said = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(said["data"])

    def requests(self) -> list[str]:
        """Addresses that were asked for since the page was opened, without what is in the page itself."""
        asked = [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith("data:")]

    def complaints(self) -> list[str]:
        """What went wrong in the page's console since it was opened."""
        found = []
        for event in self.events:
            said = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(said["exceptionDetails"])[:500])
            elif event["method"] == "Runtime.consoleAPICalled" and said["type"] in ("error", "assert"):
                found.append(json.dumps(said["args"])[:500])
            elif event["method"] == "Log.entryAdded" and said["entry"]["level"] == "error":
                found.append(said["entry"]["text"])
        return found

    def _until(self, wanted, what: str) -> dict[str, Any]:
        ends = time.monotonic() + PATIENCE_S
        while True:
            heard = self._next(ends, what)
            if "method" in heard:
                self.events.append(heard)
            if wanted(heard):
                return heard

    def _next(self, ends: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, ends - time.monotonic()))
            assert ready, f"the browser did not answer to {what} within {PATIENCE_S:g} s"
            part = os.read(self._read, 1 << 20)
            assert part, f"the browser ended before it answered to {what}"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)
