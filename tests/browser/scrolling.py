"""What scrolling shows and costs: `python -m tests.browser.scrolling` scrolls ten thousand messages back to the first."""

import asyncio
import itertools
import math
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import tertulia
from playwright.async_api import Page, async_playwright
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.browser.conftest import CHROMIUM
from tests.browser.people import People
from tests.support.stack import ServeStack, running_stack

_SECRET = Secret.parse(DEVELOPMENT_SECRET)
_MESSAGES = 10_000
_AT_ONCE = 500
STEP_PX = 300  # a frame: 18,000 a second, as fast as anybody can see anything
_SCROLL = """async ([step, goal]) => {
  const scroller = document.querySelector(".scroller");
  const frame = () => new Promise((done) => // once it is painted
    requestAnimationFrame((time) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => done(time);
      port2.postMessage(undefined);
    }));
  const inView = () => {
    const { top, bottom } = scroller.getBoundingClientRect();
    return [...scroller.querySelectorAll(".message[data-seq]")]
      .map((message) => ({ seq: Number(message.dataset.seq), box: message.getBoundingClientRect() }))
      .filter(({ box }) => box.bottom > top && box.top < bottom);
  };
  const isFarther = (seq, than) => step < 0 ? seq < than : seq > than;
  const scrolled = { seqs: [], jumps: [], messages: 0, elements: 0, frames: [], longTasks: [] };
  const observer = new PerformanceObserver((list) =>
    scrolled.longTasks.push(...list.getEntries().map(({ duration }) => duration)));
  observer.observe({ type: "longtask" });
  let farthest = step < 0 ? Infinity : 0;
  for (let last = await frame(); ; ) {
    const shown = inView();
    for (const { seq } of step < 0 ? shown.toReversed() : shown)
      if (isFarther(seq, farthest)) scrolled.seqs.push((farthest = seq));
    scrolled.messages = Math.max(scrolled.messages, scroller.querySelectorAll(".message").length);
    scrolled.elements = Math.max(scrolled.elements, document.getElementsByTagName("*").length);
    if (!isFarther(goal, farthest)) break;
    const anchor = shown[(step < 0 ? shown.length : 3 * shown.length) >> 2]; // it stays in view
    scroller.scrollTop += step;
    const now = await frame();
    scrolled.frames.push(now - last);
    last = now;
    const stands = scroller.querySelector(`[data-seq="${anchor?.seq}"]`);
    const moved = (stands?.getBoundingClientRect().bottom - anchor?.box.bottom) * -Math.sign(step);
    if (!(moved > -2 && moved < Math.abs(step) + 2)) scrolled.jumps.push([anchor?.seq, moved]);
  }
  observer.disconnect();
  return scrolled;
}"""


class Scrolled(NamedTuple):
    """What a page showed on its way."""

    seqs: Sequence[int]
    """Of the messages, as they came into view: each that is farther than all before it."""
    jumps: Sequence[tuple[int | None, float | None]]
    """Messages in view that went elsewhere than with the scrolling, and by how many px."""
    messages: int
    """The most that were in the document."""
    elements: int
    """Likewise, of every kind."""
    frames: Sequence[float]
    """Milliseconds from each to the next."""
    longTasks: Sequence[float]  # noqa: N815 - as the page has it
    """Milliseconds that the page's main thread was busy at a time, where it was more than 50."""

    def __str__(self) -> str:
        frames = sorted(self.frames)
        p50, p95, p99 = (frames[math.ceil(len(frames) * part) - 1] for part in (0.5, 0.95, 0.99))
        return (
            f"{len(self.seqs)} messages seen, {len(self.jumps)} jumps; at most {self.messages} messages and "
            f"{self.elements} elements in the document; {len(frames)} frames, ms from one to the next: p50 {p50:.1f}, "
            f"p95 {p95:.1f}, p99 {p99:.1f}, most {frames[-1]:.1f}; tasks of more than 50 ms: "
            f"{', '.join(f'{task:.0f}' for task in self.longTasks) or 'none'}"
        )


async def fill(stack: ServeStack, channel: str, messages: int) -> int:
    """A channel of Bob's and Alice's in which Bob has said so much, and Alice has read it: the last message's seq."""
    async with tertulia.connect(stack.address, token=_SECRET.server_token()) as server:
        bob = server.acting_for("bob")
        await server.users.ensure(["alice", "bob"])
        await bob.channels.create_group(["alice"], name=channel, channel_id=channel)
        numbers = iter(range(1, messages + 1))
        while batch := list(itertools.islice(numbers, _AT_ONCE)):
            said = [bob.send(channel, f"number {number} {'and so on ' * (number % 13)}") for number in batch]
            sent = await asyncio.gather(*said)
    async with tertulia.connect(stack.address, token=_SECRET.user_token("alice")) as device:
        device.mark_read(channel, sent[-1].seq)
    return sent[-1].seq


async def scroll(page: Page, goal: int, step_px: int) -> Scrolled:
    """Scroll the conversation that is open, so many px a frame (less than 0: back), until the message with the seq `goal` is in view."""
    return Scrolled(**await page.evaluate(_SCROLL, [step_px, goal]))


async def main() -> None:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="tertulia-scrolling-"))
        servers = await stack.enter_async_context(running_stack(Path(folder) / "data"))
        last = await fill(servers, "long", _MESSAGES)
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        people = People(servers, browser)
        alice = await people.join("alice")
        await alice.open("long")
        await alice.sees(f"number {_MESSAGES} ")
        print(await scroll(alice.page, last - _MESSAGES + 1, -STEP_PX))
        await people.leave()
        await browser.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
