import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Tokens } from "../src/tokens.js";

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
    });
    const late = expect(tokens.get()).rejects.toMatchObject({ transient: true });
    await vi.advanceTimersByTimeAsync(60_000);
    await late;
    expect(await tokens.get()).toBe("a token");
  });

  test("are asked for once by all who need one", async () => {
    let asked = 0;
    const tokens = new Tokens(async () => `token ${++asked}`);
    expect(await Promise.all([tokens.get(), tokens.get()])).toEqual(["token 1", "token 1"]);
  });
});
