import { type Conversation, type Message, receiptOf } from "@tertulia/sdk-web";
import { useApp } from "../state.ts";
import { t } from "../text/index.ts";
import { Avatar } from "./avatar.tsx";
import { Modal } from "./modal.tsx";
import { nameOf } from "./names.ts";

/** Who has read a message, and whom it has only reached. */
export function ReceiptDialog(props: { message: Message; conversation: Conversation; onClose: () => void }) {
  const { readBy, deliveredTo } = receiptOf(props.message, props.conversation.members.list.value);
  return (
    <Modal title={t("info")} onClose={props.onClose}>
      <People title={t("readBy")} userIds={readBy} />
      <People title={t("deliveredTo")} userIds={deliveredTo} />
    </Modal>
  );
}

function People({ title, userIds }: { title: string; userIds: readonly string[] }) {
  const { client } = useApp();
  return (
    <section class="people">
      <h3>{title}</h3>
      {userIds.length === 0 && <p class="quiet">{t("notYet")}</p>}
      <ul>
        {userIds.map((userId) => (
          <li key={userId} class="person">
            <Avatar userId={userId} size={32} />
            <bdi>{nameOf(client, userId)}</bdi>
          </li>
        ))}
      </ul>
    </section>
  );
}
