"""A real Chromium without a window, by chromedriver's own protocol (W3C WebDriver, JSON over HTTP): no library needed.

Everything it writes goes into a new directory, and nothing that it would fetch for itself is asked for.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--password-store=basic",
)
PATIENCE_S: Final = 30.0


def missing() -> str | None:
    """What there is not, and how to get it; None where all is there."""
    lacking = [name for name, found in (("chromium", chromium()), ("chromedriver", driver())) if found is None]
    if not lacking:
        return None
    return f"no {' and no '.join(lacking)} here: apt-get install chromium chromium-driver"


def chromium() -> str | None:
    """The browser's path."""
    return shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")


def driver() -> str | None:
    """The driver's path."""
    return shutil.which("chromedriver")


class BrowserError(Exception):
    """What the driver says is wrong."""


@attrs.define
class Browser:
    """One page in one browser. Scripts see their arguments as `arguments`, and return what JSON knows."""

    port: int
    pid: int
    session: str = ""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request to the driver. Raises BrowserError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise BrowserError(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def begin(self, profile: Path) -> None:
        """Start the browser itself."""
        options = {"binary": chromium(), "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def _of_session(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self.call(method, f"/session/{self.session}/{path}", body)

    def go(self, address: str) -> None:
        """Open whatever is there."""
        self._of_session("POST", "url", {"url": address})

    def open(self, path: Path) -> None:
        """Open a report's file, and wait until the page says that it is drawn."""
        self.go(path.resolve().as_uri())
        self.wait_until("return document.documentElement.dataset.ready === 'yes'")

    def wait_until(self, script: str) -> None:
        """Wait until a script says that it is so. Raises BrowserError if the page has failed, or in half a minute."""
        limit = time.monotonic() + PATIENCE_S
        while not self.run(script):
            failed = self.run("return document.getElementById('failed')?.textContent ?? ''")
            if failed or time.monotonic() > limit:
                raise BrowserError(failed or "the page was not ready in time")
            time.sleep(0.02)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script within the page."""
        return self._of_session("POST", "execute/sync", {"script": script, "args": list(arguments)})

    def tools(self, command: str, **parameters: Any) -> Any:
        """A command of the browser's own tools for developers."""
        return self._of_session("POST", "goog/cdp/execute", {"cmd": command, "params": parameters})

    def log(self, kind: str) -> list[dict[str, Any]]:
        """What has been logged since this was last asked for: `browser` is the console, `performance` the network."""
        entries: list[dict[str, Any]] = self._of_session("POST", "se/log", {"type": kind})
        return entries

    def complaints(self) -> list[str]:
        """What the console has."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.log("browser")]

    def requests(self) -> list[str]:
        """The addresses of all that was asked for."""
        messages = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        sent = [each["params"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in sent]

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, where the focus is. Those without a letter are as WebDriver numbers them."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._of_session("POST", "actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def mouse(self, x: float, y: float, *, click: bool = False) -> None:
        """Move the mouse to a place in the window, and click there."""
        actions: list[dict[str, Any]] = [{"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y)}]
        if click:
            actions += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self._of_session("POST", "actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]})

    def cpu_s(self) -> float:
        """The processor time of the browser's processes until now, in seconds. Those that have ended do not count."""
        ticks = 0
        below = {self.pid}
        stats = sorted(Path("/proc").glob("[0-9]*/stat"), key=lambda path: int(path.parent.name))
        for path in stats:
            with contextlib.suppress(OSError):
                fields = path.read_text().rpartition(")")[2].split()
                if int(fields[1]) in below:
                    below.add(int(path.parent.name))
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """How large the page is, and which colours the system is said to have."""
        self.tools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.tools("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self) -> bytes:
        """What is seen, as PNG, when the frame that is due has been drawn."""
        self._of_session(
            "POST",
            "execute/async",
            {"script": "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))", "args": []},
        )
        return base64.b64decode(self.tools("Page.captureScreenshot", format="png")["data"])

    def printed(self) -> bytes:
        """The page as PDF, as it would be printed."""
        return base64.b64decode(self.tools("Page.printToPDF", printBackground=True, landscape=True)["data"])


def _port(process: subprocess.Popen[str]) -> int:
    """Where the driver listens: it was told to choose, and says so."""
    assert process.stdout is not None
    for line in process.stdout:
        if "started successfully on port" in line:
            return int(line.rsplit("port", 1)[1].strip(" .\n"))
    raise BrowserError("chromedriver has not started")


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a new profile below `folder`, which is ended with all that it has started."""
    found = driver()
    assert found is not None, missing()
    environment = {**os.environ, "TMPDIR": str(folder), "HOME": str(folder)}
    process = subprocess.Popen(
        [found, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    try:
        made = Browser(_port(process), process.pid)
        made.begin(folder / "profile")
        try:
            yield made
        finally:
            made.call("DELETE", f"/session/{made.session}")
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        assert process.stdout is not None
        process.stdout.close()
