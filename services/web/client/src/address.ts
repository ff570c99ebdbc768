/** Which channel is open stands in the page's address, so that a reload and the back button do what they say. */

const PREFIX = "#/c/";

export function addressOf(channelId: string): string {
  return channelId === "" ? "" : PREFIX + encodeURIComponent(channelId);
}

/** The channel that an address names; "": none, or somebody wrote it by hand and it is no text. */
export function channelIn(hash: string): string {
  if (!hash.startsWith(PREFIX)) return "";
  try {
    return decodeURIComponent(hash.slice(PREFIX.length));
  } catch {
    return "";
  }
}
