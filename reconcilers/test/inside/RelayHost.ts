import * as NodeServices from "@effect/platform-node/NodeServices"
import type { DesiredInput, Kind, KindPlan } from "@patela/domain/reconciler/Kind"
import { failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect, Layer } from "effect"
import { execFileSync } from "node:child_process"
import { existsSync, lstatSync, rmSync } from "node:fs"
import { AccountReader } from "../../src/accounts/AccountReader.ts"
import { Accounts } from "../../src/accounts/Accounts.ts"
import { AccountWriter } from "../../src/accounts/AccountWriter.ts"
import { Directories } from "../../src/directories/Directories.ts"
import { DirectoryReader } from "../../src/directories/DirectoryReader.ts"
import { DirectoryWriter } from "../../src/directories/DirectoryWriter.ts"
import { FileMonitor } from "../../src/host/FileMonitor.ts"
import { HostCommand } from "../../src/host/HostCommand.ts"
import { ReplaceFile } from "../../src/host/ReplaceFile.ts"
import { LedgerReader } from "../../src/ledger/LedgerReader.ts"
import { LedgerWriter } from "../../src/ledger/LedgerWriter.ts"
import { Resolver } from "../../src/resolver/Resolver.ts"
import { ResolverReader } from "../../src/resolver/ResolverReader.ts"
import { ResolverWriter } from "../../src/resolver/ResolverWriter.ts"
import { TorrcReader } from "../../src/torrc/TorrcReader.ts"
import { Torrcs } from "../../src/torrc/Torrcs.ts"
import { TorrcVerifier } from "../../src/torrc/TorrcVerifier.ts"
import { TorrcWriter } from "../../src/torrc/TorrcWriter.ts"
import { nodeInput } from "../NodeInput.ts"

if (!existsSync("/run/systemd/container")) {
  throw new Error("these tests change the system they run on: run them inside the throw-away container")
}

const command = HostCommand.layer.pipe(Layer.provide(NodeServices.layer))

const readers = Layer.mergeAll(
  LedgerReader.layer,
  AccountReader.layer,
  DirectoryReader.layer,
  FileMonitor.layer,
  ResolverReader.layer,
  TorrcReader.layer
)

const writers = Layer.mergeAll(
  LedgerWriter.layer,
  AccountWriter.layer,
  DirectoryWriter.layer,
  ResolverWriter.layer,
  TorrcWriter.layer,
  TorrcVerifier.layer
).pipe(Layer.provide(Layer.mergeAll(command, ReplaceFile.layer)))

/** The host itself. */
const host = Layer.mergeAll(readers, writers)

type Read = Layer.Success<typeof readers>
type Write = Layer.Success<typeof readers> | Layer.Success<typeof writers>

const KINDS: ReadonlyArray<Kind<Read, Write>> = [Accounts, Directories, Resolver, Torrcs]

/** Everything that differs, in the order in which it is made. */
export const plans = (input: DesiredInput) => Effect.forEach(KINDS, (kind) => kind.plan(input))

/** What the four kinds would change, one line a change. */
export const differing = (input: DesiredInput) =>
  Effect.map(
    plans(input),
    (all) =>
      all.flatMap(({ changes }) =>
        changes.map(({ action, address, lines }) => `${action} ${address}: ${lines.join("; ")}`)
      )
  )

/**
 * The least engine that there can be: removals backwards, then the rest in order, each kind planned after the ones before
 * it were applied; what needs something that failed is left out.
 */
export const converge = Effect.fnUntraced(function*(input: DesiredInput) {
  const outcomes = new Map<ResourceAddress, Outcome>()
  const apply = Effect.fnUntraced(function*(plan: KindPlan<Write>, removals: boolean) {
    for (const { address, refused } of plan.refused) outcomes.set(address, failed(refused))
    const applied = yield* plan.apply(({ action, needs }) =>
      (action === "remove") === removals && needs.every((need) => outcomes.get(need)?.done !== false)
    )
    for (const [address, outcome] of applied) outcomes.set(address, outcome)
  })
  for (const kind of KINDS.toReversed()) yield* apply(yield* kind.plan(input), true)
  for (const kind of KINDS) yield* apply(yield* kind.plan(input), false)
  return outcomes
})

/** What failed, by address. */
export const failures = (outcomes: ReadonlyMap<ResourceAddress, Outcome>): Readonly<Record<string, string>> =>
  Object.fromEntries([...outcomes].flatMap(([address, outcome]) => (outcome.done ? [] : [[address, outcome.message]])))

export const run = (program: string, ...args: ReadonlyArray<string>): string =>
  execFileSync(program, args, { encoding: "utf8" })

/** Type, rights, owner, inode and times of a path: if anything was written there, this differs. */
export const stamp = (path: string): string => {
  const { ctimeNs, gid, ino, mode, mtimeNs, uid } = lstatSync(path, { bigint: true })
  return `${path} ${mode.toString(8)} ${uid}:${gid} ${ino} ${mtimeNs} ${ctimeNs}`
}

/** Permission bits and numeric owner of a path, as stat(1) shows them. */
export const rights = (path: string): string => run("stat", "-c", "%a %u:%g", path).trim()

/** Removes all that Patela made, as it would itself. */
export const teardown = converge(nodeInput([]))

/** Runs a test on the host, and takes Patela's things away however it ends. */
export const onHost = <A, E>(test: Effect.Effect<A, E, Read | Write>): Effect.Effect<A, E> =>
  test.pipe(Effect.ensuring(Effect.ignore(teardown)), Effect.provide(host))

/** Makes an account that is not Patela's, with one number for user and group. */
export const addForeign = (name: string, id: number) => {
  run("groupadd", "--gid", String(id), name)
  run("useradd", "--uid", String(id), "--gid", String(id), "--no-create-home", name)
}

/** Removes what Patela will not: what the test itself made. */
export const clear = (...paths: ReadonlyArray<string>) => {
  for (const path of paths) rmSync(path, { recursive: true, force: true })
}
