import { useState } from "react";
import { RevokeDialog } from "../parts/RevokeDialog";
import { Filters } from "../parts/Filters";
import { Head, Panel, Refresh } from "../parts/Head";
import { List } from "../parts/List";
import { Table } from "../parts/Table";
import { Roles, When, Who } from "../parts/words";
import { useLoad, usePlace } from "../hooks";
import { useConsole } from "../operator";
import { buildPlace } from "../place";

const FIELDS = [
  { name: "subject", label: "Subject", hint: "alice" },
  { name: "role", label: "Role", hint: "admin" },
  { name: "client", label: "Client", hint: "spa" },
] as const;

export function SessionsView() {
  const { api } = useConsole();
  const place = usePlace();
  const [revoking, setRevoking] = useState(false);
  const loaded = useLoad(`sessions ${JSON.stringify(place.query)}`, (signal) => api.sessions(place.query, signal));

  return (
    <>
      <Head title="Sessions" lead="Everybody who is signed in now. A session that is ended here is over on every worker at once.">
        <Refresh loading={loaded.loading} onRefresh={loaded.reload} />
        <button type="button" className="button button-danger" onClick={() => setRevoking(true)}>
          End sessions…
        </button>
      </Head>
      <Panel>
        <Filters place={place} fields={FIELDS} />
        <List loaded={loaded} place={place} noun="session" empty="No session is like that. Everybody else’s go on.">
          {(items) => (
            <Table
              label="Sessions"
              items={items}
              busy={loaded.loading}
              keyOf={({ session }) => session}
              href={({ session }) => buildPlace("sessions", session)}
              columns={[
                { head: "Subject", cell: ({ subject, name }) => <Who subject={subject} name={name} />, wide: true },
                { head: "Roles", cell: ({ roles }) => <Roles roles={roles} /> },
                { head: "Client", cell: ({ client }) => <code>{client}</code> },
                { head: "Signed in", cell: ({ created_at }) => <When at={created_at} />, numeric: true },
                { head: "Idle ends", cell: ({ idle_expires_at }) => <When at={idle_expires_at} none="–" />, numeric: true },
                { head: "Ends", cell: ({ expires_at }) => <When at={expires_at} />, numeric: true },
              ]}
            />
          )}
        </List>
      </Panel>
      {revoking && (
        <RevokeDialog
          first={place.query["role"] ? { kind: "role", value: place.query["role"] } : { kind: "subject", value: place.query["subject"] ?? "" }}
          onClose={(ended) => {
            setRevoking(false);
            if (ended) loaded.reload();
          }}
        />
      )}
    </>
  );
}
