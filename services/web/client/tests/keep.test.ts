import { afterEach, describe, expect, test, vi } from "vitest";
import { addressOf, channelIn } from "../src/address.ts";
import { forgetTab, keep, kept } from "../src/keep.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("what the browser keeps", () => {
  test("is nothing where it is blocked, and that is no error", () => {
    const blocked = () => {
      throw new DOMException("The operation is insecure.", "SecurityError");
    };
    vi.stubGlobal("sessionStorage", { getItem: blocked, setItem: blocked, removeItem: blocked, clear: blocked });
    keep("sessionStorage", "draft", "half a sentence");
    expect(kept("sessionStorage", "draft")).toBeUndefined();
    forgetTab();
  });
});

describe("the address", () => {
  test.each(["plaza", "a/b?c#d", "café 🎉"])("names a channel, whatever it is called: %s", (channelId) => {
    expect(channelIn(addressOf(channelId))).toBe(channelId);
  });

  test.each(["", "#", "#/c/", "#/c/%", "#/c/%E0%A4%A", "#user=ann&token=x"])("may name none: %s", (hash) => {
    expect(channelIn(hash)).toBe("");
  });
});
