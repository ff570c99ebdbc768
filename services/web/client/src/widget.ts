/**
 * A chat bubble on any page:
 *
 *   <script src="https://chat.example.com/widget.js" data-user="alice" data-token="…" defer></script>
 *
 * The chat runs in a frame of its own, so the two pages cannot touch each other; it gets the token by message, never by address.
 * A page that renews tokens sets `window.tertulia = { token: async () => … }` before; one that has another user without being loaded
 * anew sets it again, with `userId: ""` for nobody. Variables that begin with `--tertulia-` on the page's root are handed on.
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

/** What screen readers say, where the script tag does not: by the language of the page. */
const ENGLISH = { title: "Chat", label: "Open the chat" };
const WORDS: Readonly<Record<string, typeof ENGLISH>> = {
  es: { title: "Chat", label: "Abrir el chat" },
  pt: { title: "Conversas", label: "Abrir as conversas" },
};

/** In a function, so that nothing of it is a global of the page. */
function begin(): void {
  const script = document.currentScript ?? document.querySelector<HTMLScriptElement>('script[src*="/widget.js"]');
  const { src = "", dataset = {} as DOMStringMap } = (script ?? {}) as Partial<HTMLScriptElement>;
  const origin = new URL(src, location.href).origin;
  const { title, label } = WORDS[document.documentElement.lang.slice(0, 2)] ?? ENGLISH;

  const frame = frameNamed(dataset["title"] ?? title);
  const bubble = bubbleNamed(dataset["label"] ?? label);
  bubble.addEventListener("click", () => {
    const isOpen = frame.style.display !== "none";
    if (frame.src === "") frame.src = `${origin}/?embedded`; // the page pays for the chat when somebody opens it
    show(!isOpen);
    if (!isOpen) frame.focus();
  });
  const show = (isOpen: boolean) => {
    frame.style.display = isOpen ? "block" : "none";
    bubble.setAttribute("aria-expanded", String(isOpen));
  };
  const tell = () => void answer(frame, origin, dataset).catch(reportError); // the page's own fault; the frame asks again
  addEventListener("message", ({ data, source, origin: sender }: MessageEvent) => {
    if (source === frame.contentWindow && sender === origin && data?.type === "tertulia.ask") tell();
  });
  const meet = () => {
    const isSomebody = personOf(dataset).userId !== "";
    bubble.style.display = isSomebody ? "grid" : "none";
    if (!isSomebody) show(false);
    if (frame.src !== "") tell();
  };
  onPage(meet);
  meet();
  document.body.append(frame, bubble);
}

/** Who the person is and how the page looks, for the frame. */
async function answer(frame: HTMLIFrameElement, origin: string, dataset: DOMStringMap): Promise<void> {
  const { userId, token } = personOf(dataset);
  const say = (message: object) => frame.contentWindow?.postMessage(message, origin);
  say({ type: "tertulia.theme", variables: variables() });
  say({ type: "tertulia.user", userId }); // at once: a token may take its time
  if (userId === "") return;
  const given = await token();
  if (personOf(dataset).userId === userId) say({ type: "tertulia.token", userId, token: given });
}

/** By what the page has set last, or else by the script tag, whose token is that of its own user. */
function personOf({ user = "", token: own = "" }: DOMStringMap): Required<Page> {
  const { userId = user, token } = window.tertulia ?? {};
  const ofTag = async () => {
    if (userId !== user) throw new Error(`window.tertulia has the user ${userId}, and no token of theirs`);
    return own;
  };
  return { userId, token: token ?? ofTag };
}

/** Hear of it when the page sets `window.tertulia`. */
function onPage(then: () => void): void {
  let page = window.tertulia;
  try {
    Object.defineProperty(window, "tertulia", {
      configurable: true,
      enumerable: true,
      get: () => page,
      set: (given: Page | undefined) => {
        page = given;
        then();
      },
    });
  } catch {
    // it is a `var` of the page's: what it says is heard of when the frame asks
  }
}

function frameNamed(title: string): HTMLIFrameElement {
  const frame = document.createElement("iframe");
  frame.title = title;
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
  return frame;
}

function bubbleNamed(label: string): HTMLButtonElement {
  const bubble = document.createElement("button");
  bubble.type = "button";
  bubble.setAttribute("aria-label", label);
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
  return bubble;
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
