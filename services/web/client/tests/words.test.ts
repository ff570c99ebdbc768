import { expect, test } from "vitest";
import { en } from "../src/text/en.ts";
import { es } from "../src/text/es.ts";
import { pt } from "../src/text/pt.ts";

test("every language fills in the same names as English, and has the same number of forms", () => {
  const shape = (sentence: string) => [(sentence.match(/\{\w+\}/g) ?? []).sort().join(), sentence.split("|").length];
  for (const [language, words] of Object.entries({ es, pt }))
    for (const [key, sentence] of Object.entries(en))
      expect(shape(words[key as keyof typeof en]), `${language}: ${key}`).toEqual(shape(sentence));
});
