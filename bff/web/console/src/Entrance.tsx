import { type FormEvent, type ReactNode, useState } from "react";
import type { OperatorState } from "./operator";
import { Brand } from "./parts/Brand";
import { Failure, Notice } from "./parts/Notice";
import { signInUrl } from "./place";

interface Props {
  operator: Exclude<OperatorState, { kind: "known" | "ended" }>;
  onRetry: () => void;
  onToken: (token: string) => void;
}

/** What there is before the server has let somebody in: each refusal with the way on. */
export function Entrance({ operator, onRetry, onToken }: Props) {
  switch (operator.kind) {
    case "asking":
      return (
        <main className="entrance">
          <p className="starting" role="status">
            Asking who is there…
          </p>
        </main>
      );
    case "sign-in":
      return (
        <Door title="Who may use which token for what" testId="sign-in-needed">
          <p>Sessions, roles, rules, findings, the audit log and the access review of this server. Sign in to see them.</p>
          <SignIn />
        </Door>
      );
    case "token":
      return (
        <Door title="Operators only" testId="token-needed">
          <p>This is the management listener: it asks for the operator’s token of [admin] in the configuration.</p>
          {operator.refused && (
            <Notice tone="danger" title="That token was not accepted" role="alert">
              <p>Paste the whole token, without spaces. It may have been replaced since.</p>
            </Notice>
          )}
          <TokenForm onToken={onToken} />
        </Door>
      );
    case "not-allowed":
      return (
        <Door title="Your roles do not open the console" testId="not-allowed">
          <p>{operator.problem.detail}</p>
          <p className="faint">Ask whoever gives out roles. A role that was just given counts from the next sign-in or renewal.</p>
          <div className="row">
            <button type="button" className="button" onClick={onRetry}>
              Look again
            </button>
            <SignIn words="Sign in as somebody else" />
          </div>
          <p className="reference">
            <code>
              {operator.problem.status} {operator.problem.code}
            </code>
          </p>
        </Door>
      );
    case "not-configured":
      return (
        <Door title="The admin API is not configured" testId="not-configured">
          <p>Name the roles that may use it, or an operator’s token, under [admin] in the configuration, and restart bff.</p>
        </Door>
      );
    case "trouble":
      return (
        <Door title="The console cannot begin">
          <Failure error={operator.error} onRetry={onRetry} />
        </Door>
      );
  }
}

function Door({ title, testId, children }: { title: string; testId?: string; children: ReactNode }) {
  return (
    <main className="entrance">
      <div className="door" data-testid={testId}>
        <Brand />
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}

export function SignIn({ words = "Sign in" }: { words?: string }) {
  const url = signInUrl(location.pathname, location.hash);
  return url === null ? null : (
    <a className="button button-primary" href={url} data-testid="sign-in">
      {words}
    </a>
  );
}

export function TokenForm({ onToken }: { onToken: (token: string) => void }) {
  const [token, setToken] = useState("");

  function submit(event: FormEvent) {
    event.preventDefault();
    const given = token.trim();
    setToken("");
    if (given !== "") onToken(given);
  }

  return (
    <form className="token-form" onSubmit={submit}>
      <label htmlFor="operator-token">Operator’s token</label>
      <input
        id="operator-token"
        type="password"
        value={token}
        onChange={(event) => setToken(event.target.value)}
        autoComplete="one-time-code" // what no password store offers to keep
        autoFocus
        spellCheck={false}
      />
      <button type="submit" className="button button-primary" disabled={token.trim() === ""}>
        Go on
      </button>
      <p className="faint">It is kept in this page’s memory alone, and gone when the page is closed or reloaded.</p>
    </form>
  );
}
