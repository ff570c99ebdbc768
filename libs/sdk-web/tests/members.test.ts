import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { ChannelKind, MAX_RECEIPT_MEMBERS, type TertuliaClient } from "../src/index.js";
import { refusal } from "./fake_refusals.js";
import type { Room } from "./fake_rooms.js";
import { channel, opened, until, world } from "./world.js";

const { GROUP } = ChannelKind;
const here = world();

/** Everything that was told before has come: a stream keeps its order. */
async function told(client: TertuliaClient, room: Room): Promise<void> {
  here.server.say(room, "bob", "and so on");
  await until(() => channel(client, room.id).headSeq === room.log.head);
}

describe("members", () => {
  test("who came and who went while the list was on its way are where they are", async () => {
    const room = here.server.room("plaza", GROUP, "ann", "bob");
    const ann = await here.join("ann");
    const asked = new Promise<() => void>((reached) => {
      here.server.after.set("ListMembers", [() => new Promise<void>((answer) => reached(answer))]);
    });
    const { members } = await opened(ann, "plaza");
    const answer = await asked;
    here.server.admit(room, ["cay"]);
    here.server.remove(room, "bob");
    await until(() => channel(ann, "plaza").headSeq === room.log.head);
    answer();
    await until(() => members.list.value.size > 0);
    expect([...members.list.value.keys()]).toEqual(["ann", "cay"]);
  });

  test("are asked for again when the connection is back", async () => {
    here.server.room("plaza", GROUP, "ann", "bob");
    const ann = await here.join("ann");
    here.server.before.set("ListMembers", [() => Promise.reject(refusal(Code.PermissionDenied, "NO"))]);
    const { members } = ann.open(channel(ann, "plaza"));
    await until(() => members.error.value !== undefined);
    here.server.cut();
    await until(() => members.list.value.size === 2);
    expect(members.error.value).toBeUndefined();
  });

  test("are asked for again at once when the failure is one that passes", async () => {
    here.server.room("plaza", GROUP, "ann", "bob");
    const ann = await here.join("ann");
    here.server.before.set("ListMembers", [() => Promise.reject(refusal(Code.Unavailable, "UNAVAILABLE"))]);
    const { members } = ann.open(channel(ann, "plaza"));
    await until(() => members.list.value.size === 2);
    expect(here.server.calls.filter((call) => call === "ListMembers ann").length).toBe(2);
  });

  test("have read what they read while the list was on its way", async () => {
    const room = here.server.room("plaza", GROUP, "ann", "bob");
    const { seq } = here.server.say(room, "ann", "seen?");
    const ann = await here.join("ann");
    const asked = new Promise<() => void>((reached) => {
      here.server.after.set("ListMembers", [() => new Promise<void>((answer) => reached(answer))]);
    });
    const { members } = await opened(ann, "plaza");
    const answer = await asked;
    here.server.read(room, "bob", Number(seq));
    await told(ann, room);
    answer();
    await until(() => members.list.value.size === 2);
    expect(members.list.value.get("bob")).toMatchObject({ readSeq: Number(seq), deliveredSeq: Number(seq) });
  });

  test("who came have read what they are told to have read, though that was told first", async () => {
    const room = here.server.room("plaza", GROUP, "ann", "bob");
    const ann = await here.join("ann");
    const { members } = await opened(ann, "plaza");
    await until(() => members.list.value.size === 2);
    here.server.read(room, "cay", 7);
    here.server.admit(room, ["cay"]);
    await until(() => members.list.value.size === 3);
    expect(members.list.value.get("cay")).toMatchObject({ readSeq: 7, deliveredSeq: 7 });
  });

  test("who came while the connection was lost are there with what they have read since", async () => {
    const room = here.server.room("plaza", GROUP, "ann", "bob");
    const ann = await here.join("ann");
    const conversation = await opened(ann, "plaza");
    await until(() => conversation.members.list.value.size === 2);
    await here.server.stop();
    here.server.admit(room, ["cay"]);
    const { seq } = here.server.say(room, "ann", "welcome");
    const asked = new Promise<() => void>((reached) => {
      here.server.after.set("ListMembers", [() => new Promise<void>((answer) => reached(answer))]);
    });
    await here.server.start();
    const answer = await asked;
    here.server.read(room, "cay", Number(seq));
    await told(ann, room);
    answer();
    await until(() => (conversation.members.list.value.get("cay")?.readSeq ?? 0) >= Number(seq));
  });

  test("of a large channel are not listed before somebody asks, whoever joins", async () => {
    const crowd = Array.from({ length: MAX_RECEIPT_MEMBERS }, (_, index) => `user-${index}`);
    const room = here.server.room("plaza", GROUP, "ann", ...crowd);
    const ann = await here.join("ann");
    const { members } = await opened(ann, "plaza");
    here.server.admit(room, ["cay"]);
    await until(() => channel(ann, "plaza").headSeq === room.log.head);
    expect(members.list.value.size).toBe(0);
    await members.load();
    expect(members.list.value.size).toBe(MAX_RECEIPT_MEMBERS + 2);
  });
});
