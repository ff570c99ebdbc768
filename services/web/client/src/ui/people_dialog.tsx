/** Finding people: to begin a conversation with, or to add to one. */

import { useSignal } from "@preact/signals";
import type { User } from "@tertulia/sdk-web";
import { useEffect, useRef } from "preact/hooks";
import { attempt, dialog, select, useApp } from "../state.ts";
import { t } from "../text/index.ts";
import { Avatar } from "./avatar.tsx";
import { Icon } from "./icons.tsx";
import { Modal } from "./modal.tsx";
import { OpenChannels } from "./open_channels.tsx";

const MAX_NAMES = 120; // characters of a group's name that is made of those of its members
const PAUSE_MS = 200; // after the last key, before the server is asked

export function PeopleDialog() {
  const { client } = useApp();
  const { value: open } = dialog;
  const chosen = useSignal<readonly User[]>([]);
  const name = useSignal("");
  if (open === undefined) return null;
  const close = () => {
    dialog.value = undefined;
    chosen.value = [];
    name.value = "";
  };
  const isAdding = open.kind === "add-members";
  const toggle = (user: User) => {
    const had = chosen.value.some(({ userId }) => userId === user.userId);
    chosen.value = had ? chosen.value.filter(({ userId }) => userId !== user.userId) : [...chosen.value, user];
  };
  const ids = chosen.value.map(({ userId }) => userId);
  const names = chosen.value.map((user) => user.name || user.userId).join(", ");
  const groupName = name.value.trim() || names.slice(0, MAX_NAMES);
  const isGroup = ids.length > 1 || name.value !== "";
  const submit = async () => {
    const [first] = ids;
    if (first === undefined) return;
    const done = await attempt(async () => {
      if (open.kind === "add-members") await client.channels.addMembers(open.channelId, ids);
      else select(await (isGroup ? client.channels.createGroup(groupName, ids) : client.channels.createDirect(first)));
    });
    if (done) close();
  };
  return (
    <Modal title={isAdding ? t("addPeople") : t("newChat")} onClose={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {ids.length > 1 && !isAdding && (
          <label class="field">
            {t("groupName")}
            <input
              value={name.value}
              maxLength={256}
              placeholder={groupName}
              onInput={(event) => {
                name.value = event.currentTarget.value;
              }}
            />
          </label>
        )}
        <Chips users={chosen.value} onToggle={toggle} />
        <Search chosen={ids} onToggle={toggle} />
        {!isAdding && ids.length === 0 && <OpenChannels onJoined={close} />}
        <footer class="modal-foot">
          <button type="button" class="button" onClick={close}>
            {t("cancel")}
          </button>
          <button type="submit" class="button primary" disabled={ids.length === 0}>
            {isAdding ? t("add") : isGroup ? t("newGroup") : t("newChat")}
          </button>
        </footer>
      </form>
    </Modal>
  );
}

function Chips({ users, onToggle }: { users: readonly User[]; onToggle: (user: User) => void }) {
  if (users.length === 0) return null;
  return (
    <ul class="chips">
      {users.map((user) => (
        <li key={user.userId}>
          <button type="button" class="chip" aria-pressed={true} onClick={() => onToggle(user)}>
            <bdi>{user.name || user.userId}</bdi>
            <Icon name="close" size={14} />
          </button>
        </li>
      ))}
    </ul>
  );
}

function Search({ chosen, onToggle }: { chosen: readonly string[]; onToggle: (user: User) => void }) {
  const { client } = useApp();
  const word = useSignal("");
  const found = useSignal<readonly User[] | undefined>(undefined);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  useEffect(() => {
    const wanted = word.value.trim();
    if (wanted === "") {
      found.value = undefined;
      return;
    }
    let isCurrent = true;
    const timer = setTimeout(() => {
      void attempt(async () => {
        const users = await client.search(wanted);
        if (isCurrent) found.value = users.filter(({ userId }) => userId !== client.me.peek());
      });
    }, PAUSE_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [word.value]);
  return (
    <>
      <label class="search">
        <Icon name="search" size={18} />
        <input
          ref={input}
          type="search"
          value={word.value}
          placeholder={t("searchPeople")}
          aria-label={t("searchPeople")}
          onInput={(event) => {
            word.value = event.currentTarget.value;
          }}
        />
      </label>
      <ul class="found">
        {found.value?.map((user) => (
          <li key={user.userId}>
            <button
              type="button"
              class="person"
              aria-pressed={chosen.includes(user.userId)}
              onClick={() => onToggle(user)}
            >
              <Avatar userId={user.userId} size={36} />
              <span class="person-name">
                <bdi>{user.name || user.userId}</bdi>
                {user.name !== "" && <bdi class="quiet">{user.userId}</bdi>}
              </span>
              {chosen.includes(user.userId) && <Icon name="check" />}
            </button>
          </li>
        ))}
      </ul>
      {found.value === undefined && <p class="quiet center">{t("searchHow")}</p>}
      {found.value?.length === 0 && <p class="quiet center">{t("nobodyFound")}</p>}
    </>
  );
}
