import { type FormEvent, useState } from "react";
import type { Revocation, RevocationTarget } from "../client/shapes";
import { formatExact, fromLocalInput, plural, toLocalInput } from "../format";
import { useAction, useLoad } from "../hooks";
import { useConsole } from "../operator";
import { Dialog } from "./Dialog";
import { Failure, Notice } from "./Notice";

export type Kind = "session" | "subject" | "role" | "client" | "issuer" | "before" | "all";

export interface Choice {
  kind: Kind;
  value: string;
}

const KINDS: readonly (readonly [Kind, string])[] = [
  ["subject", "of one subject"],
  ["role", "of a role"],
  ["client", "of a client"],
  ["issuer", "of an issuer"],
  ["before", "begun before a time"],
  ["all", "of everybody"],
];

interface Props {
  first: Choice;
  /** The choice is made already: only the confirmation is left. */
  fixed?: boolean;
  onClose: (ended: boolean) => void;
}

/** Ends sessions, after saying how many there are; what was done is told before it closes. */
export function RevokeDialog({ first, fixed = false, onClose }: Props) {
  const { api } = useConsole();
  const [choice, setChoice] = useState(first);
  const [note, setNote] = useState("");
  const [done, setDone] = useState<Revocation | null>(null);
  const { running, error, run } = useAction();
  const target = buildTarget(choice);
  const counted = useLoad(JSON.stringify(target), async (signal) => {
    if (target === null) return null;
    await pause(fixed ? 0 : 250, signal); // while it is being typed, nothing is asked
    return api.countRevocation(target, signal);
  });
  const count = target === null || counted.loading ? null : (counted.value?.matched ?? null);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (target === null || !count) return;
    const ended = await run(() => api.revoke(target, note.trim()));
    if (ended) setDone(ended);
  }

  if (done) {
    return (
      <Dialog title={`${plural(done.ended, "session")} ended`} onClose={() => onClose(true)}>
        <p>Their next call is refused on every worker, and their pages are told at once. The audit log has it.</p>
        {done.partial && (
          <Notice tone="warn" title="It goes on">
            <p>There were too many for one answer: the server ends the rest by itself. Refresh the list to see how far it has come.</p>
          </Notice>
        )}
        <div className="dialog-actions">
          <button type="button" className="button button-primary" onClick={() => onClose(true)} autoFocus>
            Done
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={fixed ? titleOf(choice) : "End sessions"} busy={running} onClose={() => onClose(false)}>
      <form onSubmit={(event) => void submit(event)}>
        {!fixed && <ChoiceFields choice={choice} onChange={setChoice} />}
        <div className="field">
          <label htmlFor="revoke-note">Note for the audit log</label>
          <input id="revoke-note" value={note} onChange={(event) => setNote(event.target.value)} maxLength={500} autoComplete="off" placeholder="Why" />
        </div>
        <p className="dialog-count" role="status" data-testid="revoke-count">
          {target === null ? "Say which." : count === null ? (counted.error ? "" : "Counting…") : count === 0 ? "No session is like that." : `${sentence(choice, count)}`}
        </p>
        <Failure error={error ?? counted.error} onRetry={counted.reload} />
        <div className="dialog-actions">
          <button type="button" className="button" onClick={() => onClose(false)} disabled={running}>
            Cancel
          </button>
          <button type="submit" className="button button-alarm" disabled={!count || running} data-testid="revoke-confirm">
            {running ? "Ending…" : count ? `End ${plural(count, "session")}` : "End sessions"}
          </button>
        </div>
        {running && <progress aria-label="Ending sessions" />}
      </form>
    </Dialog>
  );
}

function ChoiceFields({ choice, onChange }: { choice: Choice; onChange: (choice: Choice) => void }) {
  const isTime = choice.kind === "before";
  return (
    <div className="dialog-choice">
      <div className="field">
        <label htmlFor="revoke-kind">All sessions</label>
        <select id="revoke-kind" value={choice.kind} onChange={(event) => onChange({ kind: event.target.value as Kind, value: "" })} autoFocus>
          {KINDS.map(([kind, words]) => (
            <option key={kind} value={kind}>
              {words}
            </option>
          ))}
        </select>
      </div>
      {choice.kind !== "all" && (
        <div className="field">
          <label htmlFor="revoke-value">{isTime ? "Time" : "Which"}</label>
          {isTime ? (
            <input id="revoke-value" type="datetime-local" value={toLocalInput(choice.value)} onChange={(event) => onChange({ kind: "before", value: String(fromLocalInput(event.target.value) ?? "") })} />
          ) : (
            <input id="revoke-value" value={choice.value} onChange={(event) => onChange({ ...choice, value: event.target.value })} autoComplete="off" spellCheck={false} />
          )}
        </div>
      )}
    </div>
  );
}

/** What the API is asked for; null while something is missing. */
export function buildTarget({ kind, value }: Choice): RevocationTarget | null {
  if (kind === "all") return { all: true };
  const given = value.trim();
  if (given === "") return null;
  return kind === "before" ? { before: Number(given) } : ({ [kind]: given } as RevocationTarget);
}

function titleOf({ kind, value }: Choice): string {
  return kind === "session" ? "End this session" : kind === "subject" ? `End all sessions of ${value}` : "End sessions";
}

function sentence({ kind, value }: Choice, count: number): string {
  const are = count === 1 ? "1 session is" : `${plural(count, "session")} are`;
  switch (kind) {
    case "all":
      return `${are} live. All of them end, your own too if you have one.`;
    case "before":
      return `${are} older than ${formatExact(Number(value))}, and will end.`;
    case "session":
      return "It ends at once; its refresh token is revoked at the issuer where that can be done.";
    default:
      return `${are} of the ${kind} ${value.trim()}, and will end at once.`;
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason as Error)), { once: true });
  });
}
