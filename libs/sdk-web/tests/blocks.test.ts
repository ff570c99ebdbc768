import { describe, expect, test } from "vitest";
import { ChannelKind } from "../src/index.js";
import { world } from "./world.js";

const here = world();

describe("blocks", () => {
  test("are known on every device of the user, and can be taken back", async () => {
    here.server.room("plaza", ChannelKind.GROUP, "ann", "ben", "cay");
    const phone = await here.join("ann");
    await phone.blocks.block("ben");
    await phone.blocks.block("cay");
    expect([...phone.blocks.all.value]).toEqual(["ben", "cay"]);
    const laptop = await here.join("ann");
    await laptop.blocks.load();
    expect([...laptop.blocks.all.value]).toEqual(["ben", "cay"]);
    await laptop.blocks.unblock("ben");
    expect([...laptop.blocks.all.value]).toEqual(["cay"]);
    expect([...(here.server.blocked.get("ann") ?? [])]).toEqual(["cay"]);
  });

  test("are asked for once", async () => {
    here.server.room("plaza", ChannelKind.GROUP, "ann", "ben");
    const ann = await here.join("ann");
    await Promise.all([ann.blocks.load(), ann.blocks.load()]);
    expect(here.server.calls.filter((call) => call.startsWith("ListBlockedUsers"))).toHaveLength(1);
  });
});
