import type { ReactNode } from "react";

/** The head of a view: its name, what it is for, and what can be done here. */
export function Head({ title, lead, back, children }: { title: ReactNode; lead?: ReactNode; back?: ReactNode; children?: ReactNode }) {
  return (
    <header className="head">
      <div className="head-words">
        {back && <p className="back">{back}</p>}
        <h1 tabIndex={-1}>{title}</h1>
        {lead && <p className="lead">{lead}</p>}
      </div>
      {children && <div className="head-actions">{children}</div>}
    </header>
  );
}

/** Reads again what is shown. */
export function Refresh({ loading, onRefresh }: { loading: boolean; onRefresh: () => void }) {
  return (
    <button type="button" className="button button-quiet" onClick={onRefresh} aria-busy={loading}>
      {loading ? "Reading…" : "Refresh"}
    </button>
  );
}

export function Panel({ title, aside, children, className = "" }: { title?: ReactNode; aside?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section className={`panel ${className}`}>
      {(title || aside) && (
        <header className="panel-head">
          {title && <h2>{title}</h2>}
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}
