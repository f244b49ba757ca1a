/** Where roles come from and what they open. */
import type { Opened, Origin } from "../client/shapes";
import { Table } from "./Table";

export function Origins({ origins }: { origins: readonly Origin[] }) {
  if (origins.length === 0) return <p className="empty">No role, and so nothing that asks for one.</p>;
  return (
    <Table
      label="Where the roles come from"
      items={origins}
      keyOf={({ role, kind, source }) => `${role} ${kind} ${source}`}
      columns={[
        { head: "Role", cell: ({ role }) => <span className="chip">{role}</span> },
        { head: "Comes from", cell: ({ text, kind, source }) => text || `${kind} ${source}`, wide: true },
      ]}
    />
  );
}

export function Opens({ opens }: { opens: readonly Opened[] }) {
  if (opens.length === 0) return <p className="empty">Opens no route.</p>;
  return (
    <Table
      label="What it opens"
      items={opens}
      keyOf={({ route, rule, methods }) => `${route} ${rule} ${methods.join()}`}
      columns={[
        { head: "Route", cell: ({ route }) => <code className="route-name">{route}</code> },
        { head: "Methods", cell: ({ methods }) => methodsInWords(methods) },
        { head: "By", cell: ({ rule, text }) => (rule === null ? text : `rule ${rule}: ${text}`), wide: true },
      ]}
    />
  );
}

const EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

function methodsInWords(methods: readonly string[]): string {
  return methods.length === 0 || EVERY_METHOD.every((method) => methods.includes(method)) ? "any" : methods.join(", ");
}
