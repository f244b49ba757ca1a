import type { ReactNode } from "react";
import type { Page } from "../client/shapes";
import { plural } from "../format";
import type { Loaded } from "../hooks";
import { buildPlace, type Place } from "../place";
import { Failure } from "./Notice";

interface Props<T> {
  loaded: Loaded<Page<T>>;
  place: Place;
  /** One of them, for the count; `many` where an s does not do. */
  noun: string;
  many?: string;
  empty: ReactNode;
  children: (items: T[]) => ReactNode;
}

/** One page of a list as it comes from the server: loading, failing, empty, and the way to the next page. */
export function List<T>({ loaded, place, noun, many, empty, children }: Props<T>) {
  const { value, error, loading, reload } = loaded;
  const { after, ...filters } = place.query;
  return (
    <div className={loading ? "list list-loading" : "list"}>
      <Failure error={error} onRetry={reload} />
      {value === null && loading && <Skeleton />}
      {value?.items.length === 0 && <p className="empty">{value.next === null ? empty : "None so far: there is much to look through. It goes on on the next page."}</p>}
      {value && value.items.length > 0 && children(value.items)}
      {value && (value.items.length > 0 || value.next !== null || after) && (
        <nav className="pages" aria-label="Pages">
          <p className="faint" role="status">
            {value.next === null && !after ? plural(value.items.length, noun, many) : `${plural(value.items.length, noun, many)} on this page`}
          </p>
          {after && (
            <a className="button button-small" href={buildPlace(place.view, place.item, filters)}>
              First page
            </a>
          )}
          {value.next !== null && (
            <a className="button button-small" rel="next" href={buildPlace(place.view, place.item, { ...filters, after: value.next })}>
              Next page
            </a>
          )}
        </nav>
      )}
    </div>
  );
}

/** The shape of what is on its way, so that nothing jumps when it comes. */
export function Skeleton({ lines = 6 }: { lines?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} />
      ))}
    </div>
  );
}
