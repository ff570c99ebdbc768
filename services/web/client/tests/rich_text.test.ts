import { describe, expect, test } from "vitest";
import { isPicture, isShown, safeUrl } from "../src/ui/images.ts";
import { isEmojiOnly, partsOf } from "../src/ui/rich_text.ts";

const NOBODY = new Map<string, string>();
const links = (text: string) => partsOf(text, NOBODY).flatMap((part) => (part.kind === "link" ? [part.url] : []));
const whole = (text: string) =>
  partsOf(text, NOBODY)
    .map((part) => part.text)
    .join("");

describe("what people write", () => {
  test("loses nothing when it is cut into parts", () => {
    for (const text of [
      "",
      "plain",
      "a https://a.example/x, b",
      "@bob (https://a.example/(x))",
      "👨‍👩‍👧 www.a.example!",
    ])
      expect(whole(text)).toBe(text);
  });

  test("has links without the sentence around them", () => {
    expect(links("see https://a.example/x?y=1#z.")).toEqual(["https://a.example/x?y=1#z"]);
    expect(links("(www.a.example)")).toEqual(["https://www.a.example/"]);
    expect(links("https://a.example/wiki/A_(b)")).toEqual(["https://a.example/wiki/A_(b)"]);
  });

  test("never becomes a link that runs something or hides where it leads", () => {
    const hostile = [
      "javascript:alert(1)",
      "JaVaScRiPt://x/%0aalert(1)",
      "data:text/html,<script>alert(1)</script>",
      "vbscript:x",
      "https://bank.example@evil.example/",
      "file:///etc/passwd",
      "\u202ehttps",
    ];
    for (const text of hostile) expect(links(text), text).toEqual([]);
  });

  test("names people that were mentioned, and nobody else", () => {
    const parts = partsOf("hi @Bob B. and @carol", new Map([["bob", "Bob B."]]));
    expect(parts).toEqual([
      { kind: "text", text: "hi " },
      { kind: "mention", text: "@Bob B.", userId: "bob" },
      { kind: "text", text: " and @carol" },
    ]);
  });

  test("is shown large when it is one to three emoji", () => {
    for (const text of ["🎉", "👨‍👩‍👧‍👦", "👍🏽👍🏽", "❤️ ❤️ ❤️"]) expect(isEmojiOnly(text), text).toBe(true);
    for (const text of ["", "1", "#", "🎉 yes", "🎉🎉🎉🎉"]) expect(isEmojiOnly(text), text).toBe(false);
  });
});

describe("pictures", () => {
  test("are shown from listed hosts over https only", () => {
    const hosts = ["img.example", "*.cdn.example"];
    expect(isPicture("https://img.example/cat.GIF?x=1", hosts)).toBe(true);
    expect(isShown("https://a.cdn.example/cat.png", hosts)).toBe(true);
    for (const url of [
      "http://img.example/cat.png",
      "https://evil.example/img.example/cat.png",
      "https://img.example.evil.example/cat.png",
      "https://evilcdn.example/cat.png",
      "https://img.example@evil.example/cat.png",
      "javascript:img.example/cat.png",
    ])
      expect(isPicture(url, hosts), url).toBe(false);
  });

  test("have addresses that may be followed", () => {
    expect(safeUrl("https://a.example")?.href).toBe("https://a.example/");
    expect(safeUrl("mailto:a@b.example")).toBeUndefined();
  });
});
