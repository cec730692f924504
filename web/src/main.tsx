/** The page: its frame, and which room of it is shown. */

import { computed, signal } from "@preact/signals";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { moved, wanted } from "./api";
import { begin, current, open, readModels } from "./chat";
import { mediaFault } from "./media_store";
import { Icon } from "./parts";
import { token } from "./prefs";
import { Conversation } from "./rooms/conversation";
import { History, Recent } from "./rooms/history";
import { Library } from "./rooms/library";
import { Machine } from "./rooms/machine";
import { Models } from "./rooms/models";
import { Settings } from "./rooms/settings";
import { storeFault, sweep } from "./store";
import { say } from "./words";

const ROOMS = ["chat", "history", "models", "library", "machine", "settings"] as const;
type RoomName = (typeof ROOMS)[number];

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  const left = room.value;
  hash.value = location.hash;
  if (room.value !== left) moved();
  void follow();
});
const room = computed<RoomName>(() => {
  const name = hash.value.split("/")[1] as RoomName;
  return ROOMS.includes(name) ? name : "chat";
});

/** `#/chat/ID` shows that conversation, `#/chat` the one that is open, `#/chat/new` a new one. */
async function follow(): Promise<void> {
  const [, name, id] = hash.value.split("/");
  if ((name ?? "chat") !== "chat" || !id) return;
  if (id === "new") {
    begin();
    history.replaceState(null, "", "#/chat");
    hash.value = "#/chat";
  } else if (!(await open(id))) {
    history.replaceState(null, "", "#/chat");
  }
}

function Page() {
  useEffect(() => {
    document.title = `${say("app")} – ${say(`room_${room.value}`)}`;
  });
  const shown = room.value;
  const chatting = shown === "chat";
  useEffect(() => {
    if (chatting) void readModels();
  }, [token.value, chatting]);
  return (
    <div class="page">
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>
        {say("skip")}
      </a>
      <nav class="rooms" aria-label={say("rooms")}>
        <a class="brand" href="#/chat/new" aria-label={say("new_chat")}>
          <Icon name="plus" />
          <span>{say("new_chat")}</span>
        </a>
        <ul>
          {ROOMS.map((name) => (
            <li key={name}>
              <a href={`#/${name}`} aria-current={shown === name ? "page" : undefined}>
                <Icon name={name} />
                <span>{say(`room_${name}`)}</span>
              </a>
            </li>
          ))}
        </ul>
        <Recent />
      </nav>
      <main id="main" tabIndex={-1}>
        {storeFault.value ? <p class="fault" role="alert">{say("store_fault", { reason: storeFault.value })}</p> : null}
        {mediaFault.value ? <p class="fault" role="alert">{say("media_fault", { reason: mediaFault.value })}</p> : null}
        {wanted.value && shown !== "settings" ? (
          <p class="notice" role="status">
            {say(wanted.value === "admin" ? "token_admin" : "token_api")} <a href="#/settings">{say("room_settings")}</a>
          </p>
        ) : null}
        {shown === "chat" ? <Conversation key={current.value.id} /> : null}
        {shown === "history" ? <History /> : null}
        {shown === "models" ? <Models /> : null}
        {shown === "library" ? <Library /> : null}
        {shown === "machine" ? <Machine /> : null}
        {shown === "settings" ? <Settings /> : null}
      </main>
    </div>
  );
}

void follow();
const root = document.getElementById("page")!;
root.replaceChildren();
render(<Page />, root);
(globalThis.requestIdleCallback ?? setTimeout)(() => void sweep()); // Safari has no idle callbacks
