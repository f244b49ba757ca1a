import { type FormEvent, useEffect, useRef, useState } from "react";
import { Panel } from "../parts/Head";
import { Failure, Notice, type Tone } from "../parts/Notice";
import { Roles } from "../parts/words";
import { Steps } from "./Steps";
import type { Question, Verdict } from "../client/shapes";
import { fromLocalInput, toLocalInput } from "../format";
import { go, useAction } from "../hooks";
import { useConsole } from "../operator";
import { buildPlace } from "../place";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const FIELDS = ["method", "path", "subject", "roles", "scope", "claims", "address", "at", "session"] as const;
type Asked = Readonly<Partial<Record<string, string>>>;

/** Asks the server's own decision what it would say. The question is in the address, so that it can be passed on. */
export function Tester({ asked }: { asked: Asked }) {
  const { api } = useConsole();
  const form = useRef<HTMLFormElement>(null);
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const { running, error, run } = useAction();

  async function ask(answers: Asked) {
    const question = buildQuestion(answers);
    setWrong(typeof question === "string" ? question : null);
    if (typeof question === "string") return;
    const answer = await run(() => api.decide(question));
    setVerdict(answer ?? null);
  }

  useEffect(() => {
    if (asked["path"]) void ask(asked);
  }, []);

  function submit(event: FormEvent) {
    event.preventDefault();
    const data = new FormData(form.current!);
    const answers = Object.fromEntries(
      FIELDS.map((name) => {
        const value = String(data.get(name) ?? "").trim();
        return [name, name === "at" ? String(fromLocalInput(value) ?? "") : value];
      }),
    );
    const place = buildPlace("routes", null, answers);
    if (place === location.hash) void ask(answers);
    else go(place, { replace: true }); // the view is made anew for the new question, and asks it
  }

  return (
    <Panel title="Who may do this?" className="tester">
      <form ref={form} onSubmit={submit} className="tester-form">
        <div className="tester-target">
          <div className="field">
            <label htmlFor="test-method">Method</label>
            <select id="test-method" name="method" defaultValue={asked["method"] ?? "GET"}>
              {METHODS.map((method) => (
                <option key={method}>{method}</option>
              ))}
            </select>
          </div>
          <Entry name="path" label="Path" asked={asked} hint="/api/orders/7" isSearch required />
        </div>
        <div className="tester-who">
          <Entry name="roles" label="Roles" asked={asked} hint="reader, admin" />
          <Entry name="subject" label="Subject" asked={asked} hint="nobody in particular" />
        </div>
        <details open={["scope", "claims", "address", "at", "session"].some((name) => asked[name])}>
          <summary>More about who asks</summary>
          <div className="tester-more">
            <Entry name="session" label="As this session" asked={asked} hint="a handle: takes its roles and claims" />
            <Entry name="scope" label="Scope" asked={asked} hint="orders.read" />
            <Entry name="claims" label="Claims (JSON)" asked={asked} hint={'{"department": "sales"}'} />
            <Entry name="address" label="Address" asked={asked} hint="203.0.113.7" />
            <div className="field">
              <label htmlFor="test-at">At</label>
              <input id="test-at" name="at" type="datetime-local" defaultValue={toLocalInput(asked["at"])} />
            </div>
          </div>
        </details>
        <button type="submit" className="button button-primary" disabled={running}>
          {running ? "Deciding…" : "Decide"}
        </button>
      </form>
      {wrong && (
        <Notice tone="danger" title="That cannot be asked" role="alert">
          <p>{wrong}</p>
        </Notice>
      )}
      <Failure error={error} />
      {verdict && <Answer verdict={verdict} />}
    </Panel>
  );
}

function Entry({ name, label, asked, hint, isSearch, required }: { name: string; label: string; asked: Asked; hint: string; isSearch?: boolean; required?: boolean }) {
  return (
    <div className="field">
      <label htmlFor={`test-${name}`}>
        {label}
        {isSearch && <kbd>/</kbd>}
      </label>
      <input
        id={`test-${name}`}
        name={name}
        defaultValue={asked[name] ?? ""}
        placeholder={hint}
        autoComplete="off"
        spellCheck={false}
        required={required}
        data-search={isSearch || undefined}
      />
    </div>
  );
}

const OUTCOMES: Record<Verdict["outcome"], readonly [Tone, string]> = {
  allow: ["good", "Allowed"],
  deny: ["danger", "Denied"],
  step_up: ["warn", "Allowed after a stronger login"],
  no_route: ["calm", "No route is there"],
};

function Answer({ verdict }: { verdict: Verdict }) {
  const [tone, title] = OUTCOMES[verdict.outcome];
  return (
    <div className="answer" data-testid="verdict">
      <Notice tone={tone} title={verdict.rule === null ? title : `${title} by rule ${verdict.rule}`}>
        {verdict.roles.length > 0 && (
          <p>
            <Roles roles={verdict.roles} />
          </p>
        )}
      </Notice>
      <Steps verdict={verdict} />
      <h3>In the words of the command line</h3>
      <pre>
        <code>{verdict.text}</code>
      </pre>
    </div>
  );
}

/** What is sent; or, as text, what is wrong with what was entered. */
export function buildQuestion(asked: Asked): Question | string {
  const { method, path, subject, scope, address, session } = asked;
  if (!path?.startsWith("/")) return "The path begins with a slash: /api/orders.";
  const claims = parseClaims(asked["claims"]);
  if (typeof claims === "string") return claims;
  const roles = (asked["roles"] ?? "").split(/[\s,]+/).filter(Boolean);
  const at = Number(asked["at"] ?? "");
  return {
    method: method || "GET",
    path,
    ...(subject && { subject }),
    ...(roles.length > 0 && { roles }),
    ...(claims && { claims }),
    ...(scope && { scope }),
    ...(address && { address }),
    ...(asked["at"] && Number.isFinite(at) && { at }),
    ...(session && { session }),
  };
}

function parseClaims(text: string | undefined): Record<string, unknown> | null | string {
  if (!text) return null;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
  } catch {
    // said below, as for what is JSON but no object
  }
  return 'The claims are a JSON object: {"department": "sales"}.';
}
