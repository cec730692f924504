/** The room of settings: how this page looks, the access token, and what the server runs with. */

import { useSignal } from "@preact/signals";
import { get, wanted } from "../api";
import { readModels } from "../chat";
import { Button, Fault, Field, Room, useRead } from "../parts";
import { enterSends, lang, size, theme, token, type Lang, type Theme } from "../prefs";
import { isWord, say } from "../words";

export function Settings() {
  return (
    <Room title={say("room_settings")}>
      <section class="card">
        <h2>{say("page")}</h2>
        <div class="grid">
          <Field label={say("language")}>
            <select value={lang.value} onChange={(event) => (lang.value = event.currentTarget.value as Lang)}>
              <option value="ja">日本語</option>
              <option value="en">English</option>
            </select>
          </Field>
          <Field label={say("colours")}>
            <select value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as Theme)}>
              <option value="dark">{say("dark")}</option>
              <option value="light">{say("light")}</option>
            </select>
          </Field>
          <Field label={say("text_size")}>
            <select value={size.value} onChange={(event) => (size.value = event.currentTarget.value)}>
              {["85", "100", "115", "130", "150"].map((one) => <option key={one} value={one}>{one} %</option>)}
            </select>
          </Field>
          <Field label={say("enter")}>
            <select value={enterSends.value} onChange={(event) => (enterSends.value = event.currentTarget.value)}>
              <option value="on">{say("enter_sends")}</option>
              <option value="off">{say("enter_breaks")}</option>
            </select>
          </Field>
        </div>
      </section>
      <Access />
      <InForce />
    </Room>
  );
}

function Access() {
  const typed = useSignal("");
  const use = (value: string) => {
    token.value = value;
    typed.value = "";
    wanted.value = "";
    void readModels();
  };
  return (
    <section class="card">
      <h2>{say("token")}</h2>
      <p class="hint">{say("token_hint")} <code>{say("token_command")}</code></p>
      <form class="row" onSubmit={(event) => { event.preventDefault(); use(typed.value.trim()); }}>
        <Field label={say("token")}>
          <input
            type="password"
            autocomplete="off"
            value={typed.value}
            onInput={(event) => (typed.value = event.currentTarget.value)}
          />
        </Field>
        <button type="submit" class="button main" disabled={!typed.value.trim()}>{say("token_use")}</button>
        {token.value ? <Button tone="warn" onClick={() => use("")}>{say("token_forget")}</Button> : null}
      </form>
      <p role="status">{say(token.value ? "token_there" : "token_none")}</p>
    </section>
  );
}

interface Row {
  name: string;
  value: unknown;
  source: string;
}

/** What the server runs with; read only: it is set where the server is started. */
function InForce() {
  const { found, fault } = useRead(
    () => get<{ settings: Row[]; folders: { config: string; cache: string } }>("/admin/settings"),
    [token.value],
  );
  return (
    <section class="card">
      <h2>{say("in_force")}</h2>
      <p class="hint">{say("in_force_hint")}</p>
      <Fault text={fault} />
      {found ? (
        <>
          <div class="table" tabIndex={0} role="region" aria-label={say("in_force")}>
            <table>
              <thead><tr><th>{say("name")}</th><th>{say("value")}</th><th>{say("source")}</th></tr></thead>
              <tbody>
                {found.settings.map((row) => (
                  <tr key={row.name} class={row.source === "default" ? "" : "own"}>
                    <td><code>{row.name}</code></td>
                    <td>{shown(row.value)}</td>
                    <td>{origin(row.source)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <p><small>{found.folders.config} · {found.folders.cache}</small></p>
        </>
      ) : null}
    </section>
  );
}

function shown(value: unknown): string {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) return "–";
  if (typeof value === "boolean") return value ? "on" : "off";
  return Array.isArray(value) ? value.join(", ") : String(value);
}

function origin(source: string): string {
  const name = `source_${source}`;
  return isWord(name) ? say(name) : source;
}
