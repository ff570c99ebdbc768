/** What the client says, in the language of the person. */

import { computed, signal } from "@preact/signals";
import { keep, kept } from "../keep.ts";
import { en, type Words } from "./en.ts";
import { es } from "./es.ts";
import { pt } from "./pt.ts";

export const LANGUAGES = { en: "English", es: "Español", pt: "Português" } as const;
export type Language = keyof typeof LANGUAGES;

const ALL: Record<Language, Words> = { en, es, pt };
const KEPT = "tertulia.language";

export const language = signal<Language>(first());

export function speak(chosen: Language): void {
  language.value = chosen;
  keep("localStorage", KEPT, chosen);
  document.documentElement.lang = chosen;
}

/** A sentence, with what stands in braces filled in, and the form that its number `n` asks for. */
export function t(key: keyof Words, values: Readonly<Record<string, string | number>> = {}): string {
  const forms = ALL[language.value][key].split("|");
  const plural = forms.length > 1 && new Intl.PluralRules(language.value).select(Number(values["n"])) !== "one";
  return (forms[plural ? 1 : 0] ?? "").replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

const formats = computed(() => {
  const form = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(language.value, options);
  return {
    time: form({ hour: "numeric", minute: "2-digit" }),
    weekday: form({ weekday: "long" }),
    day: form({ day: "numeric", month: "long" }),
    date: form({ day: "numeric", month: "long", year: "numeric" }),
    short: form({ day: "numeric", month: "short" }),
    shortDate: form({ dateStyle: "short" }),
    full: form({ dateStyle: "full", timeStyle: "short" }),
  };
});

export function timeOf(ms: number): string {
  return formats.value.time.format(ms);
}

export function fullTimeOf(ms: number): string {
  return formats.value.full.format(ms);
}

/** A day by the calendar of the person, as a key: days are compared, never computed with hours. */
export function dayKey(ms: number): string {
  const date = new Date(ms);
  return `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;
}

/** "Today", "Yesterday", a weekday of this week, or a date. */
export function dayOf(ms: number): string {
  const days = daysAgo(ms);
  if (days === 0) return t("today");
  if (days === 1) return t("yesterday");
  if (days > 0 && days < 7) return formats.value.weekday.format(ms);
  return (isThisYear(ms) ? formats.value.day : formats.value.date).format(ms);
}

/** For a list: the time today, "Yesterday", a weekday, a short date. */
export function shortTimeOf(ms: number): string {
  const days = daysAgo(ms);
  if (days === 0) return timeOf(ms);
  if (days > 0 && days < 7) return dayOf(ms);
  return (isThisYear(ms) ? formats.value.short : formats.value.shortDate).format(ms);
}

function isThisYear(ms: number): boolean {
  return new Date(ms).getFullYear() === new Date().getFullYear();
}

/** Calendar days between then and now, by the clock here. Negative: that clock is behind. */
function daysAgo(ms: number): number {
  const midnight = (date: Date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((midnight(new Date()) - midnight(new Date(ms))) / 86_400_000);
}

function first(): Language {
  const wanted = [kept("localStorage", KEPT) ?? "", ...navigator.languages].map((tag) => tag.slice(0, 2));
  return (wanted.find((tag) => tag in ALL) as Language | undefined) ?? "en";
}
