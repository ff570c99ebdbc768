import { useComputed, useSignal } from "@preact/signals";
import { contentOf, type MyChannel, unreadCount } from "@tertulia/sdk-web";
import { useEffect } from "preact/hooks";
import { tellOfMessages } from "../notifications.ts";
import { type App, AppContext, details, select, selected, toast, useApp } from "../state.ts";
import { t } from "../text/index.ts";
import { whyOf } from "../text/reasons.ts";
import { Chat } from "./chat.tsx";
import { Icon } from "./icons.tsx";
import { Inbox } from "./inbox.tsx";
import { isEscape } from "./layers.ts";
import { nameOf, titleOf } from "./names.ts";
import { PeopleDialog } from "./people_dialog.tsx";
import { QuestionDialog } from "./question.tsx";

export function Root({ app, onSignOut }: { app: App; onSignOut: () => void }) {
  return (
    <AppContext.Provider value={app}>
      <Frame onSignOut={onSignOut} />
    </AppContext.Provider>
  );
}

function Frame({ onSignOut }: { onSignOut: () => void }) {
  const { client } = useApp();
  const channel = selected.value === "" ? undefined : client.inbox.get(selected.value);
  const { state } = client.connection.value;
  useEffect(() => tellOfMessages(client), []);
  useEffect(() => {
    const leave = (event: KeyboardEvent) => {
      if (!isEscape(event) || event.defaultPrevented) return;
      if (details.peek() && selected.peek() !== "") details.value = false;
      else select("");
    };
    addEventListener("keydown", leave);
    return () => removeEventListener("keydown", leave);
  }, []);
  return (
    <div class={channel === undefined ? "frame" : "frame with-chat"}>
      <div class="side">
        <Connection />
        <Inbox onSignOut={onSignOut} />
      </div>
      {channel !== undefined ? (
        <Chat key={channel.logId} channel={channel} />
      ) : (
        <main class="nobody">
          {state !== "ended" && (
            <div class="empty">
              <img src="/icon.svg" alt="" width={72} height={72} />
              <p>{t("choose")}</p>
              <p class="quiet">{t("chooseHow")}</p>
            </div>
          )}
        </main>
      )}
      <PeopleDialog />
      <QuestionDialog />
      <Announcer />
      <Title channel={channel} />
      <div class="toast" role="status">
        {toast.value !== "" && <span>{toast.value}</span>}
      </div>
    </div>
  );
}

/** The tab says which conversation is open, and in how many others something is unread. */
function Title({ channel }: { channel: MyChannel | undefined }) {
  const { client } = useApp();
  const unread = useComputed(
    () => client.inbox.channels.value.filter((one) => unreadCount(one) > 0 && !one.preferences.muted).length,
  ).value;
  const title = channel === undefined ? "Tertulia" : `${titleOf(client, channel)} – Tertulia`;
  useEffect(() => {
    document.title = unread === 0 ? title : `(${unread}) ${title}`;
  }, [title, unread]);
  return null;
}

/** How the connection is, when it is not simply there. */
function Connection() {
  const { client } = useApp();
  const connection = client.connection.value;
  const isLate = useSignal(false);
  const { state } = connection;
  useEffect(() => {
    isLate.value = false;
    const timer = setTimeout(() => {
      isLate.value = true;
    }, 700); // a hiccup is nobody's business
    return () => clearTimeout(timer);
  }, [state === "online"]);
  if (state === "online" || (state !== "ended" && !isLate.value)) return <div role="status" />;
  if (state === "ended")
    return (
      <div class="connection bad" role="alert">
        {t("ended")} {connection.error !== undefined && <bdi>{whyOf(connection.error)}</bdi>}
      </div>
    );
  const words =
    state === "offline"
      ? t(connection.browser ? "noConnection" : "serverAway")
      : t(state === "catching-up" ? "catchingUp" : "connecting");
  return (
    <div class={state === "offline" ? "connection bad" : "connection"} role="status">
      <Icon name="clock" size={16} /> {words}
    </div>
  );
}

/** Screen readers hear what others say in the open conversation. */
function Announcer() {
  const { client } = useApp();
  const said = useSignal({ words: "", count: 0 });
  useEffect(
    () =>
      client.onMessage((channel, message) => {
        if (channel.channelId === selected.peek())
          said.value = {
            words: `${nameOf(client, message.author)}: ${contentOf(message).text}`,
            count: said.peek().count + 1,
          };
      }),
    [],
  );
  return (
    <div class="unseen" aria-live="polite">
      <p key={said.value.count}>{said.value.words}</p>
    </div>
  );
}
