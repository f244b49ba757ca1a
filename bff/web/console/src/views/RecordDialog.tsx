import { type FormEvent, useState } from "react";
import { Dialog } from "../parts/Dialog";
import { Failure } from "../parts/Notice";
import type { RecordedReview } from "../client/shapes";
import { countDraft, type Draft } from "../draft";
import { formatMoment, plural } from "../format";
import { useAction } from "../hooks";
import { useConsole } from "../operator";

/** Says once more what will be done, records it, and tells what was done. */
export function RecordDialog({ draft, left, onClose }: { draft: Draft; left: number; onClose: (recorded: boolean) => void }) {
  const { api } = useConsole();
  const [note, setNote] = useState("");
  const [done, setDone] = useState<RecordedReview | null>(null);
  const { running, error, run } = useAction();
  const { kept, revoked } = countDraft(draft);
  const going = Object.values(draft).filter(({ decision }) => decision === "revoke");

  async function submit(event: FormEvent) {
    event.preventDefault();
    const decisions = Object.values(draft).map(({ subject, issuer, decision, note: why }) => ({ subject, issuer, decision, note: why }));
    const review = await run(() => api.recordReview(note.trim(), decisions));
    if (review) setDone(review);
  }

  if (done) {
    return (
      <Dialog title="The review is recorded" onClose={() => onClose(true)}>
        <p>
          {plural(done.kept, "subject")} kept, {done.revoked} revoked, by {done.by}.
          {done.due_at !== null && <> The next one is due on {formatMoment(done.due_at)}.</>}
        </p>
        <div className="dialog-actions">
          <button type="button" className="button button-primary" onClick={() => onClose(true)} autoFocus>
            Done
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Record the review" busy={running} onClose={() => onClose(false)}>
      <form onSubmit={(event) => void submit(event)}>
        <p>
          {plural(kept, "subject")} kept, {revoked} revoked.{left > 0 && <> A record holds a thousand decisions: the other {left} stay on the worksheet.</>}
        </p>
        {going.length > 0 && (
          <>
            <p>All sessions of these end at once. Take their roles away at the issuer too, or they can sign in again:</p>
            <ul className="going">
              {going.slice(0, 12).map(({ name }) => (
                <li key={name}>{name}</li>
              ))}
              {going.length > 12 && <li className="faint">and {going.length - 12} more</li>}
            </ul>
          </>
        )}
        <div className="field">
          <label htmlFor="record-note">Note</label>
          <input id="record-note" value={note} onChange={(event) => setNote(event.target.value)} maxLength={500} autoComplete="off" autoFocus placeholder="Fourth quarter" />
        </div>
        <Failure error={error} />
        <div className="dialog-actions">
          <button type="button" className="button" onClick={() => onClose(false)} disabled={running}>
            Cancel
          </button>
          <button type="submit" className={revoked > 0 ? "button button-alarm" : "button button-primary"} disabled={running} data-testid="record-confirm">
            {running ? "Recording…" : revoked > 0 ? `Record, and revoke ${revoked}` : "Record"}
          </button>
        </div>
        {running && <progress aria-label="Recording the review" />}
      </form>
    </Dialog>
  );
}
