/** The web client: who the person is, then the application. */

import { TertuliaClient } from "@tertulia/sdk-web";
import { render } from "preact";
import { forgetsAll } from "./keep.ts";
import { EMBEDDED, isLoggedIn, loadConfig, login, logout, onAnotherUser, takeLink } from "./login.ts";
import { agreesToLose } from "./sign_out.ts";
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
  if (EMBEDDED) {
    listenForTheme();
    render(<Waiting />, page); // for as long as the page around says nothing
  }
  const config = await loadConfig();
  const who = await login(config);
  if (who === undefined) return render(<SignIn />, page);
  const visit = () => {
    const client = new TertuliaClient(who);
    client.start();
    render(<Root key={Date.now()} app={{ client, config }} onSignOut={() => void askAndSignOut()} />, page);
    return client;
  };
  let client = visit();
  let isOver = false;
  const signOut = async () => {
    isOver = true;
    render(<Waiting />, page); // first, or what is shown is kept again
    logout();
    await client.forget();
    beginAnew();
  };
  const askAndSignOut = async () => {
    if (await agreesToLose(client)) await signOut();
  };
  onAnotherUser(who.userId, (userId) => {
    if (isOver) return; // the page that begins anew asks who it is
    if (userId === "") return void signOut();
    isOver = true;
    render(<Waiting />, page); // at once: a new page may take its time, or find no server
    void client.close();
    beginAnew();
  });
  addEventListener("pagehide", () => void client.close());
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    if (isOver || !isLoggedIn(who.userId)) {
      render(<Waiting />, page);
      beginAnew();
    } else client = visit(); // out of the back-forward cache, where streams do not live
  });
}

/** Without the channel that is open: it is that of somebody who has gone. */
function beginAnew(): void {
  location.replace(location.pathname + location.search);
}

function SignIn() {
  return (
    <main class="sign-in">
      <img src="/icon.svg" alt="" width={72} height={72} />
      <h1>Tertulia</h1>
      <p>{t("signInHow")}</p>
      {forgetsAll() && <p role="alert">{t("signInForgotten")}</p>}
    </main>
  );
}

function Waiting() {
  return (
    <main class="sign-in">
      <p role="status">{t("connecting")}</p>
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
