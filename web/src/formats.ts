/** Pictures and sounds that the server takes, and how large they may be. Pure. */

export type Kind = "image" | "audio";

/** By the names that the server has for them, with the type that a file of each has. */
export const FORMATS = {
  png: "image/png", jpeg: "image/jpeg", webp: "image/webp", gif: "image/gif", bmp: "image/bmp",
  wav: "audio/wav", mp3: "audio/mpeg", flac: "audio/flac",
} as const;
export type Format = keyof typeof FORMATS;

/** The server's limits: bytes and count of a request's files, pixels of a picture, seconds of a sound. */
export const MOST = { bytes: 12 * 1024 * 1024, count: 64, pixels: 40_000_000, seconds: 1800 } as const;

export function isFormat(name: unknown): name is Format {
  return typeof name === "string" && Object.hasOwn(FORMATS, name);
}

export function kindOf(format: Format): Kind {
  return FORMATS[format].startsWith("image/") ? "image" : "audio";
}

/** The formats of these kinds, as people write them. */
export function named(kinds: ReadonlySet<Kind>): string {
  const names = (Object.keys(FORMATS) as Format[]).filter((format) => kinds.has(kindOf(format)));
  return names.map((name) => (name === "webp" ? "WebP" : name.toUpperCase())).join(", ");
}

/** What a file chooser shows: the types, and for sounds their endings, since systems name those in several ways. */
export function accepted(kinds: ReadonlySet<Kind>): string {
  return (Object.keys(FORMATS) as Format[])
    .filter((format) => kinds.has(kindOf(format)))
    .map((format) => (kindOf(format) === "audio" ? `${FORMATS[format]},.${format}` : FORMATS[format]))
    .join(",");
}

/** What a file is, by its first bytes as the server looks at them; null for one that is not taken. */
export function sniffed(head: Uint8Array): Format | null {
  const text = String.fromCharCode(...head.subarray(0, 12));
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (text.startsWith("\xff\xd8\xff")) return "jpeg";
  if (/^GIF8[79]a/.test(text)) return "gif";
  if (text.startsWith("RIFF")) return text.startsWith("WAVE", 8) ? "wav" : text.startsWith("WEBP", 8) ? "webp" : null;
  if (text.startsWith("fLaC")) return "flac";
  if (text.startsWith("ID3") || (head[0] === 0xff && (head[1]! & 0xe6) === 0xe2)) return "mp3";
  return text.startsWith("BM") ? "bmp" : null;
}
