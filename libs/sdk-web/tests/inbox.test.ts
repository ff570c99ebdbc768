import { Code } from "@connectrpc/connect";
import { describe, expect, test, vi } from "vitest";
import { ChannelKind, MemberRole, type MyChannel, type TertuliaClient, unreadCount } from "../src/index.js";
import { refusal } from "./fake_refusals.js";
import { channel, online, until, world } from "./world.js";

const { GROUP, DIRECT, BROADCAST } = ChannelKind;
const here = world();

/** What a device that has just come sees is what one sees that was here all the time. */
async function expectFreshEqualsLive(live: TertuliaClient): Promise<void> {
  const fresh = await here.join(live.me.value);
  const seen = ({ inbox }: TertuliaClient) => inbox.all.value.map(comparable);
  expect(seen(live)).toEqual(seen(fresh));
}

/** Times are the fake clock's own; what was delivered is on its way to the server for up to a second. */
function comparable({ createTimeMs: _, deliveredSeq: __, ...rest }: MyChannel) {
  return rest;
}

describe("the inbox", () => {
  test("lists what the server lists, pinned ones first, then by the latest message", async () => {
    let now = 1_000;
    here.server.clock = () => now++;
    for (const id of ["one", "two", "three"]) here.server.say(here.server.room(id, GROUP, "ann", "bob"), "bob", id);
    const ann = await here.join("ann");
    const ids = () => ann.inbox.channels.value.map(({ channelId }) => channelId);
    expect(ids()).toEqual(["three", "two", "one"]);
    await ann.channels.prefer("one", { pinned: true });
    expect(ids()).toEqual(["one", "three", "two"]);
  });

  test("counts unread messages and mentions as they come, and equals what a fresh device sees", async () => {
    const room = here.server.room("plaza", GROUP, "ann", "bob");
    const ann = await here.join("ann");
    here.server.say(room, "bob", "hello");
    here.server.say(room, "bob", "@ann look", { mentionedUserIds: ["ann"] });
    here.server.append(room, "bob", { case: "reactionChanged", value: { targetSeq: 2n, key: "👍" } as never });
    const last = here.server.say(room, "bob", "bye");
    await until(() => channel(ann, "plaza").headSeq === Number(last.seq));
    expect(unreadCount(channel(ann, "plaza"))).toBe(3);
    expect(channel(ann, "plaza").mentionCount).toBe(1);
    await expectFreshEqualsLive(ann);
  });

  test("forgets a mention that was deleted, and one that was edited away", async () => {
    const room = here.server.room("plaza", GROUP, "ann", "bob");
    const ann = await here.join("ann");
    const [first, second] = ["a", "b"].map((text) => here.server.say(room, "bob", text, { mentionedUserIds: ["ann"] }));
    await until(() => channel(ann, "plaza").mentionCount === 2);
    here.server.append(room, "bob", { case: "messageDeleted", value: { targetSeq: first?.seq } as never });
    const message = { text: "b, for nobody", mentionedUserIds: [] };
    here.server.append(room, "bob", { case: "messageEdited", value: { targetSeq: second?.seq, message } as never });
    await until(() => channel(ann, "plaza").mentionCount === 0);
    await expectFreshEqualsLive(ann);
  });

  test("shows the last message as it is now: edited, then deleted", async () => {
    const room = here.server.room("plaza", GROUP, "ann", "bob");
    const ann = await here.join("ann");
    const said = here.server.say(room, "bob", "helo");
    const message = { text: "hello", mentionedUserIds: [] };
    here.server.append(room, "bob", { case: "messageEdited", value: { targetSeq: said.seq, message } as never });
    await until(() => channel(ann, "plaza").lastMessage?.state.edited?.text === "hello");
    here.server.append(room, "bob", { case: "messageDeleted", value: { targetSeq: said.seq } as never });
    await until(() => channel(ann, "plaza").lastMessage?.state.deleted === true);
    expect(JSON.stringify(channel(ann, "plaza"))).not.toContain("hel");
  });

  test("hears on one device what was read on another, and reading never goes back", async () => {
    const room = here.server.room("plaza", GROUP, "ann", "bob");
    for (const text of ["a", "b", "c"]) here.server.say(room, "bob", text);
    const [phone, laptop] = [await here.join("ann"), await here.join("ann")];
    phone.markRead("plaza", 4, 3);
    expect(unreadCount(channel(phone, "plaza"))).toBe(0);
    await until(() => unreadCount(channel(laptop, "plaza")) === 0);
    laptop.markRead("plaza", 2, 1);
    expect(unreadCount(channel(laptop, "plaza"))).toBe(0);
  });

  test("tells the server after a reconnect what was read while there was no connection", async () => {
    const room = here.server.room("plaza", GROUP, "ann", "bob");
    here.server.say(room, "bob", "a");
    const ann = await here.join("ann");
    await here.server.stop();
    ann.markRead("plaza", 2, 1);
    await here.server.start();
    const bob = await here.join("bob");
    await online(ann);
    const { members } = bob.open(channel(bob, "plaza"));
    await until(() => members.list.value.get("ann")?.readSeq === 2);
  });

  test("takes preferences from other devices; a hidden channel comes back with the next message", async () => {
    const room = here.server.room("plaza", GROUP, "ann", "bob");
    here.server.say(room, "bob", "a");
    const [phone, laptop] = [await here.join("ann"), await here.join("ann")];
    await phone.channels.prefer("plaza", { muted: true });
    await phone.channels.prefer("plaza", { hidden: true });
    await until(() => laptop.inbox.channels.value.length === 0);
    expect(channel(laptop, "plaza").preferences.muted).toBe(true);
    here.server.say(room, "bob", "again");
    await until(() => laptop.inbox.channels.value.length === 1);
    await expectFreshEqualsLive(laptop);
  });

  test("gains channels that the user is added to and loses those that they are removed from", async () => {
    const ann = await here.join("ann");
    const room = here.server.room("plaza", GROUP, "bob", "ann");
    await until(() => ann.inbox.channels.value.length === 1);
    here.server.remove(room, "ann");
    await until(() => ann.inbox.channels.value.length === 0);
    here.server.admit(room, ["ann"]);
    await until(() => ann.inbox.channels.value.length === 1);
    await expectFreshEqualsLive(ann);
  });

  test("drops, when the connection is back, what was left meanwhile", async () => {
    const room = here.server.room("plaza", GROUP, "bob", "ann");
    here.server.room("other", GROUP, "bob", "ann");
    const ann = await here.join("ann");
    await here.server.stop();
    here.server.remove(room, "ann");
    await here.server.start();
    await until(() => ann.inbox.channels.value.length === 1);
    expect(ann.inbox.channels.value[0]?.channelId).toBe("other");
  });

  test("knows at once what another role allows", async () => {
    const room = here.server.room("news", BROADCAST, "ann", "bob");
    const [ann, bob] = [await here.join("ann"), await here.join("bob")];
    expect(channel(bob, "news").permissions.send).toBe(false);
    await ann.channels.setRole(room.id, "bob", MemberRole.OPERATOR);
    await until(() => channel(bob, "news").permissions.send);
    await expectFreshEqualsLive(bob);
  });

  test("goes on when a listener of the application's fails, and says so", async () => {
    const reported = vi.fn();
    vi.stubGlobal("reportError", reported);
    const room = here.server.room("plaza", GROUP, "ann", "bob");
    const ann = await here.join("ann");
    ann.onMessage(() => {
      throw new TypeError("Illegal constructor");
    });
    const heard: string[] = [];
    ann.onMessage((_, { original }) => heard.push(original.text));
    for (const text of ["one", "two"]) here.server.say(room, "bob", text);
    await until(() => unreadCount(channel(ann, "plaza")) === 2);
    expect(heard).toEqual(["one", "two"]);
    expect(reported).toHaveBeenCalledTimes(2);
    expect(here.server.calls.filter((call) => call === "Listen ann")).toHaveLength(1);
    vi.unstubAllGlobals();
  });

  test("asks again, when the connection is back, for a name that it could not get", async () => {
    here.server.names.set("bob", "Bob B.");
    here.server.before.set("GetUser", [() => Promise.reject(refusal(Code.Unavailable, "UNAVAILABLE"))]);
    const ann = await here.join("ann");
    const profile = ann.people.profile("bob");
    await ann.search("somebody"); // the answer of which comes after the refusal
    expect(profile.value.name).toBe("");
    here.server.cut();
    await until(() => profile.value.name === "Bob B.");
  });

  test("names who one talks to, and whether they are here", async () => {
    here.server.names.set("bob", "Bob B.");
    here.server.room("ann-bob", DIRECT, "ann", "bob");
    const ann = await here.join("ann");
    expect(channel(ann, "ann-bob").peer).toBe("bob");
    const profile = ann.people.profile("bob");
    await until(() => profile.value.name === "Bob B.");
    const presence = ann.people.presence("bob");
    expect(presence.value.online).toBe(false);
    const bob = await here.join("bob");
    await until(() => presence.value.online);
    await bob.close();
    await until(() => !presence.value.online);
  });
});
