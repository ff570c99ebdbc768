import { Code } from "@connectrpc/connect";
import { effect } from "@preact/signals-core";
import { describe, expect, test } from "vitest";
import { ChannelKind, type TertuliaClient } from "../src/index.js";
import { refusal } from "./fake_refusals.js";
import { opened, texts, tokenOf, until, world } from "./world.js";

const here = world();

function plaza() {
  return here.server.room("plaza", ChannelKind.GROUP, "ann", "bob");
}

function said(): string[] {
  const events = here.server.rooms.get("plaza")?.log.messages() ?? [];
  return events.map(({ content }) => (content.case === "message" ? content.value.text : ""));
}

/** The first one leads: it has the lock. */
async function twoTabs(): Promise<[TertuliaClient, TertuliaClient]> {
  const one = await here.join("ann", { keep: true });
  return [one, await here.join("ann", { keep: true })];
}

function waiting({ outbox }: TertuliaClient): string[] {
  return outbox.entries.value.map(({ text }) => text);
}

describe("two tabs of one person", () => {
  test("send what was said first first, in whichever it was said", async () => {
    plaza();
    const [one, two] = await twoTabs();
    const [here1, here2] = [await opened(one, "plaza"), await opened(two, "plaza")];
    await here.server.stop();
    const expected = Array.from({ length: 12 }, (_, index) => `line ${index}`);
    for (const [index, text] of expected.entries()) await (index % 2 === 0 ? here2 : here1).send({ text });
    await until(() => waiting(one).length === 12 && waiting(two).length === 12);
    expect(waiting(one)).toEqual(expected);
    expect(waiting(two)).toEqual(expected);
    await here.server.start();
    await until(() => texts(here1).length === 12 && texts(here2).length === 12);
    await until(() => waiting(one).length === 0 && waiting(two).length === 0);
    expect(said()).toEqual(expected);
  });

  test("send in order though the one that sends has not heard of what the other was told before", async () => {
    plaza();
    const [one, two] = await twoTabs();
    const [here1, here2] = [await opened(one, "plaza"), await opened(two, "plaza")];
    const second = here2.send({ text: "first" });
    const first = here1.send({ text: "second" }); // before any word of the other tab
    await Promise.all([first, second]);
    await until(() => texts(here1).length === 2);
    expect(said()).toEqual(["first", "second"]);
  });

  test("show a message in each either as on its way or as said, never both and never neither", async () => {
    plaza();
    const [one, two] = await twoTabs();
    const [here1, here2] = [await opened(one, "plaza"), await opened(two, "plaza")];
    const shownIn = [
      [one, here1],
      [two, here2],
    ] as const;
    const timesSeen: number[] = []; // in either tab, whenever something has changed
    for (const [client, conversation] of shownIn)
      effect(() => {
        const shown = () => [...waiting(client), ...texts(conversation)].filter((text) => text === "seen").length;
        shown(); // what it reads, it is run again for; what is shown is looked at when all of it has changed
        queueMicrotask(() => timesSeen.push(shown()));
      });
    here.server.lose = 1; // the log's word comes late
    await here1.send({ text: "seen" });
    for (const { outbox } of [one, two]) await until(() => outbox.entries.value[0]?.seq !== undefined);
    timesSeen.length = 0; // from here on both tabs show it
    await two.outbox.open();
    expect([waiting(two), texts(here2)]).toEqual([["seen"], []]);
    await here1.send({ text: "next" });
    await until(() => texts(here2).length === 2 && waiting(two).length === 0);
    expect(texts(here2)).toEqual(["seen", "next"]);
    await until(() => texts(here1).length === 2 && waiting(one).length === 0);
    expect(timesSeen.length).toBeGreaterThan(0);
    expect(new Set(timesSeen)).toEqual(new Set([1]));
  });

  test("agree on what was refused, tried again and discarded", async () => {
    plaza();
    const [one, two] = await twoTabs();
    const [here1, here2] = [await opened(one, "plaza"), await opened(two, "plaza")];
    const no = () => Promise.reject(refusal(Code.PermissionDenied, "BLOCKED", "no"));
    here.server.before.set("SendMessage", [no, no]);
    const again = await here2.send({ text: "again" });
    const gone = await here2.send({ text: "gone" });
    await until(() => two.outbox.entries.value.filter(({ refusal }) => refusal !== undefined).length === 2);
    await two.outbox.drop(gone);
    await until(() => waiting(one).join() === "again");
    await two.outbox.retry(again);
    await until(() => texts(here1).length === 1 && waiting(one).length === 0 && waiting(two).length === 0);
    expect(said()).toEqual(["again"]);
  });

  test("go on when the one that sends is closed", async () => {
    plaza();
    const [one, two] = await twoTabs();
    const here2 = await opened(two, "plaza");
    await here.server.stop();
    await here2.send({ text: "left behind" });
    await one.close();
    await here.server.start();
    await until(() => texts(here2).length === 1 && waiting(two).length === 0);
    expect(said()).toEqual(["left behind"]);
  });

  test("go on when the one that sends, and one that waited to, were given the token of another", async () => {
    plaza();
    const given = () => {
      const tokens = ["token-ann"];
      return { keep: true, token: async () => tokens.shift() ?? tokenOf({ sub: "bob" }) };
    };
    const [one, two] = [await here.join("ann", given()), await here.join("ann", given())];
    const three = await here.join("ann", { keep: true });
    const here3 = await opened(three, "plaza");
    const [feed1, feed2] = here.server.feeds;
    for (const [client, feed] of [
      [two, feed2],
      [one, feed1],
    ] as const) {
      here.server.before.set("Listen", [() => Promise.reject(refusal(Code.Unauthenticated, "TOKEN_EXPIRED"))]);
      feed?.end();
      await until(() => client.connection.value.state === "ended");
    }
    await here3.send({ text: "mine" });
    await until(() => texts(here3).length === 1 && waiting(three).length === 0);
    expect(said()).toEqual(["mine"]);
  });
});
