/** The room of models and personas: what is registered, what is loaded, what it needs. */

import { useSignal } from "@preact/signals";
import { get, post, remove } from "../api";
import { readModels } from "../chat";
import { Act, Button, Fault, Field, Room, useRead, useWatch } from "../parts";
import { token } from "../prefs";
import { computing, stateWord, unload, type Loaded } from "../runners";
import { bytes, number, say } from "../words";

interface Memory {
  n_ctx: number;
  weights: number;
  kv_cache: number;
  compute: number;
  total: number;
}

interface Registered {
  name: string;
  path: string;
  stop: string[];
  created: number;
  source: string;
  size_bytes: number;
  memory: Memory | null;
  [option: string]: unknown;
}

interface Listing {
  file: string;
  models: Registered[];
  problems: string[];
  available_bytes: number | null;
}

interface Persona {
  name: string;
  model: string;
  system: string;
  available: boolean;
  [option: string]: unknown;
}

/** Names that are no settings of a model. */
const FIXED = new Set(["name", "path", "stop", "created", "source", "size_bytes", "memory", "replaced"]);
const PERSONA_FIXED = new Set(["name", "model", "system", "created", "available", "replaced"]);
/** Settings of a model, with what an input may hold. */
const OPTIONS: Record<string, "number" | "switch" | "text" | readonly string[]> = {
  n_ctx: "number", n_gpu_layers: "number", main_gpu: "number", tensor_split: "text", flash_attn: ["auto", "on", "off"],
  type_k: ["f16", "q8_0", "q4_0"], type_v: ["f16", "q8_0", "q4_0"], use_mmap: "switch", use_mlock: "switch",
  require_gpu: "switch", chat_template: "text", mmproj: "text", draft: "text", thinking: "switch", temperature: "number", top_p: "number",
  top_k: "number", min_p: "number", repeat_penalty: "number", repeat_last_n: "number", frequency_penalty: "number",
  presence_penalty: "number", seed: "number",
};

export function Models() {
  const listing = useRead(() => get<Listing>("/admin/models"), [token.value]);
  const personas = useRead(() => get<{ personas: Persona[]; problems: string[] }>("/admin/personas"), [token.value]);
  const status = useSignal<Loaded | null>(null);
  const edited = useSignal<Registered | "new" | null>(null);
  const look = async () => {
    try {
      status.value = await get<Loaded>("/v1/status");
    } catch {
      status.value = null;
    }
  };
  useWatch(look, 3000);
  const again = async () => {
    await Promise.all([listing.again(), personas.again(), readModels()]);
  };
  const found = listing.found;
  return (
    <Room
      title={say("room_models")}
      tools={<Button tone="main" onClick={() => (edited.value = "new")}>{say("model_add")}</Button>}
    >
      <Fault text={listing.fault} />
      {found?.available_bytes ? <p class="hint">{say("memory_free", { free: bytes(found.available_bytes) })}</p> : null}
      {found?.problems.map((problem) => <Fault key={problem} text={problem} />)}
      {edited.value ? (
        <ModelForm
          key={edited.value === "new" ? "" : edited.value.name}
          model={edited.value === "new" ? null : edited.value}
          done={() => (edited.value = null)}
          again={again}
        />
      ) : null}
      {found && !found.models.length ? <p>{say("welcome_no_models")}</p> : null}
      <ul class="cards">
        {found?.models.map((model) => (
          <ModelCard
            key={model.name}
            model={model}
            free={found.available_bytes}
            status={status.value}
            edit={() => (edited.value = model)}
            again={again}
            look={look}
          />
        ))}
      </ul>
      <Personas found={personas.found?.personas ?? []} models={found?.models.map((one) => one.name) ?? []} again={again} />
    </Room>
  );
}

function ModelCard(props: {
  model: Registered;
  free: number | null;
  status: Loaded | null;
  edit: () => void;
  again: () => Promise<void>;
  look: () => Promise<void>;
}) {
  const { model, free, status } = props;
  const here = computing(status).find((runner) => runner.model === model.name);
  const state = here?.state ?? "unloaded";
  const progress = status?.model.id === model.name ? status.model.progress : null;
  const needed = model.memory;
  const own = Object.entries(model).filter(([name]) => !FIXED.has(name));
  return (
    <li class="card">
      <div class="row">
        <strong>{model.name}</strong>
        <span class={`state ${state}`}>
          {say(stateWord(state))}
          {state === "loading" && progress ? ` ${number(progress * 100, 0)} %` : ""}
        </span>
      </div>
      <small>{model.path}</small>
      <p class="facts">
        {model.size_bytes ? say("model_size", { size: bytes(model.size_bytes) }) : say("model_missing")}
        {needed ? ` · ${say("model_needs", { total: bytes(needed.total), n_ctx: number(needed.n_ctx, 0) })}` : ""}
        {needed && free && state === "unloaded" ? ` · ${say(needed.total <= free ? "model_fits" : "model_too_large")}` : ""}
        {state === "ready" && here?.resident_bytes ? ` · ${say("model_takes", { size: bytes(here.resident_bytes) })}` : ""}
      </p>
      {own.length || model.stop.length ? (
        <p class="facts">
          {[...own.map(([name, value]) => `${name} = ${String(value)}`), ...model.stop.map((one) => `stop “${one}”`)].join(", ")}
        </p>
      ) : null}
      <div class="row">
        {state === "unloaded" ? (
          <Act
            tone="main"
            label={`${say("load")}: ${model.name}`}
            run={() => post(`/admin/models/${encodeURIComponent(model.name)}/load`).then(props.look)}
          >
            {say("load")}
          </Act>
        ) : (
          <Act label={`${say("unload")}: ${model.name}`} run={() => unload(model.name).then(props.look)}>{say("unload")}</Act>
        )}
        {model.source === "registry" ? (
          <>
            <Button aria-label={`${say("edit_settings")}: ${model.name}`} onClick={props.edit}>{say("edit_settings")}</Button>
            <Act
              tone="warn"
              ask={say("remove_sure")}
              label={`${say("remove")}: ${model.name}`}
              run={async () => {
                await remove(`/admin/models/${encodeURIComponent(model.name)}`);
                await props.again();
              }}
            >
              {say("remove")}
            </Act>
          </>
        ) : <small>{say("from_folder")}</small>}
      </div>
    </li>
  );
}

interface Checked {
  path: string;
  architecture: string;
  name: string | null;
  file_type: string;
  size_bytes: number;
  context_length: number;
  chat_template: boolean;
  template_fault: string | null;
  memory: Memory;
  available_bytes: number | null;
}

function ModelForm(props: { model: Registered | null; done: () => void; again: () => Promise<void> }) {
  const given = props.model;
  const name = useSignal(given?.name ?? "");
  const path = useSignal(given?.path ?? "");
  const stop = useSignal(given?.stop.join("\n") ?? "");
  const options = useSignal<Record<string, string>>(
    Object.fromEntries(Object.keys(OPTIONS).map((key) => [key, given?.[key] === undefined ? "" : String(given[key])])),
  );
  const checked = useSignal<Checked | null>(null);
  const look = async () => {
    checked.value = null;
    const n_ctx = options.value["n_ctx"] ? { n_ctx: Number(options.value["n_ctx"]) } : {};
    const mmproj = options.value["mmproj"]?.trim();
    const asked = { path: path.value.trim(), ...n_ctx, ...(mmproj ? { mmproj } : {}) };
    checked.value = await post<Checked>("/admin/models/check", asked);
    if (!name.value) name.value = (path.value.split(/[\\/]/).at(-1) ?? "").replace(/\.gguf$/i, "");
  };
  const save = async () => {
    await post("/admin/models", {
      name: name.value.trim(),
      path: path.value.trim(),
      ...(stop.value.trim() ? { stop: stop.value.split("\n").filter(Boolean) } : {}),
      ...typed(options.value),
    });
    await props.again();
    props.done();
  };
  const seen = checked.value;
  return (
    <form class="card" aria-label={say("model_add")} onSubmit={(event) => event.preventDefault()}>
      <h2>{given ? say("edit_settings") : say("model_add")}</h2>
      <div class="grid">
        <Field label={say("model_path")} hint={say("model_path_hint")}>
          <input value={path.value} spellcheck={false} onInput={(event) => (path.value = event.currentTarget.value)} />
        </Field>
        <Field label={say("name")}>
          <input
            value={name.value}
            readOnly={given !== null}
            spellcheck={false}
            onInput={(event) => (name.value = event.currentTarget.value)}
          />
        </Field>
      </div>
      <details open={given !== null}>
        <summary>{say("own_settings")}</summary>
        <div class="grid">
          {Object.entries(OPTIONS).map(([key, kind]) => (
            <Option
              key={key}
              name={key}
              kind={kind}
              value={options.value[key] ?? ""}
              set={(value) => (options.value = { ...options.value, [key]: value })}
            />
          ))}
          <Field label={say("control_stop")}>
            <textarea rows={2} value={stop.value} onInput={(event) => (stop.value = event.currentTarget.value)} />
          </Field>
        </div>
      </details>
      {seen ? (
        <div role="status">
          <p>
            {[seen.architecture, seen.file_type, bytes(seen.size_bytes), `${number(seen.context_length, 0)} ctx`].join(" · ")}
          </p>
          <p>
            {say("model_needs", { total: bytes(seen.memory.total), n_ctx: number(seen.memory.n_ctx, 0) })}
            {seen.available_bytes
              ? ` · ${say(seen.memory.total <= seen.available_bytes ? "model_fits" : "model_too_large")}`
              : ""}
          </p>
          {seen.chat_template ? null : <p>{say("model_no_template")}</p>}
          {seen.template_fault ? <Fault text={seen.template_fault} /> : null}
        </div>
      ) : null}
      <div class="row">
        <Act run={look}>{say("model_check")}</Act>
        <Act tone="main" run={save}>{say("save")}</Act>
        <Button onClick={props.done}>{say("cancel")}</Button>
      </div>
    </form>
  );
}

function Option(props: {
  name: string;
  kind: "number" | "switch" | "text" | readonly string[];
  value: string;
  set: (value: string) => void;
}) {
  const { name, kind, value, set } = props;
  const choices = kind === "switch" ? ["true", "false"] : typeof kind === "string" ? null : kind;
  return (
    <Field label={name}>
      {choices ? (
        <select value={value} onChange={(event) => set(event.currentTarget.value)}>
          <option value="">{say("default")}</option>
          {choices.map((one) => <option key={one} value={one}>{one}</option>)}
        </select>
      ) : (
        <input
          value={value}
          inputMode={kind === "number" ? "decimal" : "text"}
          placeholder={say("default")}
          spellcheck={false}
          onInput={(event) => set(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** Texts as the API wants them: what is no number stays a text, and is refused by the server in its words. */
function typed(options: Record<string, string>): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [name, raw] of Object.entries(options)) {
    const value = raw.trim();
    if (!value) continue;
    const kind = OPTIONS[name];
    if (kind === "number") found[name] = Number.isNaN(Number(value)) ? value : Number(value);
    else found[name] = kind === "switch" ? value === "true" : value;
  }
  return found;
}

function Personas(props: { found: Persona[]; models: string[]; again: () => Promise<void> }) {
  const edited = useSignal<Persona | "new" | null>(null);
  return (
    <section>
      <header class="roomhead">
        <h2>{say("personas")}</h2>
        <Button onClick={() => (edited.value = "new")}>{say("persona_add")}</Button>
      </header>
      <p class="hint">{say("persona_hint")}</p>
      {edited.value ? (
        <PersonaForm
          key={edited.value === "new" ? "" : edited.value.name}
          persona={edited.value === "new" ? null : edited.value}
          models={props.models}
          done={() => (edited.value = null)}
          again={props.again}
        />
      ) : null}
      <ul class="cards">
        {props.found.map((persona) => (
          <li class="card" key={persona.name}>
            <strong>{persona.name}</strong> <small>{persona.model}{persona.available ? "" : ` · ${say("model_missing")}`}</small>
            <p class="facts">{persona.system}</p>
            <p class="facts">
              {Object.entries(persona).filter(([name]) => !PERSONA_FIXED.has(name)).map(([name, value]) => `${name} = ${String(value)}`).join(", ")}
            </p>
            <div class="row">
              <Button aria-label={`${say("edit")}: ${persona.name}`} onClick={() => (edited.value = persona)}>{say("edit")}</Button>
              <Act
                tone="warn"
                ask={say("remove_sure")}
                label={`${say("remove")}: ${persona.name}`}
                run={async () => {
                  await remove(`/admin/personas/${encodeURIComponent(persona.name)}`);
                  await props.again();
                }}
              >
                {say("remove")}
              </Act>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function PersonaForm(props: { persona: Persona | null; models: string[]; done: () => void; again: () => Promise<void> }) {
  const given = props.persona;
  const name = useSignal(given?.name ?? "");
  const model = useSignal(given?.model ?? props.models[0] ?? "");
  const system = useSignal(given?.system ?? "");
  const temperature = useSignal(given?.["temperature"] === undefined ? "" : String(given["temperature"]));
  const save = async () => {
    const rest = Object.fromEntries(Object.entries(given ?? {}).filter(([key]) => !PERSONA_FIXED.has(key)));
    delete rest["temperature"];
    const heat = temperature.value.trim();
    await post("/admin/personas", {
      ...rest,
      name: name.value.trim(),
      model: model.value,
      system: system.value,
      ...(heat ? { temperature: Number.isNaN(Number(heat)) ? heat : Number(heat) } : {}),
    });
    await props.again();
    props.done();
  };
  return (
    <form class="card" aria-label={say("persona_add")} onSubmit={(event) => event.preventDefault()}>
      <div class="grid">
        <Field label={say("name")}>
          <input value={name.value} readOnly={given !== null} onInput={(event) => (name.value = event.currentTarget.value)} />
        </Field>
        <Field label={say("model")}>
          <select value={model.value} onChange={(event) => (model.value = event.currentTarget.value)}>
            {props.models.map((one) => <option key={one} value={one}>{one}</option>)}
          </select>
        </Field>
        <Field label={say("control_temperature")} hint="0 … 2">
          <input inputMode="decimal" value={temperature.value} onInput={(event) => (temperature.value = event.currentTarget.value)} />
        </Field>
      </div>
      <Field label={say("system")}>
        <textarea rows={4} value={system.value} onInput={(event) => (system.value = event.currentTarget.value)} />
      </Field>
      <div class="row">
        <Act tone="main" run={save}>{say("save")}</Act>
        <Button onClick={props.done}>{say("cancel")}</Button>
      </div>
    </form>
  );
}
