/**
 * What the browser keeps for the client. Where it blocks that (a frame of another site, cookies switched off) or has no room, the
 * page itself keeps it, for as long as it lasts.
 */

type Area = "localStorage" | "sessionStorage";

const OURS = "tertulia.";
const unkept = new Map<string, string>();

export function kept(area: Area, key: string): string | undefined {
  const here = unkept.get(placeOf(area, key));
  if (here !== undefined) return here;
  try {
    return globalThis[area].getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

export function keep(area: Area, key: string, value: string): void {
  unkept.delete(placeOf(area, key));
  try {
    if (value === "") globalThis[area].removeItem(key);
    else globalThis[area].setItem(key, value);
  } catch {
    if (value !== "") unkept.set(placeOf(area, key), value);
  }
}

/** What is kept for this tab under keys that begin so. */
export function keptInTab(prefix: string): string[] {
  const begin = placeOf("sessionStorage", prefix);
  const here = [...unkept.keys()].filter((place) => place.startsWith(begin));
  const keys = new Set(here.map((place) => prefix + place.slice(begin.length)));
  try {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(prefix)) keys.add(key);
  } catch {
    // nothing is kept there
  }
  return [...keys];
}

/** Forget all that is kept for this tab. A page of the same origin may have things of its own there. */
export function forgetTab(): void {
  for (const key of keptInTab(OURS)) keep("sessionStorage", key, "");
}

/** Whether nothing outlasts the page. */
export function forgetsAll(): boolean {
  const key = `${OURS}probe`;
  try {
    sessionStorage.setItem(key, "probe");
    sessionStorage.removeItem(key);
    return false;
  } catch {
    return true;
  }
}

function placeOf(area: Area, key: string): string {
  return `${area} ${key}`;
}
