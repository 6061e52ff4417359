import type { SqlError } from "effect/sql"

/** What the database itself said, where the driver's words are only that something failed. */
export const sqlMessage = ({ reason }: SqlError.SqlError): string => {
  const said = reason.cause instanceof Error ? reason.cause.message : ""
  const message = reason.message ?? ""
  if (said === "" || message.includes(said)) return message === "" ? reason._tag : message
  return message === "" ? said : `${message}: ${said}`
}
