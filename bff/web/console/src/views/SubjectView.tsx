import { useState } from "react";
import { Opens, Origins } from "../parts/access";
import { Head, Panel, Refresh } from "../parts/Head";
import { Skeleton } from "../parts/List";
import { Failure } from "../parts/Notice";
import { RevokeDialog } from "../parts/RevokeDialog";
import { FindingChips, Pairs, PlaceLink, Roles, When } from "../parts/words";
import { plural } from "../format";
import { useLoad } from "../hooks";
import { useConsole } from "../operator";

/** One subject: which roles, from where, opening what, used when. */
export function SubjectView({ id }: { id: string }) {
  const { api } = useConsole();
  const { value, error, loading, reload } = useLoad(`subject ${id}`, (signal) => api.subject(id, signal));
  const [revoking, setRevoking] = useState(false);

  return (
    <>
      <Head title={value ? value.name || value.subject : "Subject"} back={<PlaceLink view="subjects">Subjects and roles</PlaceLink>}>
        <Refresh loading={loading} onRefresh={reload} />
        {value && value.live_sessions > 0 && (
          <button type="button" className="button button-danger" onClick={() => setRevoking(true)}>
            End {plural(value.live_sessions, "session")}…
          </button>
        )}
      </Head>
      <Failure error={error} onRetry={reload} />
      {!value && loading && <Skeleton />}
      {value && (
        <div className="halves">
          <Panel title="Subject">
            <Pairs
              of={[
                ["Subject", <code key="s">{value.subject}</code>],
                ["Issuer", <code key="i">{value.issuer}</code>],
                ["Roles", <Roles key="r" roles={value.roles} />],
                ["Findings", <FindingChips key="f" findings={value.findings} />],
                ["First seen", <When key="fs" at={value.first_seen_at} as="moment" none="not known" />],
                ["Last login", <When key="ll" at={value.last_login_at} />],
                ["Last use", <When key="lu" at={value.last_use_at} />],
                [
                  "Live sessions",
                  <PlaceLink key="ls" view="sessions" query={{ subject: value.subject }}>
                    {plural(value.live_sessions, "session")}
                  </PlaceLink>,
                ],
                [
                  "Last review",
                  value.review ? (
                    <span key="rv">
                      {value.review.decision === "keep" ? "kept" : "revoked"} <When at={value.review.at} /> by {value.review.by}
                      {value.review.note && <>: {value.review.note}</>}
                    </span>
                  ) : (
                    <span key="rv" className="faint">never</span>
                  ),
                ],
              ]}
            />
            <p className="panel-foot">
              <PlaceLink view="audit" query={{ subject: value.subject }}>In the audit log</PlaceLink>
            </p>
          </Panel>
          <div className="stack">
            <Panel title="Where the roles come from">
              <Origins origins={value.origins} />
            </Panel>
            <Panel title="What they open">
              <Opens opens={value.opens} />
            </Panel>
          </div>
        </div>
      )}
      {revoking && value && (
        <RevokeDialog
          fixed
          first={{ kind: "subject", value: value.subject }}
          onClose={(ended) => {
            setRevoking(false);
            if (ended) reload();
          }}
        />
      )}
    </>
  );
}
