import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { ChannelKind, MAX_RECEIPT_MEMBERS } from "../src/index.js";
import { refusal } from "./fake_refusals.js";
import { channel, opened, until, world } from "./world.js";

const { GROUP } = ChannelKind;
const here = world();

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
    here.server.before.set("ListMembers", [() => Promise.reject(refusal(Code.Unavailable, "UNAVAILABLE"))]);
    const { members } = ann.open(channel(ann, "plaza"));
    await ann.search("somebody"); // the answer of which comes after the refusal
    here.server.cut();
    await until(() => members.list.value.size === 2);
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
