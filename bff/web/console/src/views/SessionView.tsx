import { useState } from "react";
import { Opens, Origins } from "../parts/access";
import { Head, Panel, Refresh } from "../parts/Head";
import { Skeleton } from "../parts/List";
import { Failure, Notice } from "../parts/Notice";
import { RevokeDialog } from "../parts/RevokeDialog";
import { Pairs, PlaceLink, Roles, When } from "../parts/words";
import { useLoad } from "../hooks";
import { useConsole } from "../operator";

/** One session: who, since when, with which roles, and what these open. Never its tokens. */
export function SessionView({ handle }: { handle: string }) {
  const { api } = useConsole();
  const { value, error, loading, reload } = useLoad(`session ${handle}`, (signal) => api.session(handle, signal));
  const [revoking, setRevoking] = useState<"session" | "subject" | null>(null);
  const [isOver, setIsOver] = useState(false);

  return (
    <>
      <Head title={value ? `Session of ${value.name || value.subject}` : "Session"} back={<PlaceLink view="sessions">Sessions</PlaceLink>}>
        {!isOver && <Refresh loading={loading} onRefresh={reload} />}
        {value && !isOver && (
          <>
            <button type="button" className="button button-danger" onClick={() => setRevoking("subject")}>
              End all of this subject…
            </button>
            <button type="button" className="button button-alarm" onClick={() => setRevoking("session")} data-testid="end-session">
              End this session…
            </button>
          </>
        )}
      </Head>
      {isOver && (
        <Notice tone="good" title="This session has ended">
          <p>What is below is as it was. <PlaceLink view="sessions">Back to the sessions.</PlaceLink></p>
        </Notice>
      )}
      {!isOver && <Failure error={error} onRetry={reload} />}
      {!value && loading && <Skeleton />}
      {value && (
        <div className="halves">
          <Panel title="Session">
            <Pairs
              of={[
                ["Subject", <PlaceLink key="s" view="sessions" query={{ subject: value.subject }}>{value.subject}</PlaceLink>],
                ["Roles", <Roles key="r" roles={value.roles} />],
                ["Signed in", <When key="c" at={value.created_at} as="moment" />],
                ["Idle ends", <When key="i" at={value.idle_expires_at} none="–" />],
                ["Ends", <When key="e" at={value.expires_at} as="moment" />],
                ["Client", <code key="cl">{value.client}</code>],
                ["Issuer", <code key="is">{value.issuer}</code>],
                ["Handle", <code key="h">{value.session}</code>],
              ]}
            />
            <p className="panel-foot">
              <PlaceLink view="audit" query={{ session: value.session }}>What it did, in the audit log</PlaceLink>
              <PlaceLink view="subjects" query={{ q: value.subject }}>The subject</PlaceLink>
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
          first={revoking === "session" ? { kind: "session", value: handle } : { kind: "subject", value: value.subject }}
          onClose={(ended) => {
            setRevoking(null);
            if (ended) setIsOver(true);
          }}
        />
      )}
    </>
  );
}
