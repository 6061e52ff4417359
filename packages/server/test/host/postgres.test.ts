import { postgresForFile } from "../rig/postgresForFile.ts"
import { FEW_RUNS_VARIABLE } from "../rig/runs.ts"

/**
 * Every test that has to do with a database, once more, on PostgreSQL: `testDatabase` looks where it is to be. Commands of
 * which another test has all that they ask of the database are left out, for each call is a process.
 */
postgresForFile()

// What is here to find out is whether PostgreSQL does as SQLite does, of which the laws hold in the pure tier.
process.env[FEW_RUNS_VARIABLE] = "yes"

await import("../allocate-together.test.ts")
await import("../api.test.ts")
await import("../bad-input.test.ts")
await import("../boot.test.ts")
await import("../boot-evidence.test.ts")
await import("../boot-selection.test.ts")
await import("../challenge.test.ts")
await import("../commands.test.ts")
await import("../entity.test.ts")
await import("../events.test.ts")
await import("../events-https.test.ts")
await import("../family.test.ts")
await import("../fleet.test.ts")
await import("../fleet-settings.test.ts")
await import("../held-by-relays.test.ts")
await import("../fleet-life.test.ts")
await import("../generation.test.ts")
await import("../given-rows.test.ts")
await import("../in-groups.test.ts")
await import("../limits.test.ts")
await import("../migration.test.ts")
await import("../node-clock.test.ts")
await import("../other-endorsement-key.test.ts")
await import("../parallel.test.ts")
await import("../pools.test.ts")
await import("../proof.test.ts")
await import("../quarantine.test.ts")
await import("../removal.test.ts")
await import("../rollout.test.ts")
await import("../rotation.test.ts")
await import("../shared-addresses.test.ts")
await import("../torrc-layers.test.ts")
await import("../trust.test.ts")
