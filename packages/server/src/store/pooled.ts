import { SqlError } from "effect/sql"

/** The setting that says that DATABASE_URL goes through a pooler, and where PostgreSQL itself is. */
export const DIRECT_URL = "PATELA_DATABASE_DIRECT_URL"

/** What a pooler says of settings that a connection begins with, which PostgreSQL itself knows (PgBouncer, src/client.c). */
const REFUSED = /unsupported startup parameter/

const message =
  "The connection goes through a pooler such as PgBouncer, which hands PostgreSQL's connections from one " +
  "client to another: limits that it is to begin with are not kept, and what other servers change is not heard. Set " +
  `${DIRECT_URL} to the URL of PostgreSQL itself, beside DATABASE_URL, or use that as DATABASE_URL`

/** Between here and PostgreSQL is something that was not said to be there. */
export const pooledUnsaid = (cause: unknown): SqlError.SqlError =>
  new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause, message, operation: "connect" }) })

/** Whether a connection was refused by a pooler, for what only PostgreSQL itself takes. */
export const isRefusedByPooler = ({ reason }: SqlError.SqlError): boolean =>
  reason.cause instanceof Error && REFUSED.test(reason.cause.message)
