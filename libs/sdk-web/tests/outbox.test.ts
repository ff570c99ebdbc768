import { Code } from "@connectrpc/connect";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ChannelKind, receiptOf } from "../src/index.js";
import { IndexedStorage } from "../src/indexed_storage.js";
import { MemoryStorage } from "../src/storage.js";
import { blocked, blockStorage } from "./blocked.js";
import { refusal } from "./fake_refusals.js";
import { opened, texts, until, world } from "./world.js";

const here = world();

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

function plaza() {
  return here.server.room("plaza", ChannelKind.GROUP, "ann", "bob");
}

function said(): string[] {
  return (
    here.server.rooms
      .get("plaza")
      ?.log.messages()
      .map(({ content }) => (content.case === "message" ? content.value.text : "")) ?? []
  );
}

describe("the outbox", () => {
  test("shows a message at once, then as part of the log, never twice and never not at all", async () => {
    plaza();
    const ann = await here.join("ann");
    const conversation = await opened(ann, "plaza");
    await conversation.send({ text: "hello" });
    expect(ann.outbox.entries.value.map(({ text }) => text)).toEqual(["hello"]);
    await until(() => texts(conversation).length === 1);
    expect(ann.outbox.entries.value).toEqual([]);
  });

  test("delivers once, in order, what was said while the server was away", async () => {
    plaza();
    const ann = await here.join("ann");
    const conversation = await opened(ann, "plaza");
    await here.server.stop();
    for (const text of ["one", "two", "three"]) await conversation.send({ text });
    await here.server.start();
    await until(() => ann.outbox.entries.value.length === 0 && texts(conversation).length === 3);
    expect(said()).toEqual(["one", "two", "three"]);
    expect(texts(conversation)).toEqual(["one", "two", "three"]);
  });

  test("repeats a send whose answer was lost under the same id: it is said once", async () => {
    plaza();
    const ann = await here.join("ann");
    const conversation = await opened(ann, "plaza");
    here.server.after.set("SendMessage", [() => Promise.reject(refusal(Code.Unavailable, "OUTCOME_UNKNOWN"))]);
    await conversation.send({ text: "once" });
    await conversation.send({ text: "and then" });
    await until(() => texts(conversation).length === 2 && ann.outbox.entries.value.length === 0);
    expect(said()).toEqual(["once", "and then"]);
  });

  test("keeps a message that was refused until it is sent again or dropped, and sends those behind it", async () => {
    plaza();
    const ann = await here.join("ann");
    const conversation = await opened(ann, "plaza");
    here.server.before.set("SendMessage", [() => Promise.reject(refusal(Code.PermissionDenied, "BLOCKED", "no"))]);
    await conversation.send({ text: "refused" });
    await conversation.send({ text: "accepted" });
    await until(() => texts(conversation).length === 1 && ann.outbox.entries.value.length === 1);
    const [refused] = ann.outbox.entries.value;
    expect(refused?.refusal?.reason).toBe("BLOCKED");
    await ann.outbox.retry(refused as never);
    await until(() => texts(conversation).length === 2);
    expect(said()).toEqual(["accepted", "refused"]);
  });

  test("waits where the server says that it is too fast", async () => {
    plaza();
    const ann = await here.join("ann");
    const conversation = await opened(ann, "plaza");
    here.server.before.set("SendMessage", [() => Promise.reject(refusal(Code.ResourceExhausted, "SLOW_MODE"))]);
    await conversation.send({ text: "patient" });
    await until(() => texts(conversation).length === 1);
  });

  test("sends on the next visit what the last one could not", async () => {
    plaza();
    const first = await here.join("ann", { keep: true });
    const conversation = await opened(first, "plaza");
    await here.server.stop();
    await conversation.send({ text: "before the reload" });
    await first.close();
    await here.server.start();
    const second = await here.join("ann", { keep: true });
    await until(() => second.outbox.entries.value.length === 0);
    expect(said()).toEqual(["before the reload"]);
    expect(await second.storage.pending()).toEqual([]);
  });

  test("sends what the browser will not keep, and drops it", async () => {
    blockStorage();
    plaza();
    const ann = await here.join("ann", { keep: true });
    const conversation = await opened(ann, "plaza");
    here.server.before.set("SendMessage", [() => Promise.reject(refusal(Code.PermissionDenied, "BLOCKED", "no"))]);
    const refused = await conversation.send({ text: "refused" });
    for (const text of ["one", "two"]) await conversation.send({ text });
    await until(() => texts(conversation).length === 2 && ann.outbox.entries.value.length === 1);
    await ann.outbox.drop(refused);
    expect(ann.outbox.entries.value).toEqual([]);
    expect(said()).toEqual(["one", "two"]);
  });

  test("sends in the order in which it was said where the browser stops keeping, and keeps again", async () => {
    plaza();
    const ann = await here.join("ann", { keep: true });
    const conversation = await opened(ann, "plaza");
    await here.server.stop();
    await conversation.send({ text: "kept" });
    const full = vi.spyOn(IDBObjectStore.prototype, "add").mockImplementation(blocked);
    await conversation.send({ text: "no room" });
    full.mockRestore();
    await conversation.send({ text: "room again" });
    await ann.outbox.open();
    expect(ann.outbox.entries.value.map(({ text }) => text)).toEqual(["kept", "no room", "room again"]);
    await here.server.start();
    await until(() => texts(conversation).length === 3 && ann.outbox.entries.value.length === 0);
    expect(said()).toEqual(["kept", "no room", "room again"]);
  });

  test("keeps what is said in other channels, and behind what was refused, though one could not be kept", async () => {
    plaza();
    here.server.room("garden", ChannelKind.GROUP, "ann", "bob");
    const ann = await here.join("ann", { keep: true });
    const say = (channelId: string, text: string) => ann.outbox.send({ channelId, text });
    const full = vi.spyOn(IDBObjectStore.prototype, "add").mockImplementation(blocked);
    here.server.before.set("SendMessage", [() => Promise.reject(refusal(Code.PermissionDenied, "BLOCKED", "no"))]);
    await say("plaza", "refused");
    await until(() => ann.outbox.entries.value[0]?.refusal !== undefined);
    full.mockRestore();
    await here.server.stop();
    await say("plaza", "behind it");
    const fullAgain = vi.spyOn(IDBObjectStore.prototype, "add").mockImplementation(blocked);
    await say("plaza", "no room");
    fullAgain.mockRestore();
    await say("plaza", "behind that");
    await say("garden", "elsewhere");
    expect((await ann.storage.pending()).map(({ text }) => text)).toEqual(["behind it", "elsewhere"]);
  });

  test("sends first what was said first, though it was refused, once it is tried again", async () => {
    plaza();
    const ann = await here.join("ann");
    const conversation = await opened(ann, "plaza");
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    here.server.before.set("SendMessage", [
      () => Promise.reject(refusal(Code.PermissionDenied, "BLOCKED", "no")),
      () => answered.then(() => Promise.reject(refusal(Code.Unavailable, "UNAVAILABLE"))),
    ]);
    const refused = await conversation.send({ text: "refused" });
    await until(() => ann.outbox.entries.value[0]?.refusal !== undefined);
    for (const text of ["two", "three"]) await conversation.send({ text });
    await ann.outbox.retry(refused);
    answer();
    await until(() => texts(conversation).length === 3);
    expect(said()).toEqual(["refused", "two", "three"]);
  });

  test("does not show again as on its way what the log shows, though the answer was lost", async () => {
    plaza();
    const ann = await here.join("ann", { keep: true });
    const conversation = await opened(ann, "plaza");
    let answer = () => {};
    here.server.after.set("SendMessage", [
      () =>
        new Promise<void>((_, reject) => {
          answer = () => reject(refusal(Code.Unavailable, "OUTCOME_UNKNOWN"));
        }),
    ]);
    await conversation.send({ text: "once" });
    await until(() => texts(conversation).length === 1);
    expect(ann.outbox.entries.value).toEqual([]);
    await ann.outbox.open(); // as another tab would have it do
    expect(ann.outbox.entries.value).toEqual([]);
    answer();
    await conversation.send({ text: "and then" });
    await until(() => texts(conversation).length === 2);
    expect(await ann.storage.pending()).toEqual([]);
    expect(said()).toEqual(["once", "and then"]);
  });

  test("does not show as on its way what a page of the log has, said by an earlier visit", async () => {
    const room = plaza();
    const first = await here.join("ann", { keep: true });
    const conversation = await opened(first, "plaza");
    await here.server.stop();
    const { clientId } = await conversation.send({ text: "answer lost" });
    await first.close();
    here.server.append(room, "ann", { case: "message", value: { text: "answer lost" } as never }, clientId);
    await here.server.start();
    here.server.before.set("SendMessage", [() => new Promise(() => {})]);
    const second = await here.join("ann", { keep: true });
    expect(second.outbox.entries.value.length).toBe(1);
    const again = await opened(second, "plaza");
    expect(texts(again)).toEqual(["answer lost"]);
    expect(second.outbox.entries.value).toEqual([]);
  });

  test("does not show again what is in the log, though it cannot be taken out of what is kept", async () => {
    plaza();
    const ann = await here.join("ann", { keep: true });
    const conversation = await opened(ann, "plaza");
    const stuck = vi.spyOn(IDBObjectStore.prototype, "delete").mockImplementation(blocked);
    await conversation.send({ text: "once" });
    await until(() => texts(conversation).length === 1 && ann.outbox.entries.value.length === 0);
    conversation.close();
    await ann.outbox.open();
    expect(ann.outbox.entries.value).toEqual([]);
    stuck.mockRestore();
  });

  test("does not show again what the log has gone past, though it cannot be taken out of what is kept", async () => {
    plaza();
    const ann = await here.join("ann", { keep: true });
    const stuck = vi.spyOn(IDBObjectStore.prototype, "delete").mockImplementation(blocked);
    here.server.lose = 1; // the log's word of it
    await ann.outbox.send({ channelId: "plaza", text: "once" });
    await until(() => ann.outbox.entries.value[0]?.seq !== undefined);
    here.server.cut();
    await until(() => ann.outbox.entries.value.length === 0);
    await ann.outbox.open();
    expect(ann.outbox.entries.value).toEqual([]);
    stuck.mockRestore();
  });

  test.each([true, false])("does not bring back what was discarded while it was looked up; kept: %s", async (keep) => {
    plaza();
    const ann = await here.join("ann", { keep });
    const conversation = await opened(ann, "plaza");
    here.server.before.set("SendMessage", [() => Promise.reject(refusal(Code.PermissionDenied, "BLOCKED", "no"))]);
    const refused = await conversation.send({ text: "refused" });
    await until(() => ann.outbox.entries.value[0]?.refusal !== undefined);
    await Promise.all([ann.outbox.open(), ann.outbox.drop(refused)]);
    expect(ann.outbox.entries.value).toEqual([]);
    await ann.outbox.retry(refused);
    await conversation.send({ text: "after" });
    await until(() => texts(conversation).length === 1);
    expect(ann.outbox.entries.value).toEqual([]);
    expect(said()).toEqual(["after"]);
  });

  test("opens though the browser never opens its database, and closes what it opens too late", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    const request = { result: { close: vi.fn() }, onsuccess: () => {} };
    vi.stubGlobal("indexedDB", { open: () => request });
    const storage = new IndexedStorage("never");
    vi.advanceTimersByTime(5_000);
    vi.useRealTimers();
    await expect(storage.pending()).rejects.toThrow("does not open its database");
    request.onsuccess();
    expect(request.result.close).toHaveBeenCalled();
  });

  test("forgets, when somebody signs out, and keeps nothing that comes late", async () => {
    plaza();
    const ann = await here.join("ann", { keep: true });
    const conversation = await opened(ann, "plaza");
    await conversation.send({ text: "private" });
    await until(() => texts(conversation).length === 1);
    conversation.keep();
    await here.server.stop();
    await conversation.send({ text: "unsent" });
    const forgotten = ann.forget();
    await forgotten;
    conversation.keep();
    await here.server.start();
    const next = await here.join("ann", { keep: true });
    expect(await next.storage.pending()).toEqual([]);
    expect(await next.storage.page("plaza")).toBeUndefined();
  });

  test("forgets though the database cannot be emptied, and though the application gives no token", async () => {
    plaza();
    const first = await here.join("ann", { keep: true });
    await first.storage.keepPage("plaza", []);
    await first.close();
    const second = here.begin("ann", { keep: true, token: () => new Promise(() => {}) });
    const stuck = vi.spyOn(IDBObjectStore.prototype, "clear").mockImplementation(blocked);
    await second.forget();
    stuck.mockRestore();
    const next = await here.join("ann", { keep: true });
    expect(await next.storage.page("plaza")).toBeUndefined();
  });

  test("says that another tab has the database open, which is deleted as soon as that lets go", async () => {
    const storage = new IndexedStorage("held");
    await storage.keepPage("plaza", []);
    const held = await new Promise<IDBDatabase>((resolve) => {
      const opening = indexedDB.open("held");
      opening.onsuccess = () => resolve(opening.result);
    });
    const stuck = vi.spyOn(IDBObjectStore.prototype, "clear").mockImplementation(blocked);
    await expect(storage.clear()).rejects.toThrow("another tab has the database open");
    stuck.mockRestore();
    held.close();
    expect(await new IndexedStorage("held").page("plaza")).toBeUndefined();
  });

  test("gets a new token when the old one has expired, for a send as well as for the stream", async () => {
    plaza();
    let token = "token-ann";
    let asked = 0;
    const ann = await here.join("ann", {
      token: async () => {
        asked += 1;
        return token;
      },
    });
    const conversation = await opened(ann, "plaza");
    token = "token-ann";
    here.server.before.set("SendMessage", [() => Promise.reject(refusal(Code.Unauthenticated, "TOKEN_EXPIRED"))]);
    await conversation.send({ text: "with the new one" });
    await until(() => texts(conversation).length === 1);
    expect(asked).toBe(2);
  });

  test.each(["MISSING", "INVALID", "EXPIRED", "REVOKED"])("blames no message for a token: %s", async (why) => {
    plaza();
    const ann = await here.join("ann");
    const conversation = await opened(ann, "plaza");
    here.server.before.set("SendMessage", [() => Promise.reject(refusal(Code.Unauthenticated, `TOKEN_${why}`))]);
    await conversation.send({ text: "said in the end" });
    await until(() => texts(conversation).length === 1);
  });

  test("ends, and says why, when a token that cannot be renewed has expired", async () => {
    plaza();
    const ann = here.begin("ann", { token: "expired" });
    await until(() => ann.connection.value.state === "ended");
    expect(ann.connection.value).toMatchObject({ error: { reason: "TOKEN_EXPIRED" } });
  });

  test("gives places to what it keeps in the order in which it was said", async () => {
    const storage = new MemoryStorage();
    const draft = {
      channelId: "c",
      clientId: "i",
      afterSeq: 0,
      text: "",
      replyToSeq: 0,
      mentions: [],
      createTimeMs: 0,
    };
    for (const text of ["a", "b"]) await storage.add({ ...draft, text });
    expect((await storage.pending()).map(({ text }) => text)).toEqual(["a", "b"]);
  });
});

describe("receipts", () => {
  test("tell who has a message, and who has read it", async () => {
    plaza();
    const [ann, bob] = [await here.join("ann"), await here.join("bob")];
    const [hers, his] = [await opened(ann, "plaza"), await opened(bob, "plaza")];
    await hers.send({ text: "seen?" });
    const receipt = () => {
      const message = hers.timeline.view.value.messages[0];
      return message && receiptOf(message, hers.members.list.value);
    };
    await until(() => receipt()?.deliveredTo.includes("bob") === true);
    expect(receipt()?.allRead).toBe(false);
    await until(() => texts(his).length === 1);
    his.markRead(his.timeline.view.value.messages[0] as never);
    await until(() => receipt()?.allRead === true);
  });

  test("typing is seen by the others and ends with the message", async () => {
    plaza();
    const [ann, bob] = [await here.join("ann"), await here.join("bob")];
    const hers = await opened(ann, "plaza");
    const typists = bob.typists.in("plaza");
    hers.typing(true);
    await until(() => typists.value.includes("ann"));
    await hers.send({ text: "done" });
    await until(() => typists.value.length === 0);
    expect(ann.typists.in("plaza").value).toEqual([]);
  });
});
