/** What a message says: links that can be followed safely, mentions, pictures from listed hosts, long texts folded. */

import type { Content } from "@tertulia/sdk-web";
import { memo } from "preact/compat";
import { useState } from "preact/hooks";
import { useApp } from "../state.ts";
import { t } from "../text/index.ts";
import { isPicture } from "./images.ts";
import { type Part, partsOf } from "./rich_text.ts";

const LONG = 1_200; // characters; beyond, a part is shown until somebody asks for more

export const Text = memo(({ content }: { content: Content }) => {
  const { client, config } = useApp();
  const [isWhole, setWhole] = useState(false);
  const names = new Map(content.mentions.map((userId) => [userId, client.people.profile(userId).value.name]));
  const isLong = content.text.length > LONG;
  const shown = isLong && !isWhole ? cut(content.text) : content.text;
  const parts = partsOf(shown, names);
  const pictures = parts.filter((part) => part.kind === "link" && isPicture(part.url, config.imageHosts));
  if (content.text === "" && content.customType !== "") return <span class="custom">{content.customType}</span>;
  return (
    <>
      <span class="text" dir="auto">
        {parts.map((part, index) => (
          <PartView key={index} part={part} me={client.me.value} />
        ))}
        {isLong && (
          <button type="button" class="link-button" onClick={() => setWhole(!isWhole)}>
            {t(isWhole ? "showLess" : "showMore")}
          </button>
        )}
      </span>
      {pictures.map((part, index) => part.kind === "link" && <Picture key={index} url={part.url} />)}
    </>
  );
});

function PartView({ part, me }: { part: Part; me: string }) {
  if (part.kind === "text") return <>{part.text}</>;
  if (part.kind === "mention")
    return (
      <strong class={part.userId === me ? "mention me" : "mention"}>
        <bdi>{part.text}</bdi>
      </strong>
    );
  return (
    <a href={part.url} target="_blank" rel="noopener noreferrer nofollow ugc">
      {part.text}
    </a>
  );
}

function Picture({ url }: { url: string }) {
  const [isBroken, setBroken] = useState(false);
  if (isBroken) return null;
  return (
    <a class="picture" href={url} target="_blank" rel="noopener noreferrer nofollow ugc">
      <img src={url} alt={t("image")} loading="lazy" referrerpolicy="no-referrer" onError={() => setBroken(true)} />
    </a>
  );
}

/** Not in the middle of what people see as one character. */
function cut(text: string): string {
  const part = text.slice(0, LONG);
  const segments = [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(part.slice(-64))];
  return `${part.slice(0, -(segments.at(-1)?.segment.length ?? 0) || undefined)}… `;
}
