/** The web client: who the person is, then the application. */

import { TertuliaClient } from "@tertulia/sdk-web";
import { render } from "preact";
import { EMBEDDED, loadConfig, login, logout, takeLink } from "./login.ts";
import { theme, wear } from "./state.ts";
import "./style/base.css";
import "./style/inbox.css";
import "./style/chat.css";
import "./style/message.css";
import "./style/composer.css";
import "./style/dialogs.css";
import "./style/details.css";
import { language, t } from "./text/index.ts";
import { Root } from "./ui/app.tsx";

async function main(): Promise<void> {
  takeLink();
  document.documentElement.lang = language.value;
  wear(theme.value);
  const page = document.getElementById("app");
  if (page === null) return;
  if (EMBEDDED) listenForTheme();
  const config = await loadConfig();
  const who = await login(config);
  if (who === undefined) return render(<SignIn />, page);
  const client = new TertuliaClient(who);
  client.start();
  const signOut = async () => {
    logout();
    await client.forget().catch(() => {}); // who cannot be asked to forget has kept nothing
    await client.close();
    location.replace(location.pathname);
  };
  addEventListener("pagehide", () => void client.close());
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload(); // out of the back-forward cache, where streams do not live
  });
  render(<Root app={{ client, config }} onSignOut={() => void signOut()} />, page);
}

function SignIn() {
  return (
    <main class="sign-in">
      <img src="/icon.svg" alt="" width={72} height={72} />
      <h1>Tertulia</h1>
      <p>{t("signInHow")}</p>
    </main>
  );
}

/** The page around a widget says how it wants it to look: CSS variables, nothing else. */
function listenForTheme(): void {
  document.documentElement.classList.add("embedded");
  addEventListener("message", ({ data, source }: MessageEvent) => {
    if (source !== parent || data?.type !== "tertulia.theme") return;
    for (const [name, value] of Object.entries((data.variables ?? {}) as Record<string, string>))
      if (name.startsWith("--tertulia-")) document.documentElement.style.setProperty(name, value);
  });
}

// a log-in link that is opened over a running client begins anew
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#user=")) location.reload();
});

void main();
