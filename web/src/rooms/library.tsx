/** The room of libraries: which libllama there are, what is thought of them, which one is used. */

import { useSignal } from "@preact/signals";
import { get, post } from "../api";
import { Act, Fault, Room, useRead } from "../parts";
import { lang, token } from "../prefs";
import { bytes, say } from "../words";

interface Library {
  name: string;
  in_use: boolean;
  file: string | null;
  release: string;
  backends: string[];
  devices: string[];
  size_bytes: number;
  origin: string | null;
  usable: boolean;
  status: string;
  verdict: string;
}

interface Switched {
  name: string;
  release: string;
  unloaded: boolean;
  notes: string[];
}

export function Library() {
  const { found, fault, again } = useRead(
    () => get<{ libraries: Library[]; in_use: string | null; notes: string[] }>("/admin/libraries"),
    [token.value, lang.value],
  );
  const told = useSignal<string[]>([]);
  const now = useSignal(true);
  const change = async (path: string, body: object) => {
    const done = await post<Switched>(path, { ...body, now: now.value });
    told.value = [say("library_used", { name: done.name, release: done.release }), ...done.notes];
    await again();
  };
  return (
    <Room
      title={say("room_library")}
      tools={<Act run={() => change("/admin/libraries/rollback", {})}>{say("rollback")}</Act>}
    >
      <p class="hint">{say("library_hint")}</p>
      <label class="check">
        <input type="checkbox" checked={now.value} onChange={(event) => (now.value = event.currentTarget.checked)} />
        {say("library_now")}
      </label>
      <div role="status">{told.value.map((line) => <p key={line}>{line}</p>)}</div>
      <Fault text={fault} />
      {!found && !fault ? <p>{say("library_trying")}</p> : null}
      {found?.notes.map((note) => <p class="notice" key={note}>{note}</p>)}
      {found && !found.libraries.length ? <p>{say("no_library")} <code>hoshikage lib install</code></p> : null}
      <ul class="cards">
        {found?.libraries.map((one) => (
          <li class={`card ${one.in_use ? "chosen" : ""}`} key={one.name}>
            <div class="row">
              <strong>{one.name}</strong>
              {one.in_use ? <span class="state ready">{say("in_use")}</span> : null}
            </div>
            <p class={one.usable ? "facts" : "fault"}>{one.verdict}</p>
            <dl class="facts">
              <Fact name="release" value={one.release} />
              <Fact name="backends" value={one.backends.join(", ")} />
              <Fact name="devices" value={one.devices.join(", ")} />
              <Fact name="size" value={one.size_bytes ? bytes(one.size_bytes) : ""} />
              <Fact name="file" value={one.file ?? ""} />
              <Fact name="origin" value={one.origin ?? ""} />
            </dl>
            {one.in_use || !one.usable ? null : (
              <Act tone="main" label={`${say("use")}: ${one.name}`} run={() => change("/admin/libraries/use", { name: one.name })}>
                {say("use")}
              </Act>
            )}
          </li>
        ))}
      </ul>
    </Room>
  );
}

function Fact({ name, value }: { name: "release" | "backends" | "devices" | "size" | "file" | "origin"; value: string }) {
  return value ? (
    <>
      <dt>{say(`library_${name}`)}</dt>
      <dd>{value}</dd>
    </>
  ) : null;
}
