import { Code } from "@connectrpc/connect";
import { effect } from "@preact/signals-core";
import { describe, expect, test } from "vitest";
import { ChannelKind, type Conversation, type TertuliaClient } from "../src/index.js";
import { refusal } from "./fake_refusals.js";
import { channel, online, opened, shown, texts, until, world } from "./world.js";

const here = world();

function plaza(messages = 0) {
  const room = here.server.room("plaza", ChannelKind.GROUP, "ann", "bob");
  for (let number = 1; number <= messages; number += 1) here.server.say(room, "bob", `message ${number}`);
  return room;
}

async function expectFreshEqualsLive(client: TertuliaClient, live: Conversation): Promise<void> {
  const fresh = await opened(client, live.channelId);
  expect(live.timeline.view.value.messages).toEqual(fresh.timeline.view.value.messages);
}

describe("a timeline", () => {
  test("shows the newest page, then what is said, edited, deleted and reacted to; live equals fresh", async () => {
    plaza(3);
    const ann = await here.join("ann");
    const bob = await here.join("bob");
    const [live, hers] = [await opened(bob, "plaza"), await opened(ann, "plaza")];
    await hers.send({ text: "a reply", replyToSeq: 2 });
    await until(() => texts(live).length === 4 && texts(hers).length === 4);
    const [first, second, , reply] = live.timeline.view.value.messages;
    await live.edit(first as never, { text: "message one" });
    await hers.react(second as never, "👍");
    await live.react(second as never, "👍");
    await hers.react(hers.timeline.view.value.messages[1] as never, "👍");
    await live.delete(second as never);
    await hers.delete(reply as never);
    await until(() => texts(live).filter((text) => text === "(deleted)").length === 2);
    expect(texts(live)).toEqual(["message one", "(deleted)", "message 3", "(deleted)"]);
    expect(JSON.stringify(live.timeline.view.value.messages)).not.toContain("message 2");
    await expectFreshEqualsLive(bob, live);
  });

  test("scrolls back to the first message, without a hole and without a message twice", async () => {
    plaza(500);
    const ann = await here.join("ann");
    ann.markRead("plaza", 501, 500);
    const { timeline } = await opened(ann, "plaza");
    while (timeline.view.value.older) await timeline.loadOlder();
    expect(timeline.view.value.messages.map(({ messageCount }) => messageCount)).toEqual(
      Array.from({ length: 500 }, (_, index) => index + 1),
    );
  });

  test("holds a thousand messages, wherever one scrolls and whatever is said", async () => {
    const room = plaza(1_500);
    const ann = await here.join("ann");
    ann.markRead("plaza", 1_501, 1_500);
    const { timeline } = await opened(ann, "plaza");
    const seen = new Set<number>();
    const ends = () => [0, -1].map((at) => timeline.view.value.messages.at(at)?.messageCount);
    const dispose = effect(() => {
      const { messages } = timeline.view.value;
      expect(messages.length).toBeLessThanOrEqual(1_000);
      for (const { messageCount } of messages) seen.add(messageCount);
    });
    while (timeline.view.value.older) await timeline.loadOlder();
    expect(ends()).toEqual([1, 1_000]);
    while (timeline.view.value.newer) await timeline.loadNewer();
    expect(ends()).toEqual([501, 1_500]);
    here.server.say(room, "bob", "too much for one that is full");
    await until(() => timeline.view.value.newer);
    expect(ends()).toEqual([501, 1_500]);
    await timeline.loadNewer();
    expect(ends()).toEqual([502, 1_501]);
    expect(seen.size).toBe(1_501);
    dispose();
  });

  test("opens at the first unread message and goes forward to the newest, then on live", async () => {
    const room = plaza(300);
    const ann = await here.join("ann");
    ann.markRead("plaza", 101, 100);
    const conversation = await opened(ann, "plaza");
    const { timeline } = conversation;
    expect(conversation.unreadAfterSeq).toBe(101);
    expect(texts(conversation)).toContain("message 101");
    expect(timeline.view.value.newer).toBe(true);
    here.server.say(room, "bob", "said meanwhile");
    while (timeline.view.value.newer) await timeline.loadNewer();
    expect(texts(conversation).at(-1)).toBe("said meanwhile");
    here.server.say(room, "bob", "live");
    await until(() => texts(conversation).at(-1) === "live");
    expect(new Set(texts(conversation)).size).toBe(texts(conversation).length);
  });

  test("applies what happens while a page is on its way", async () => {
    const room = plaza(3);
    const ann = await here.join("ann");
    here.server.after.set("ListMessages", [
      async () => {
        here.server.append(room, "bob", { case: "reactionChanged", value: { targetSeq: 2n, key: "🎉" } as never });
        here.server.say(room, "bob", "message 4");
        await until(() => channel(ann, "plaza").headSeq === 6);
      },
    ]);
    const conversation = await opened(ann, "plaza");
    await until(() => texts(conversation).length === 4);
    expect(conversation.timeline.view.value.messages[0]?.state.reactions).toEqual([{ key: "🎉", userIds: ["bob"] }]);
    await expectFreshEqualsLive(ann, conversation);
  });

  test("fetches what the stream left out", async () => {
    const room = plaza(1);
    const ann = await here.join("ann");
    const conversation = await opened(ann, "plaza");
    here.server.lose = 2;
    for (const text of ["lost", "lost, too", "seen"]) here.server.say(room, "bob", text);
    await until(() => texts(conversation).length === 4);
    expect(texts(conversation)).toEqual(["message 1", "lost", "lost, too", "seen"]);
  });

  test("fetches what a gap names, and begins anew where that is too much", async () => {
    const room = plaza(1);
    const ann = await here.join("ann");
    const conversation = await opened(ann, "plaza");
    here.server.lose = 3_000;
    for (let number = 2; number <= 3_001; number += 1) here.server.say(room, "bob", `message ${number}`);
    here.server.gap(room, "ann", 3, room.log.head);
    await until(() => texts(conversation).at(-1) === "message 3001");
    await shown(conversation);
    await expectFreshEqualsLive(ann, conversation);
  });

  test("has, after a lost connection, what was said meanwhile; once and in order", async () => {
    const room = plaza(2);
    const ann = await here.join("ann");
    const conversation = await opened(ann, "plaza");
    await here.server.stop();
    for (let number = 3; number <= 20; number += 1) here.server.say(room, "bob", `message ${number}`);
    here.server.append(room, "bob", { case: "messageDeleted", value: { targetSeq: 2n } as never });
    await here.server.start();
    await online(ann);
    await until(() => texts(conversation).length === 20);
    await expectFreshEqualsLive(ann, conversation);
  });

  test("tells why a page could not be had, and has it when asked again", async () => {
    plaza(100);
    const ann = await here.join("ann");
    ann.markRead("plaza", 101, 100);
    const { timeline } = await opened(ann, "plaza");
    here.server.before.set("ListMessages", [() => Promise.reject(new Error("no"))]);
    await timeline.loadOlder();
    expect(timeline.view.value.error?.message).toBeDefined();
    await timeline.loadOlder();
    expect(timeline.view.value.messages.length).toBe(100);
    expect(timeline.view.value.error).toBeUndefined();
  });

  test("has the window that was asked for when it is asked again, be it the first or another", async () => {
    plaza(300);
    const ann = await here.join("ann");
    ann.markRead("plaza", 101, 100);
    const no = () => Promise.reject(refusal(Code.NotFound, "NO"));
    here.server.before.set("ListMessages", [no]);
    const conversation = ann.open(channel(ann, "plaza"));
    const { timeline } = conversation;
    await until(() => timeline.view.value.error !== undefined);
    expect(timeline.view.value.loading).toBe("nothing");
    timeline.retry();
    expect(timeline.view.value).toMatchObject({ loading: "window", error: undefined });
    await shown(conversation);
    expect(texts(conversation)).toContain("message 101"); // the first unread one
    here.server.before.set("ListMessages", [no]);
    await timeline.toSeq(2);
    expect(timeline.view.value.error).toBeDefined();
    timeline.retry();
    await shown(conversation);
    expect(texts(conversation)).toContain("message 1");
  });

  test("adds nothing to what an earlier visit kept: the window is fetched first", async () => {
    plaza(100);
    const first = await here.join("ann", { keep: true });
    first.markRead("plaza", 101, 100);
    (await opened(first, "plaza")).close();
    here.server.before.set("ListMessages", [() => Promise.reject(refusal(Code.NotFound, "NO"))]);
    const conversation = first.open(channel(first, "plaza"));
    const { timeline } = conversation;
    await until(() => timeline.view.value.stale);
    await timeline.loadOlder();
    expect(timeline.view.value).toMatchObject({ stale: true, error: { reason: "NO" } });
    timeline.retry();
    await shown(conversation);
    expect(timeline.position().length).toBe(1);
  });

  test("does not go to a window any more that could not be had, once another was gone on with", async () => {
    plaza(300);
    const ann = await here.join("ann");
    ann.markRead("plaza", 301, 300);
    const conversation = await opened(ann, "plaza");
    const { timeline } = conversation;
    const no = () => Promise.reject(refusal(Code.NotFound, "NO"));
    here.server.before.set("ListMessages", [no]);
    await timeline.toSeq(2);
    await timeline.loadOlder();
    here.server.before.set("ListMessages", [no]);
    await timeline.loadOlder();
    expect(timeline.view.value.error).toBeDefined();
    timeline.retry();
    await shown(conversation);
    expect(texts(conversation)).toContain("message 300");
  });

  test("asks on while pages hold no message, and no longer than somebody looks", async () => {
    plaza(3);
    const ann = await here.join("ann");
    here.server.emptyPages = 30;
    const conversation = await opened(ann, "plaza");
    expect(texts(conversation)).toEqual(["message 1", "message 2", "message 3"]);
    here.server.emptyPages = Number.POSITIVE_INFINITY;
    const other = ann.open(channel(ann, "plaza"));
    await until(() => other.timeline.view.value.loading === "window");
    other.close();
    const pages = () => here.server.calls.filter((call) => call === "ListMessages ann").length;
    const asked = pages();
    for (let calls = 0; calls < 10; calls += 1) await ann.search("somebody");
    expect(pages()).toBeLessThanOrEqual(asked + 1); // one may have been on its way
  });

  test("fetches what the stream left out though the window goes elsewhere meanwhile", async () => {
    const room = plaza(100);
    const ann = await here.join("ann");
    ann.markRead("plaza", 101, 100);
    const conversation = await opened(ann, "plaza");
    const filling = new Promise<() => void>((reached) => {
      here.server.before.set("ListEvents", [() => new Promise<void>((answer) => reached(answer))]);
    });
    here.server.lose = 1;
    here.server.say(room, "bob", "lost");
    here.server.say(room, "bob", "seen");
    const fill = await filling;
    here.server.before.set("ListMessages", [() => Promise.reject(refusal(Code.NotFound, "NO"))]);
    await conversation.timeline.toSeq(50);
    fill();
    await until(() => texts(conversation).at(-1) === "seen");
    expect(texts(conversation).slice(-2)).toEqual(["lost", "seen"]);
  });

  test("forgets, when the connection is back, that a page could not be had", async () => {
    plaza(100);
    const ann = await here.join("ann");
    ann.markRead("plaza", 101, 100);
    const { timeline } = await opened(ann, "plaza");
    here.server.before.set("ListMessages", [() => Promise.reject(new Error("no"))]);
    await timeline.loadOlder();
    expect(timeline.view.value.error).toBeDefined();
    here.server.cut();
    await until(() => timeline.view.value.error === undefined);
    expect(timeline.view.value.messages.length).toBeLessThan(100);
  });

  test("shows what the last visit kept where no server answers, and never instead of its answer (I6)", async () => {
    const room = plaza(2);
    const first = await here.join("ann", { keep: true });
    (await opened(first, "plaza")).close();
    const kept = channel(first, "plaza");
    await first.close();
    here.server.append(room, "bob", { case: "messageDeleted", value: { targetSeq: 2n } as never });
    const second = await here.join("ann", { keep: true });
    const answered = second.open(channel(second, "plaza"));
    let seen = "";
    effect(() => {
      seen += texts(answered);
    });
    await shown(answered);
    expect(texts(answered)).toEqual(["(deleted)", "message 2"]);
    expect(seen).not.toContain("message 1");
    await here.server.stop();
    const third = here.begin("ann", { keep: true });
    const alone = third.open(kept);
    await until(() => alone.timeline.view.value.stale);
    expect(texts(alone)).toEqual(["(deleted)", "message 2"]);
  });
});
