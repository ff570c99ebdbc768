/** The application names one user and hands over the token of another. */

import { expect, test } from "vitest";
import { ChannelKind, errorFrom } from "../src/index.js";
import { tokenOf, until, world } from "./world.js";

const here = world();

function plaza() {
  return here.server.room("plaza", ChannelKind.GROUP, "ann", "bob");
}

const ENDED = { state: "ended", error: { reason: "TOKEN_INVALID" } };

test("what one has said is not sent as another's, and is sent when they come back", async () => {
  plaza();
  const first = await here.join("ann", { keep: true });
  await here.server.stop();
  await first.outbox.send({ channelId: "plaza", text: "of ann" });
  await first.close();
  await here.server.start();
  here.server.calls.length = 0;
  const second = here.begin("ann", { keep: true, token: async () => `token-${tokenOf({ sub: "bob" })}` });
  await until(() => second.connection.value.state === "ended");
  expect(second.connection.value).toMatchObject(ENDED);
  await second.outbox.open();
  expect(second.outbox.entries.value.map(({ text, refusal }) => [text, refusal])).toEqual([["of ann", undefined]]);
  expect(errorFrom(await second.search("b").catch((thrown) => thrown))).toMatchObject(ENDED.error);
  expect(here.server.calls).toEqual([]);
  await second.close();
  const third = await here.join("ann", { keep: true });
  await until(() => third.outbox.entries.value.length === 0);
  expect(
    here.server.rooms
      .get("plaza")
      ?.log.messages()
      .map(({ senderUserId }) => senderUserId),
  ).toEqual(["ann"]);
});

test("a server that takes one for another ends it, and nothing of the other is kept", async () => {
  plaza();
  const ann = here.begin("ann", { keep: true, token: "token-bob" });
  await until(() => ann.connection.value.state === "ended");
  expect(ann.connection.value).toMatchObject(ENDED);
  expect(ann.me.value).toBe("ann");
  expect(await ann.storage.snapshot()).toBeUndefined();
});
