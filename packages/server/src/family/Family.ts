import type { SealedFamilyKeys } from "@patela/domain/api/FamilyKeys"
import { FamilyUnknown } from "@patela/domain/api/Problems"
import type { FamilyId } from "@patela/domain/family/FamilyId"
import type { NodeFamily } from "@patela/domain/family/NodeFamily"
import { RsaFingerprint } from "@patela/domain/relay/Fingerprint"
import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { FleetSettings } from "../settings/FleetSettings.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { FamilyKeys } from "./FamilyKeys.ts"
import { FamilySwitches } from "./FamilySwitches.ts"
import { sealFamilyKeys } from "./sealFamilyKeys.ts"
import { takesFamilyId } from "./takesFamilyId.ts"

/**
 * More relays than this are not named by each other: at 42 bytes each, descriptors of such a family come near the 20,000
 * bytes that directory authorities take (tor source, MAX_DESCRIPTOR_UPLOAD_SIZE), and its relays would be in no consensus.
 */
export const MOST_MEMBERS = 400

/** What nodes are told of the family, and how they come by its keys. */
export class Family extends Context.Service<Family, {
  /** The fingerprints on record of all relays, sorted. */
  readonly members: Effect.Effect<ReadonlyArray<RsaFingerprint>, StoreFailed>
  /** Undefined where relays are to declare none. A node whose tor is too old is told of no key. */
  readonly told: (node: Pick<NodeRow, "tor_version">) => Effect.Effect<NodeFamily | undefined, StoreFailed>
  /** Keys that nodes are told of, for one node's TPM alone. */
  readonly seal: (
    node: NodeRow,
    ids: ReadonlyArray<FamilyId>
  ) => Effect.Effect<SealedFamilyKeys, FamilyUnknown | StoreFailed>
}>()("@patela/server/family/Family") {
  static readonly layer = Layer.effect(
    Family,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const fleet = yield* FleetSettings
      const keys = yield* FamilyKeys
      const switches = yield* FamilySwitches
      const recorded = SqlSchema.findAll({
        Request: Schema.Void,
        Result: Schema.Struct({ fingerprint_rsa: RsaFingerprint }),
        execute: () =>
          sql`SELECT fingerprint_rsa FROM relays WHERE fingerprint_rsa IS NOT NULL ORDER BY fingerprint_rsa`
      })
      const members = recorded().pipe(
        Effect.map((rows) => rows.map(({ fingerprint_rsa }) => fingerprint_rsa)),
        asStoreFailed("list the relays' fingerprints")
      )

      const idsNow = Effect.gen(function*() {
        return (yield* switches.read).id ? (yield* keys.list).map(({ family_id }) => family_id) : []
      })

      const told = Effect.fn("Family.told")(function*({ tor_version }: Pick<NodeRow, "tor_version">) {
        const { family } = yield* fleet.now
        const ids = takesFamilyId(tor_version) && family.id ? family.keys : []
        const all = family.members ? yield* members : []
        const named = all.length > MOST_MEMBERS ? [] : all
        return ids.length === 0 && named.length === 0 ? undefined : { ids, members: named }
      })

      const seal = Effect.fn("Family.seal")(function*(node: NodeRow, ids: ReadonlyArray<FamilyId>) {
        const now = new Set(yield* idsNow)
        const secrets = yield* keys.secrets
        const asked = new Map(ids.flatMap((id) => {
          const secret = secrets.get(id)
          return secret === undefined || !now.has(id) ? [] : [[id, secret] as const]
        }))
        const unknown = ids.find((id) => !asked.has(id))
        if (unknown !== undefined || asked.size === 0) {
          return yield* new FamilyUnknown({
            detail: `Relays of this node declare no family ${unknown ?? ""}: read the configuration again`
          })
        }
        yield* Effect.logInfo(`node ${node.id} is given ${asked.size} keys of the family, sealed to its TPM`)
        // A node that authenticated has keys that a credential can be made for.
        return yield* sealFamilyKeys(node, asked).pipe(
          Effect.catchTags({ CredentialRefused: Effect.die, NotAnEndorsementKey: Effect.die })
        )
      })

      return Family.of({ members, told, seal })
    })
  )
}
