/**
 * A chat bubble on any page:
 *
 *   <script src="https://chat.example.com/widget.js" data-user="alice" data-token="…" defer></script>
 *
 * The chat runs in a frame of its own, so the two pages cannot touch each other; it gets the token by message, never by address.
 * A page that renews tokens sets `window.tertulia = { token: async () => … }` before. Variables that begin with `--tertulia-` on
 * the page's root are handed on.
 */

export interface Page {
  readonly userId?: string;
  readonly token?: () => Promise<string>;
}

declare global {
  interface Window {
    tertulia?: Page;
  }
}

const VARIABLES = ["--tertulia-accent", "--tertulia-accent-text", "--tertulia-font", "--tertulia-radius"];
const BUBBLE_PX = 60;
const MARGIN_PX = 20;

/** In a function, so that nothing of it is a global of the page. */
function begin(): void {
  const script = document.currentScript ?? document.querySelector<HTMLScriptElement>('script[src*="/widget.js"]');
  const { src = "", dataset = {} as DOMStringMap } = (script ?? {}) as Partial<HTMLScriptElement>;
  const origin = new URL(src, location.href).origin;

  const frame = document.createElement("iframe");
  frame.title = dataset["title"] ?? "Chat";
  frame.allow = "clipboard-write";
  wear(frame, {
    position: "fixed",
    right: `${MARGIN_PX}px`,
    bottom: `${MARGIN_PX + BUBBLE_PX + 12}px`,
    width: "min(400px, calc(100vw - 24px))",
    height: "min(640px, calc(100vh - 120px))",
    border: "0",
    borderRadius: "16px",
    boxShadow: "0 12px 48px rgb(0 0 0 / 0.28)",
    zIndex: "2147483000",
    display: "none",
    background: "Canvas",
  });

  const bubble = document.createElement("button");
  bubble.type = "button";
  bubble.setAttribute("aria-label", dataset["label"] ?? "Open the chat");
  bubble.setAttribute("aria-expanded", "false");
  wear(bubble, {
    position: "fixed",
    right: `${MARGIN_PX}px`,
    bottom: `${MARGIN_PX}px`,
    width: `${BUBBLE_PX}px`,
    height: `${BUBBLE_PX}px`,
    borderRadius: "50%",
    border: "0",
    cursor: "pointer",
    zIndex: "2147483000",
    color: "var(--tertulia-accent-text, #fff)",
    background: "var(--tertulia-accent, #5b5bd6)",
    boxShadow: "0 6px 24px rgb(0 0 0 / 0.28)",
    display: "grid",
    placeItems: "center",
  });
  bubble.append(drawing());

  bubble.addEventListener("click", () => {
    const isOpen = frame.style.display !== "none";
    if (frame.src === "") frame.src = `${origin}/?embedded`; // the page pays for the chat when somebody opens it
    frame.style.display = isOpen ? "none" : "block";
    bubble.setAttribute("aria-expanded", String(!isOpen));
    if (!isOpen) frame.focus();
  });

  addEventListener("message", async ({ data, source, origin: sender }: MessageEvent) => {
    if (source !== frame.contentWindow || sender !== origin || data?.type !== "tertulia.ask") return;
    const { token, userId } = window.tertulia ?? {};
    const given = token === undefined ? dataset["token"] : await token();
    frame.contentWindow?.postMessage(
      { type: "tertulia.token", userId: userId ?? dataset["user"], token: given },
      origin,
    );
    frame.contentWindow?.postMessage({ type: "tertulia.theme", variables: variables() }, origin);
  });
  document.body.append(frame, bubble);
}

function variables(): Record<string, string> {
  const style = getComputedStyle(document.documentElement);
  const found = VARIABLES.map((name) => [name, style.getPropertyValue(name).trim()] as const);
  return Object.fromEntries(found.filter(([, value]) => value !== ""));
}

function wear(element: HTMLElement, style: Partial<CSSStyleDeclaration>): void {
  Object.assign(element.style, style);
}

function drawing(): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("width", "28");
  svg.setAttribute("height", "28");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M5 4h14a3 3 0 0 1 3 3v8a3 3 0 0 1-3 3h-7l-5 4v-4H5a3 3 0 0 1-3-3V7a3 3 0 0 1 3-3z");
  path.setAttribute("fill", "currentColor");
  svg.append(path);
  return svg;
}

begin();
