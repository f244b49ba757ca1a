import type { ReactNode } from "react";
import { explain } from "../explain";

/** One failure: what happened, why, what to do, and a button when trying again makes sense. */
export function Failure({ error, onRetry, onDismiss }: { error: unknown; onRetry?: () => void; onDismiss?: () => void }) {
  if (error === null || error === undefined) return null;
  const { title, advice, reference, retryable } = explain(error);
  return (
    <Notice tone="danger" title={title} role="alert" testId="failure">
      <p>{advice}</p>
      <p className="reference">
        <code>{reference}</code>
      </p>
      {((onRetry && retryable) || onDismiss) && (
        <div className="row">
          {onRetry && retryable && (
            <button type="button" className="button button-small" onClick={onRetry}>
              Try again
            </button>
          )}
          {onDismiss && (
            <button type="button" className="button button-small button-quiet" onClick={onDismiss}>
              Dismiss
            </button>
          )}
        </div>
      )}
    </Notice>
  );
}

export type Tone = "good" | "warn" | "danger" | "calm";

interface NoticeProps {
  tone: Tone;
  title: ReactNode;
  role?: "alert" | "status";
  testId?: string;
  children?: ReactNode;
}

export function Notice({ tone, title, role = "status", testId, children }: NoticeProps) {
  return (
    <section className={`notice notice-${tone}`} role={role} data-testid={testId}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}
