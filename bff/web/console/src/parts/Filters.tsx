import { type FormEvent, useEffect, useRef } from "react";
import { fromLocalInput, toLocalInput } from "../format";
import { go } from "../hooks";
import { buildPlace, type Place } from "../place";

export interface Field {
  name: string;
  label: string;
  hint?: string;
  kind?: "text" | "time" | "number";
  /** A closed set of values: [value, what to call it]. */
  options?: readonly (readonly [string, string])[];
  /** Values to be had for the typing. */
  suggest?: readonly string[];
}

/** What a list is narrowed down by. The values live in the address, so any view can be linked to; `/` goes to the first. */
export function Filters({ place, fields }: { place: Place; fields: readonly Field[] }) {
  const form = useRef<HTMLFormElement>(null);
  const now = JSON.stringify(place.query);
  const isNarrowed = fields.some(({ name }) => place.query[name]);

  // The address may change without the form, by a link or by going back.
  useEffect(() => {
    for (const { name, kind } of fields) {
      const input = form.current?.elements.namedItem(name);
      if (input instanceof HTMLInputElement || input instanceof HTMLSelectElement) {
        input.value = kind === "time" ? toLocalInput(place.query[name]) : (place.query[name] ?? "");
      }
    }
  }, [now]);

  function submit(event?: FormEvent) {
    event?.preventDefault();
    const data = new FormData(form.current!);
    const query = Object.fromEntries(
      fields.map(({ name, kind }) => {
        const value = String(data.get(name) ?? "").trim();
        return [name, kind === "time" ? fromLocalInput(value) : value];
      }),
    );
    go(buildPlace(place.view, place.item, query));
  }

  return (
    <form className="filters" role="search" ref={form} onSubmit={submit}>
      {fields.map((field, position) => (
        <Control key={field.name} field={field} value={place.query[field.name]} isFirst={position === 0} onPick={() => submit()} />
      ))}
      <div className="filters-actions">
        <button type="submit" className="button">
          Search
        </button>
        {isNarrowed && (
          <a className="button button-quiet" href={buildPlace(place.view, place.item)}>
            Clear
          </a>
        )}
      </div>
    </form>
  );
}

function Control({ field, value, isFirst, onPick }: { field: Field; value: string | undefined; isFirst: boolean; onPick: () => void }) {
  const { name, label, hint, kind = "text", options, suggest } = field;
  const id = `filter-${name}`;
  return (
    <div className={isFirst ? "field field-first" : "field"}>
      <label htmlFor={id}>
        {label}
        {isFirst && <kbd>/</kbd>}
      </label>
      {options ? (
        <select id={id} name={name} defaultValue={value ?? ""} onChange={onPick} data-search={isFirst || undefined}>
          {options.map(([option, words]) => (
            <option key={option} value={option}>
              {words}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          name={name}
          type={kind === "time" ? "datetime-local" : kind === "number" ? "number" : "search"}
          min={kind === "number" ? 1 : undefined}
          defaultValue={kind === "time" ? toLocalInput(value) : (value ?? "")}
          placeholder={hint}
          list={suggest ? `${id}-list` : undefined}
          autoComplete="off"
          spellCheck={false}
          data-search={isFirst || undefined}
        />
      )}
      {suggest && (
        <datalist id={`${id}-list`}>
          {suggest.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
    </div>
  );
}
