import { Filters } from "../parts/Filters";
import { Head, Panel, Refresh } from "../parts/Head";
import { List } from "../parts/List";
import { Table } from "../parts/Table";
import { FindingChips, Roles, When, Who } from "../parts/words";
import { formatNumber } from "../format";
import { useLoad, usePlace } from "../hooks";
import { useConsole } from "../operator";
import { buildPlace } from "../place";

export const SUBJECT_FIELDS = [
  { name: "q", label: "Name or subject", hint: "alice" },
  { name: "role", label: "Role", hint: "admin" },
  { name: "unused_days", label: "Unused for (days)", hint: "90", kind: "number" },
  {
    name: "finding",
    label: "Finding",
    options: [
      ["", "any or none"],
      ["unused_90_days", "unused for 90 days"],
      ["role_never_needed", "a role was never needed"],
      ["role_opens_nothing", "a role opens nothing"],
    ],
  },
] as const;

export function SubjectsView() {
  const { api } = useConsole();
  const place = usePlace();
  const loaded = useLoad(`subjects ${JSON.stringify(place.query)}`, (signal) => api.subjects(place.query, signal));

  return (
    <>
      <Head title="Subjects and roles" lead="Everybody who was seen, with the roles they hold, what these open, and when they were last of use.">
        <Refresh loading={loaded.loading} onRefresh={loaded.reload} />
      </Head>
      <Panel>
        <Filters place={place} fields={SUBJECT_FIELDS} />
        <List loaded={loaded} place={place} noun="subject" empty="Nobody is like that.">
          {(items) => (
            <Table
              label="Subjects"
              items={items}
              busy={loaded.loading}
              keyOf={({ id }) => id}
              href={({ id }) => buildPlace("subjects", id)}
              columns={[
                { head: "Subject", cell: ({ subject, name }) => <Who subject={subject} name={name} />, wide: true },
                { head: "Roles", cell: ({ roles }) => <Roles roles={roles} /> },
                { head: "Findings", cell: ({ findings }) => <FindingChips findings={findings} /> },
                { head: "Last login", cell: ({ last_login_at }) => <When at={last_login_at} />, numeric: true },
                { head: "Last use", cell: ({ last_use_at }) => <When at={last_use_at} />, numeric: true },
                { head: "Live", cell: ({ live_sessions }) => formatNumber(live_sessions), numeric: true },
              ]}
            />
          )}
        </List>
      </Panel>
    </>
  );
}
