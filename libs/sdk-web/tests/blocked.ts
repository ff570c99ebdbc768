/** A browser with cookies blocked: Firefox throws as soon as any of these is touched. */

import { vi } from "vitest";

export function blocked(): never {
  throw new DOMException("The operation is insecure.", "SecurityError");
}

/** Until `vi.unstubAllGlobals`. */
export function blockStorage(): void {
  vi.stubGlobal("indexedDB", { open: blocked });
  vi.stubGlobal(
    "BroadcastChannel",
    class {
      constructor() {
        blocked();
      }
    },
  );
  vi.stubGlobal("navigator", {
    get locks() {
      return blocked();
    },
  });
}
