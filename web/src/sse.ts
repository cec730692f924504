/** Reads Server-Sent Events: data, and the comments in which the server tells how far it is. */

export interface Heard {
  data(text: string): void;
  comment(text: string): void;
}

export async function listen(answer: Response, heard: Heard): Promise<void> {
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let data: string[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop()!;
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        if (data.length) heard.data(data.join("\n"));
        data = [];
      } else if (line.startsWith(":")) {
        heard.comment(line.slice(1).trim());
      } else if (line.startsWith("data:")) {
        data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
  }
}
