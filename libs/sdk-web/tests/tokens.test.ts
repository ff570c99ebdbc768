import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Tokens } from "../src/tokens.js";
import { tokenOf } from "./world.js";

describe("tokens", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("are asked for again when the application did not answer", async () => {
    let asked = 0;
    const tokens = new Tokens(() => {
      asked += 1;
      return asked === 1 ? new Promise(() => {}) : Promise.resolve("a token");
    }, "ann");
    const late = expect(tokens.get()).rejects.toMatchObject({ transient: true });
    await vi.advanceTimersByTimeAsync(60_000);
    await late;
    expect(await tokens.get()).toBe("a token");
  });

  test("are asked for once by all who need one", async () => {
    let asked = 0;
    const tokens = new Tokens(async () => `token ${++asked}`, "ann");
    expect(await Promise.all([tokens.get(), tokens.get()])).toEqual(["token 1", "token 1"]);
  });

  test("of another user are refused, and those that do not say whose they are left to the server", async () => {
    for (const token of [
      tokenOf({ sub: "josé" }),
      tokenOf({ guest: true }),
      tokenOf({ sub: 7 }),
      "a.b.c",
      "opaque",
      "",
    ])
      expect(await new Tokens(token, "josé").get()).toBe(token);
    const anothers = tokenOf({ sub: "bob" });
    for (const token of [anothers, async () => anothers])
      await expect(new Tokens(token, "josé").get()).rejects.toMatchObject({
        reason: "TOKEN_INVALID",
        message: "the token is of bob, not of josé",
        transient: false,
      });
  });

  test("are taken again once they are the user's", async () => {
    const given = ["bob", "ann"];
    const tokens = new Tokens(async () => tokenOf({ sub: given.shift() }), "ann");
    await expect(tokens.get()).rejects.toThrow("of bob");
    expect(await tokens.get()).toBe(tokenOf({ sub: "ann" }));
  });
});
