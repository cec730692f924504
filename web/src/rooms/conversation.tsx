/** The room where one talks with a model. */

import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { current, lives, models, modelsFault, update } from "../chat";
import { Composer } from "../composer";
import { Fault, Icon, useEntrance } from "../parts";
import { path } from "../tree";
import { Tuning } from "../tuning";
import { AnswerTurn, ResultTurn, UserTurn } from "../turns";
import { say } from "../words";

export function Conversation() {
  const conversation = current.value;
  const branch = path(conversation);
  const tuning = useSignal(false);
  const heading = useRef<HTMLHeadingElement>(null);
  useEntrance(heading);
  const last = branch.at(-1);
  const running = last !== undefined && lives.value.has(last.id);
  return (
    <div class="room chat">
      <header class="roomhead">
        <h1 ref={heading} tabIndex={-1} class="title">{conversation.title || say("new_chat")}</h1>
        <Choice />
        <button
          type="button"
          class="button plain"
          aria-label={say("tuning")}
          aria-expanded={tuning.value}
          aria-controls="tuning"
          onClick={() => (tuning.value = !tuning.value)}
        >
          <Icon name="tune" />
          <span class="wide">{say("tuning")}</span>
        </button>
      </header>
      {tuning.value ? <Tuning close={() => (tuning.value = false)} /> : null}
      <Fault text={modelsFault.value} />
      <Follow>
        <div class="turns" role="log" aria-label={say("turns")} aria-live="off" aria-busy={running}>
          {branch.length === 0 ? <Welcome /> : null}
          {branch.map((turn) =>
            turn.role === "user" ? (
              <UserTurn key={turn.id} turn={turn} />
            ) : turn.role === "tool" ? (
              <ResultTurn key={turn.id} turn={turn} />
            ) : (
              <AnswerTurn key={turn.id} turn={turn} last={turn === last} live={lives.value.get(turn.id) ?? null} />
            ),
          )}
        </div>
      </Follow>
      <Composer live={last ? (lives.value.get(last.id) ?? null) : null} />
    </div>
  );
}

function Choice() {
  const chosen = current.value.model;
  const found = models.value;
  const known = found.some((model) => model.id === chosen);
  const base = found.filter((model) => !model.parent);
  const personas = found.filter((model) => model.parent);
  return (
    <label class="choice">
      <span class="hidden">{say("model")}</span>
      <select value={chosen} onChange={(event) => update((one) => (one.model = event.currentTarget.value))}>
        {known ? null : <option value={chosen}>{chosen || say("no_model")}</option>}
        {base.map((model) => <option key={model.id} value={model.id}>{model.id}</option>)}
        {personas.length ? (
          <optgroup label={say("personas")}>
            {personas.map((model) => (
              <option key={model.id} value={model.id} disabled={model.available === false}>
                {`${model.id} (${model.parent})`}
              </option>
            ))}
          </optgroup>
        ) : null}
      </select>
    </label>
  );
}

function Welcome() {
  return (
    <div class="welcome">
      <p class="star" aria-hidden="true">★</p>
      <h2>{say("welcome")}</h2>
      <p>{models.value.length ? say("welcome_more") : say("welcome_no_models")}</p>
      {models.value.length ? null : <a class="button main" href="#/models">{say("room_models")}</a>}
      
    </div>
  );
}

/** Keeps the end in sight while it grows, unless the reader has gone up to read. */
function Follow({ children }: { children: preact.ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  const held = useRef(true);
  useLayoutEffect(() => {
    const outer = box.current!;
    const down = () => {
      if (held.current) outer.scrollTop = outer.scrollHeight;
    };
    const grown = new ResizeObserver(down);
    grown.observe(outer.firstElementChild!);
    grown.observe(outer);
    const moved = () => (held.current = outer.scrollHeight - outer.scrollTop - outer.clientHeight < 48);
    outer.addEventListener("scroll", moved, { passive: true });
    down();
    return () => {
      grown.disconnect();
      outer.removeEventListener("scroll", moved);
    };
  }, []);
  return <div class="follow" ref={box} tabIndex={0} role="region" aria-label={say("turns")}>{children}</div>;
}
