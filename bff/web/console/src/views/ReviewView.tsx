import { useEffect, useState } from "react";
import { Past } from "./Past";
import { RecordDialog } from "./RecordDialog";
import { SUBJECT_FIELDS } from "./SubjectsView";
import { Filters } from "../parts/Filters";
import { Head, Panel } from "../parts/Head";
import { List } from "../parts/List";
import { Failure } from "../parts/Notice";
import { Table } from "../parts/Table";
import { FindingChips, PlaceLink, Roles, When, Who } from "../parts/words";
import { countDraft, decide, type Draft, firstOf, MOST_AT_ONCE, readDraft, without, writeDraft } from "../draft";
import type { Decision, Page, ReviewItem } from "../client/shapes";
import { formatNumber, plural } from "../format";
import { type Loaded, useAction, useLoad, usePlace } from "../hooks";
import { useConsole } from "../operator";

/** The worksheet: keep or revoke, subject by subject; recorded as a whole. */
export function ReviewView() {
  const { api, me } = useConsole();
  const place = usePlace();
  const { after: _after, ...filters } = place.query;
  const loaded = useLoad(`review ${JSON.stringify(place.query)}`, (signal) => api.review(place.query, signal));
  const past = useLoad("reviews", (signal) => api.reviews({ limit: 20 }, signal));
  const due = useLoad("due", async (signal) => (await api.overview(3_600, signal)).review);
  const [draft, setDraft] = useState(() => readDraft(sessionStorage, me.operator));
  const [recording, setRecording] = useState(false);
  const csv = useAction();
  const { all, kept, revoked } = countDraft(draft);

  useEffect(() => writeDraft(sessionStorage, me.operator, draft), [draft, me.operator]);

  async function download() {
    const blob = await csv.run(() => api.reviewCsv(filters));
    if (blob) save(blob, `access-review-${new Date().toISOString().slice(0, 10)}.csv`);
  }

  return (
    <>
      <Head title="Access review" lead="Who has access to what, whether it was of use, and whether it shall stay.">
        <button type="button" className="button" onClick={() => void download()} disabled={csv.running}>
          {csv.running ? "Writing…" : "Download CSV"}
        </button>
        <button type="button" className="button button-primary" disabled={all === 0} onClick={() => setRecording(true)} data-testid="record">
          Record the review…
        </button>
      </Head>
      <Failure error={csv.error} onRetry={() => void download()} onDismiss={csv.forget} />
      <Panel className="review-state">
        <Progress draft={draft} loaded={loaded} />
        <p className="review-sums">
          <strong>{formatNumber(kept)}</strong> keep <strong>{formatNumber(revoked)}</strong> revoke
          {all > 0 && (
            <button type="button" className="button button-small button-quiet" onClick={() => setDraft({})}>
              Take all back
            </button>
          )}
        </p>
        <p className="faint">
          {due.value && (
            <>
              {due.value.last_at === null ? "None recorded yet" : <>Last recorded <When at={due.value.last_at} /></>},{" "}
              {due.value.due_at === null ? "and no interval is set" : <>next due <When at={due.value.due_at} /></>}
            </>
          )}
        </p>
      </Panel>
      <Panel>
        <Filters place={place} fields={SUBJECT_FIELDS} />
        <List loaded={loaded} place={place} noun="subject" empty="Nobody is like that.">
          {(items) => (
            <>
              <p className="row">
                <button type="button" className="button button-small" onClick={() => setDraft(items.reduce((so, item) => (so[item.id] ?? item.decision ? so : decide(so, item, { decision: "keep" })), draft))}>
                  Keep all that are left on this page
                </button>
              </p>
              <Worksheet items={items} draft={draft} busy={loaded.loading} onDraft={setDraft} />
            </>
          )}
        </List>
      </Panel>
      <Past past={past} />
      {recording && (
        <RecordDialog
          draft={firstOf(draft)}
          left={Math.max(0, all - MOST_AT_ONCE)}
          onClose={(recorded) => {
            setRecording(false);
            if (!recorded) return;
            setDraft(without(draft, firstOf(draft)));
            past.reload();
            due.reload();
            loaded.reload();
          }}
        />
      )}
    </>
  );
}

function Progress({ draft, loaded }: { draft: Draft; loaded: Loaded<Page<ReviewItem>> }) {
  const items = loaded.value?.items ?? [];
  const here = items.filter(({ id, decision }) => draft[id] ?? decision).length;
  return (
    <div className="review-progress">
      <label htmlFor="review-progress">
        {here} of {plural(items.length, "subject")} on this page decided
      </label>
      <progress id="review-progress" max={Math.max(1, items.length)} value={here} />
    </div>
  );
}

function Worksheet({ items, draft, busy, onDraft }: { items: ReviewItem[]; draft: Draft; busy: boolean; onDraft: (draft: Draft) => void }) {
  return (
    <Table
      label="Worksheet"
      items={items}
      busy={busy}
      keyOf={({ id }) => id}
      columns={[
        {
          head: "Subject",
          wide: true,
          cell: ({ id, subject, name }) => (
            <PlaceLink view="subjects" item={id} className="row-link">
              <Who subject={subject} name={name} />
            </PlaceLink>
          ),
        },
        { head: "Roles", cell: ({ roles }) => <Roles roles={roles} /> },
        { head: "Findings", cell: ({ findings }) => <FindingChips findings={findings} /> },
        { head: "Last use", cell: ({ last_use_at }) => <When at={last_use_at} />, numeric: true },
        {
          head: "Decision",
          cell: (item) => <Choice item={item} decision={draft[item.id]?.decision ?? null} onPick={(decision) => onDraft(decide(draft, item, decision === null ? null : { decision }))} />,
        },
        {
          head: "Note",
          cell: (item) => (
            <input
              className="note"
              aria-label={`Note on ${item.name || item.subject}`}
              placeholder={draft[item.id] ? "why" : "decide first"}
              disabled={!draft[item.id]}
              value={draft[item.id]?.note ?? ""}
              maxLength={500}
              onChange={(event) => onDraft(decide(draft, item, { note: event.target.value }))}
            />
          ),
        },
      ]}
    />
  );
}

function Choice({ item, decision, onPick }: { item: ReviewItem; decision: Decision | null; onPick: (decision: Decision | null) => void }) {
  return (
    <span className="choice" role="group" aria-label={`Decision on ${item.name || item.subject}`}>
      {(["keep", "revoke"] as const).map((one) => (
        <button key={one} type="button" className={`choice-${one}`} aria-pressed={decision === one} onClick={() => onPick(decision === one ? null : one)}>
          {one === "keep" ? "Keep" : "Revoke"}
        </button>
      ))}
      {decision === null && item.decision && <span className="choice-before">{item.decision === "keep" ? "kept before" : "revoked before"}</span>}
    </span>
  );
}

/** Hands a file to the browser. */
function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
