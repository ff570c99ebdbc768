import { afterEach, describe, expect, test, vi } from "vitest";
import { addressOf, channelIn } from "../src/address.ts";
import { forgetsAll, forgetTab, keep, kept, keptInTab } from "../src/keep.ts";

afterEach(() => {
  forgetTab();
  vi.unstubAllGlobals();
});

/** As Firefox does where cookies are blocked: it throws as soon as storage is touched. */
function blockStorage(): void {
  for (const area of ["sessionStorage", "localStorage"]) {
    vi.stubGlobal(area, undefined);
    Object.defineProperty(globalThis, area, {
      configurable: true,
      get: () => {
        throw new DOMException("The operation is insecure.", "SecurityError");
      },
    });
  }
}

/** As a browser has it. */
function someStorage(entries: Record<string, string> = {}) {
  const methods = {
    getItem: (key: string) => entries[key] ?? null,
    removeItem: (key: string) => {
      delete entries[key];
    },
    setItem: (key: string, value: string) => {
      entries[key] = value;
    },
  };
  vi.stubGlobal("sessionStorage", new Proxy(entries, { get: (_, key) => Reflect.get(methods, key) }));
  return entries;
}

describe("what the browser keeps", () => {
  test("is kept by the page where storage is blocked, and that is no error", () => {
    blockStorage();
    expect(kept("sessionStorage", "tertulia.draft.a")).toBeUndefined();
    keep("sessionStorage", "tertulia.draft.a", "half a sentence");
    expect(kept("sessionStorage", "tertulia.draft.a")).toBe("half a sentence");
    expect(kept("localStorage", "tertulia.draft.a")).toBeUndefined();
    expect(keptInTab("tertulia.draft.")).toEqual(["tertulia.draft.a"]);
    keep("sessionStorage", "tertulia.draft.a", "");
    expect(kept("sessionStorage", "tertulia.draft.a")).toBeUndefined();
    expect(forgetsAll()).toBe(true);
  });

  test("is the client's own only, of what is forgotten", () => {
    const entries = someStorage({ "a shop": "its own" });
    keep("sessionStorage", "tertulia.token", "secret");
    expect(kept("sessionStorage", "tertulia.token")).toBe("secret");
    expect(forgetsAll()).toBe(false);
    forgetTab();
    expect(entries).toEqual({ "a shop": "its own" });
  });

  test("is the newest, where there is no room for it", () => {
    const entries = someStorage();
    keep("sessionStorage", "tertulia.draft.a", "first");
    vi.stubGlobal("sessionStorage", {
      getItem: (key: string) => entries[key] ?? null,
      setItem: () => {
        throw new DOMException("full", "QuotaExceededError");
      },
      removeItem: () => {},
    });
    keep("sessionStorage", "tertulia.draft.a", "second");
    expect(kept("sessionStorage", "tertulia.draft.a")).toBe("second");
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
