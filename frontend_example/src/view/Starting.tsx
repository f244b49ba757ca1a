import { Brand } from "./Brand";
import { ErrorBanner } from "./ErrorBanner";

/** The moment before the server has said who is here. Shown late (by the style sheet), so that a quick answer flashes nothing. */
export function Starting() {
  return (
    <main className="centred">
      <p className="starting" role="status">
        Looking for your session…
      </p>
    </main>
  );
}

/** The server could not say who is here. */
export function Trouble({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  return (
    <main className="centred">
      <div className="trouble">
        <Brand />
        <ErrorBanner error={error} roles={[]} onRetry={onRetry} />
      </div>
    </main>
  );
}
