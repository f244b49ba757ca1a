import { explain } from "../explain";

interface Props {
  error: unknown;
  roles: readonly string[];
  onRetry?: (() => void) | undefined;
  onDismiss?: (() => void) | undefined;
}

/** One error as a person would want it: what happened, what to do, and a button when trying again makes sense. */
export function ErrorBanner({ error, roles, onRetry, onDismiss }: Props) {
  const explanation = explain(error, roles);
  if (explanation === null) return null;
  return (
    <section className="banner banner-error" role="alert" data-testid="error-banner">
      <div className="banner-words">
        <h2>{explanation.title}</h2>
        <p>{explanation.advice}</p>
        <p className="reference">
          <code>{explanation.reference}</code>
        </p>
      </div>
      <div className="banner-actions">
        {onRetry && explanation.retryable && (
          <button type="button" className="button" onClick={onRetry} data-testid="error-retry">
            Try again
          </button>
        )}
        {onDismiss && (
          <button type="button" className="button button-quiet" onClick={onDismiss} data-testid="error-dismiss">
            Dismiss
          </button>
        )}
      </div>
    </section>
  );
}
