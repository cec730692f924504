/** How answers of this conversation are made: system prompt, sampling, schema, tools. */

import { current, update } from "./chat";
import { BOXES, CONTROLS, fault, type Control } from "./controls";
import { Button, Field } from "./parts";
import { isWord, say } from "./words";

function set(name: string, value: string): void {
  update((conversation) => {
    const controls = { ...conversation.controls };
    if (value.trim()) controls[name] = value;
    else delete controls[name];
    conversation.controls = controls;
  });
}

export function Tuning({ close }: { close: () => void }) {
  const conversation = current.value;
  return (
    <section
      class="tuning"
      id="tuning"
      aria-label={say("tuning")}
      onKeyDown={(event) => { if (event.key === "Escape") close(); }}
    >
      <Field label={say("system")} hint={say("system_hint")}>
        <textarea
          rows={3}
          value={conversation.system}
          onInput={(event) => update((one) => (one.system = event.currentTarget.value))}
        />
      </Field>
      <div class="grid">
        {CONTROLS.filter((control) => !control.folded).map((control) => <Row key={control.name} control={control} />)}
      </div>
      <details>
        <summary>{say("more_sampling")}</summary>
        <div class="grid">
          {CONTROLS.filter((control) => control.folded).map((control) => <Row key={control.name} control={control} />)}
        </div>
      </details>
      <details>
        <summary>{say("structured")}</summary>
        {BOXES.map((control) => <Row key={control.name} control={control} />)}
      </details>
      <div class="row">
        <Button onClick={() => update((one) => { one.controls = {}; one.system = ""; })}>{say("defaults")}</Button>
        <Button onClick={close}>{say("close")}</Button>
      </div>
    </section>
  );
}

function Row({ control }: { control: Control }) {
  const { name, kind } = control;
  const value = current.value.controls[name] ?? "";
  const bad = fault(control, value);
  const bounds = kind === "number" ? `${control.least} … ${control.most}` : "";
  const known = `control_${name}`;
  const label = isWord(known) ? `${say(known)} (${name})` : name;
  const hint = bad ? say(kind === "json" ? "no_json" : "out_of_bounds", { bounds }) : bounds;
  return (
    <Field label={label} bad={bad} hint={hint}>
      {kind === "choice" ? (
        <select value={value} onChange={(event) => set(name, event.currentTarget.value)}>
          <option value="">{say("default")}</option>
          {control.choices!.map((one) => <option key={one} value={one}>{one}</option>)}
        </select>
      ) : kind === "number" ? (
        <input
          type="number"
          inputMode="decimal"
          min={control.least}
          max={control.most}
          step="any"
          placeholder={say("default")}
          aria-invalid={bad}
          value={value}
          onInput={(event) => set(name, event.currentTarget.value)}
        />
      ) : (
        <textarea
          rows={kind === "json" ? 5 : 2}
          spellcheck={false}
          class={kind === "json" ? "mono" : ""}
          aria-invalid={bad}
          placeholder={kind === "json" ? "{ }" : ""}
          value={value}
          onInput={(event) => set(name, event.currentTarget.value)}
        />
      )}
    </Field>
  );
}
