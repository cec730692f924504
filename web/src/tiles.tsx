/** Pictures and sounds as one sees and hears them: small, with a button that takes one away before it is sent. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { kindOf } from "./formats";
import { fileOf } from "./media";
import { Button, Icon } from "./parts";
import { changes } from "./store";
import type { Medium } from "./tree";
import { bytes, say } from "./words";

export function Tiles(props: { media: Medium[] | undefined; remove?: (one: Medium) => void }) {
  if (!props.media?.length) return null;
  const { remove } = props;
  return (
    <ul class="tiles" aria-label={say("media")}>
      {props.media.map((one) => (
        <li key={one.id}>
          <Tile one={one} />
          {remove ? (
            <Button tone="plain" class="away" aria-label={say("file_remove", { name: one.name })} onClick={() => remove(one)}>
              <Icon name="close" />
            </Button>
          ) : null}
        </li>
      ))}
    </ul>
  );
}

function Tile({ one }: { one: Medium }) {
  const address = useAddress(one.id);
  const large = useSignal(false);
  if (address === null) return <span class="lost">{say("media_not_kept", { name: one.name })}</span>;
  if (kindOf(one.format) === "audio") {
    return (
      <figure>
        <figcaption>{one.name} <small>{bytes(one.size)}</small></figcaption>
        <audio controls preload="metadata" src={address} aria-label={one.name} />
      </figure>
    );
  }
  const label = say("enlarge", { name: one.name });
  return (
    <>
      <button type="button" class="picture" aria-label={label} title={`${one.name} (${bytes(one.size)})`} onClick={() => (large.value = true)}>
        {address ? <img src={address} alt={one.name} decoding="async" /> : null}
      </button>
      {large.value && address ? <Large address={address} name={one.name} close={() => (large.value = false)} /> : null}
    </>
  );
}

function Large({ address, name, close }: { address: string; name: string; close: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => box.current!.showModal(), []);
  const end = () => box.current!.close();
  return (
    <dialog class="large" ref={box} aria-label={name} onClose={close} onClick={(event) => { if (event.target === box.current) end(); }}>
      <img src={address} alt={name} />
      <Button aria-label={say("close")} onClick={end}><Icon name="close" /></Button>
    </dialog>
  );
}

/** An address of the file while it is shown; null where there is none. Another tab may be about to keep it. */
function useAddress(id: string): string | null | undefined {
  const [address, setAddress] = useState<string | null>();
  useEffect(() => {
    let made = "";
    let over = false;
    void fileOf(id).then((file) => {
      if (!over) setAddress(file ? (made = URL.createObjectURL(file)) : null);
    });
    return () => {
      over = true;
      if (made) URL.revokeObjectURL(made);
    };
  }, [id, address === null ? changes.value : 0]);
  return address;
}
