import type { KeyboardEvent, ReactNode } from "react";

export interface Column<T> {
  head: string;
  cell: (item: T) => ReactNode;
  /** Numbers stand at the right. */
  numeric?: boolean;
  /** Takes the line that is left. */
  wide?: boolean;
}

interface Props<T> {
  label: string;
  columns: readonly Column<T>[];
  items: readonly T[];
  keyOf: (item: T) => string;
  /** Where a row leads: its first cell is the link, the whole row a larger target of it. */
  href?: (item: T) => string;
  /** Shown below an opened row, over its whole width. */
  below?: (item: T) => ReactNode;
  busy?: boolean;
}

/**
 * A table that becomes a list of cards where there is no room. Roles are written out because a changed `display`
 * takes them away in some browsers. Up and down go from row to row.
 */
export function Table<T>({ label, columns, items, keyOf, href, below, busy = false }: Props<T>) {
  return (
    <div className="table-frame">
      <table role="table" aria-label={label} aria-busy={busy} className="table" onKeyDown={walk}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ head, numeric }) => (
              <th key={head} role="columnheader" scope="col" className={numeric ? "numeric" : undefined}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {items.map((item) => (
            <Row key={keyOf(item)} item={item} columns={columns} href={href?.(item)} below={below?.(item)} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row<T>({ item, columns, href, below }: { item: T; columns: readonly Column<T>[]; href: string | undefined; below: ReactNode }) {
  return (
    <>
      <tr role="row" className={href ? "table-linked" : undefined}>
        {columns.map(({ head, cell, numeric, wide }, position) => (
          <td key={head} role="cell" data-label={head} className={[numeric && "numeric", wide && "wide"].filter(Boolean).join(" ") || undefined}>
            {position === 0 && href ? (
              <a className="row-link" href={href}>
                {cell(item)}
              </a>
            ) : (
              cell(item)
            )}
          </td>
        ))}
      </tr>
      {below && (
        <tr role="row" className="table-below">
          <td role="cell" colSpan={columns.length}>
            {below}
          </td>
        </tr>
      )}
    </>
  );
}

function walk(event: KeyboardEvent<HTMLTableElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const from = event.target as HTMLElement;
  if (step === undefined || from.matches("input, select, textarea")) return;
  const stops = [...event.currentTarget.querySelectorAll<HTMLElement>("tbody tr:not(.table-below)")].map((row) =>
    row.querySelector<HTMLElement>("a, button, input"),
  );
  const at = stops.findIndex((stop) => stop?.closest("tr") === from.closest("tr"));
  const next = stops[at + step];
  if (at < 0 || !next) return;
  event.preventDefault();
  next.focus();
}
