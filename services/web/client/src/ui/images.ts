/** Pictures by URL: shown inside the conversation only from hosts that the application lists; anything else is a link. */

const PICTURE = /\.(png|jpe?g|gif|webp|avif)$/i;

/** Whether an https URL is of a listed host: "img.example", or "*.cdn.example" for all below it. */
export function isShown(url: string, hosts: readonly string[]): boolean {
  const parsed = safeUrl(url);
  if (parsed?.protocol !== "https:") return false;
  return hosts.some((host) => (host.startsWith("*.") ? parsed.host.endsWith(host.slice(1)) : parsed.host === host));
}

export function isPicture(url: string, hosts: readonly string[]): boolean {
  return isShown(url, hosts) && PICTURE.test(new URL(url).pathname);
}

/** A URL that may be followed: http and https only, without a name and password that hide where it leads. */
export function safeUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const plain = url.username === "" && url.password === "";
  return plain && (url.protocol === "https:" || url.protocol === "http:") ? url : undefined;
}
