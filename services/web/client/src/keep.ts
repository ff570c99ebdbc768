/** What the browser keeps for the client: nothing, where it blocks that (a frame of another site, cookies switched off). */

type Area = "localStorage" | "sessionStorage";

export function kept(area: Area, key: string): string | undefined {
  try {
    return globalThis[area].getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

export function keep(area: Area, key: string, value: string): void {
  try {
    if (value === "") globalThis[area].removeItem(key);
    else globalThis[area].setItem(key, value);
  } catch {
    // as long as the page lasts it is known without
  }
}

/** Forget all that is kept for this tab. */
export function forgetTab(): void {
  try {
    sessionStorage.clear();
  } catch {
    // nothing was kept
  }
}
