import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { en } from "../src/text/en.ts";
import { es } from "../src/text/es.ts";
import { pt } from "../src/text/pt.ts";
import { KNOWN, whyOf } from "../src/text/reasons.ts";

test("every language fills in the same names as English, and has the same number of forms", () => {
  const shape = (sentence: string) => [(sentence.match(/\{\w+\}/g) ?? []).sort().join(), sentence.split("|").length];
  for (const [language, words] of Object.entries({ es, pt }))
    for (const [key, sentence] of Object.entries(en))
      expect(shape(words[key as keyof typeof en]), `${language}: ${key}`).toEqual(shape(sentence));
});

test("every reason that has words is one of the server's", () => {
  const proto = readFileSync(new URL("../../../../protos/tertulia/chat/v1/error.proto", import.meta.url), "utf8");
  const reasons = [...proto.matchAll(/ERROR_REASON_(\w+) = /g)].map(([, reason]) => reason);
  expect(reasons).toEqual(expect.arrayContaining(Object.keys(KNOWN)));
});

test("a failure is told in words of ours where it is known, and else in the server's", () => {
  expect(whyOf({ reason: "BLOCKED", message: "no" })).toBe(en.whyBlocked);
  expect(whyOf({ reason: "", message: "fetch failed", transient: true })).toBe(en.whyAway);
  expect(whyOf({ reason: "FIELD_INVALID", message: "name: too long" })).toBe("name: too long");
});
