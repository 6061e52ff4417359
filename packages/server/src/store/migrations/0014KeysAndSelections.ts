import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * A machine is also looked for by its attestation key alone, for it may ask with another of its endorsement keys. A boot is
 * allowed for the PCRs that its digest is over, `pcrs` as numbers with commas between: those of before are of the ones
 * that were fixed until then.
 */
export const addKeysAndSelections = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE INDEX nodes_by_attestation_key ON nodes (ak_name)`
  yield* sql`CREATE TABLE allowed_boots_of (
    digest TEXT NOT NULL,
    pcrs TEXT NOT NULL,
    boot TEXT,
    learned_from INTEGER,
    allowed_at TEXT NOT NULL,
    PRIMARY KEY (digest, pcrs)
  )`
  yield* sql`INSERT INTO allowed_boots_of (digest, pcrs, boot, learned_from, allowed_at)
    SELECT digest, '0,2,4,7,12,13,14', boot, learned_from, allowed_at FROM allowed_boots`
  yield* sql`DROP TABLE allowed_boots`
  yield* sql`ALTER TABLE allowed_boots_of RENAME TO allowed_boots`
})
