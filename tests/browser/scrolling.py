"""What scrolling costs: how long the page's main thread is busy at a time, frames, and how much is in the document."""

import json
import math
from collections.abc import Sequence
from typing import NamedTuple

from playwright.async_api import Browser, Page

_TASKS = {"RunTask", "ThreadControllerImpl::RunTask"}
_FLING_PX = 300  # a frame: 18,000 a second, as fast as anybody can see anything
_FRAMES = 600
_RACE_PX = 3_000
_SECONDS = 120  # a machine that is busy with much else
_FLING = """async ([step, count]) => {
  const scroller = document.querySelector(".scroller");
  const frame = () => new Promise(requestAnimationFrame);
  const frames = [];
  let elements = 0;
  for (let last = await frame(); frames.length < count; ) {
    scroller.scrollTop -= step;
    const now = await frame();
    frames.push(now - last);
    last = now;
    elements = Math.max(elements, document.getElementsByTagName("*").length);
  }
  return { frames, elements };
}"""
_RACE = """async ([first, step, seconds]) => {
  const scroller = document.querySelector(".scroller");
  const frame = () => new Promise(requestAnimationFrame);
  const atTop = () => scroller.scrollTop < 1 && document.querySelector(".message .text")?.textContent.startsWith(first);
  for (const end = (await frame()) + seconds * 1000; !atTop() && (await frame()) < end; ) scroller.scrollTop -= step;
  return atTop();
}"""


class Cost(NamedTuple):
    """Of a fling."""

    frames_ms: Sequence[float]
    """From frame to frame."""
    elements: int
    """The most that were in the document."""
    tasks_ms: Sequence[float]
    """What each task of the main thread took of the CPU: what else the machine does is not in it."""

    def __str__(self) -> str:
        tasks, frames = sorted(self.tasks_ms), sorted(self.frames_ms)
        return (
            f"{len(frames)} frames, ms from one to the next: p50 {_at(frames, 50):.1f}, p95 {_at(frames, 95):.1f}, "
            f"p99 {_at(frames, 99):.1f}, most {frames[-1]:.1f}; {len(tasks)} tasks, CPU-ms: p99 {_at(tasks, 99):.1f}, "
            f"most {tasks[-1]:.1f}; at most {self.elements} elements"
        )


async def fling(browser: Browser, page: Page) -> Cost:
    """Scroll back fast, and measure."""
    await browser.start_tracing(page=page, categories=["toplevel"])
    try:
        seen = await page.evaluate(_FLING, [_FLING_PX, _FRAMES])
    finally:
        trace = json.loads(await browser.stop_tracing())
    return Cost(seen["frames"], seen["elements"], _main_thread_tasks(trace["traceEvents"]))


async def race_to(page: Page, first: str) -> bool:
    """Scroll to the first message, which begins so; whether that was reached."""
    arrived: bool = await page.evaluate(_RACE, [first, _RACE_PX, _SECONDS])
    return arrived


def _main_thread_tasks(events: Sequence[dict[str, object]]) -> list[float]:
    """CPU milliseconds of the tasks of the renderer that did most."""
    threads: dict[object, list[float]] = {}
    names = {
        (event["pid"], event["tid"]): event["args"]["name"]  # type: ignore[index] # as Chromium writes it
        for event in events
        if event.get("name") == "thread_name"
    }
    for event in events:
        thread = (event["pid"], event["tid"])
        if event.get("name") in _TASKS and "tdur" in event and names.get(thread) == "CrRendererMain":
            threads.setdefault(thread, []).append(float(str(event["tdur"])) / 1_000)
    return max(threads.values(), key=sum)


def _at(ordered: Sequence[float], percentile: float) -> float:
    return ordered[max(0, math.ceil(len(ordered) * percentile / 100) - 1)]
