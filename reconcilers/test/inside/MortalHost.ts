import * as NodeServices from "@effect/platform-node/NodeServices"
import { userOf } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Option } from "effect"
import { lstatSync, readFileSync } from "node:fs"
import { AccountReader } from "../../src/accounts/AccountReader.ts"
import { AccountWriter } from "../../src/accounts/AccountWriter.ts"
import { DirectoryReader } from "../../src/directories/DirectoryReader.ts"
import { DirectoryWriter } from "../../src/directories/DirectoryWriter.ts"
import { FileMonitor } from "../../src/host/FileMonitor.ts"
import { HostCommand } from "../../src/host/HostCommand.ts"
import { ReplaceFile } from "../../src/host/ReplaceFile.ts"
import { SystemBus } from "../../src/host/SystemBus.ts"
import { FamilyKeyReader } from "../../src/identity/FamilyKeyReader.ts"
import { FamilyKeySource } from "../../src/identity/FamilyKeySource.ts"
import { FamilyKeyWriter } from "../../src/identity/FamilyKeyWriter.ts"
import {
  digestOfStored,
  IdentityStoreReader,
  IdentityStoreWriter,
  type StoredIdentities
} from "../../src/identity/IdentityStore.ts"
import { KeyFileReader } from "../../src/identity/KeyFileReader.ts"
import { KeyFileWriter } from "../../src/identity/KeyFileWriter.ts"
import { TorKeygen } from "../../src/identity/TorKeygen.ts"
import { LedgerReader } from "../../src/ledger/LedgerReader.ts"
import { LedgerWriter } from "../../src/ledger/LedgerWriter.ts"
import { ResolverReader } from "../../src/resolver/ResolverReader.ts"
import { ResolverWriter } from "../../src/resolver/ResolverWriter.ts"
import { TorrcReader } from "../../src/torrc/TorrcReader.ts"
import { TorrcVerifier } from "../../src/torrc/TorrcVerifier.ts"
import { TorrcWriter } from "../../src/torrc/TorrcWriter.ts"
import { BootstrapReader } from "../../src/units/BootstrapReader.ts"
import { InstanceReader } from "../../src/units/InstanceReader.ts"
import { RunningTor } from "../../src/units/RunningTor.ts"
import { SystemdReader } from "../../src/units/SystemdReader.ts"
import { SystemdWriter } from "../../src/units/SystemdWriter.ts"
import { UnitLedgerReader, UnitLedgerWriter } from "../../src/units/UnitLedger.ts"
import type { Broken } from "../KindLaws.ts"
import { Lifetime, mortal, watched } from "../Lifetime.ts"
import { FAMILIES } from "../TestFamilies.ts"

const readers = Layer.mergeAll(
  FileMonitor.layer,
  LedgerReader.layer,
  AccountReader.layer,
  DirectoryReader.layer,
  ResolverReader.layer,
  TorrcReader.layer,
  FamilyKeyReader.layer,
  KeyFileReader.layer,
  InstanceReader.layer,
  UnitLedgerReader.layer
)

/** A store in place of a TPM, which is real in packages/agent/test. */
const storeOf = (host: Lifetime, start: StoredIdentities) => {
  let entries = start
  const writer = Layer.succeed(IdentityStoreWriter, {
    write: (next) =>
      Effect.sync(() => {
        entries = next
      })
  })
  const layer = Layer.merge(
    mortal(IdentityStoreWriter, host, writer),
    Layer.succeed(IdentityStoreReader, {
      isToMove: Effect.succeed(false),
      read: Effect.sync(() => entries),
      digest: Effect.sync(() => Option.some(digestOfStored(entries)))
    })
  )
  return { layer, stored: () => entries }
}

/** Programs are asked for the accounts of broken relays by a name that nobody has. */
const commandFor = (broken: Broken) =>
  Layer.effect(
    HostCommand,
    Effect.map(HostCommand, (real) => {
      const misled = (args: ReadonlyArray<string>) =>
        args.map((arg) => [...broken].some((name) => arg === userOf(name)) ? `${arg}-absent` : arg)
      return HostCommand.of({
        run: (program, args, options) => real.run(program, misled(args), options),
        attempt: (program, args, options) => real.attempt(program, misled(args), options),
        ask: real.ask
      })
    })
  ).pipe(Layer.provide(HostCommand.layer), Layer.provide(NodeServices.layer))

/** A server in place of the one that seals keys to the TPM, which is in test/host. */
const server = Layer.succeed(FamilyKeySource, {
  ask: (ids) =>
    Effect.succeed(new Map(FAMILIES.flatMap(({ id, secret }) => ids.includes(id) ? [[id, secret] as const] : [])))
})

/** The node that the test runs on, with an agent that can die before any call of any writer. */
export const mortalHost = (broken: Broken, stored: StoredIdentities = new Map()) => {
  const host = new Lifetime()
  const argv: Array<string> = []
  const store = storeOf(host, stored)
  const heard = watched(HostCommand, commandFor(broken), (args, call) => {
    argv.push(JSON.stringify(args.slice(0, 2)))
    return call
  })
  // Between the two files that one call writes, too.
  const keyFiles = KeyFileWriter.layer.pipe(Layer.provide(mortal(ReplaceFile, host, ReplaceFile.layer)))
  const familyKeys = FamilyKeyWriter.layer.pipe(Layer.provide(mortal(ReplaceFile, host, ReplaceFile.layer)))
  const writers = Layer.mergeAll(
    mortal(LedgerWriter, host, LedgerWriter.layer),
    mortal(AccountWriter, host, AccountWriter.layer),
    mortal(DirectoryWriter, host, DirectoryWriter.layer),
    mortal(ResolverWriter, host, ResolverWriter.layer),
    mortal(TorrcWriter, host, TorrcWriter.layer),
    mortal(FamilyKeyWriter, host, familyKeys),
    mortal(KeyFileWriter, host, keyFiles),
    mortal(RunningTor, host, RunningTor.layer),
    mortal(TorKeygen, host, TorKeygen.layer),
    mortal(UnitLedgerWriter, host, UnitLedgerWriter.layer),
    TorrcVerifier.layer,
    BootstrapReader.layer
  )
  const systemd = Layer.merge(SystemdReader.layer, mortal(SystemdWriter, host, SystemdWriter.layer)).pipe(
    Layer.provide(SystemBus.layer)
  )
  const layer = Layer.mergeAll(
    readers,
    writers.pipe(Layer.provide(Layer.merge(heard, ReplaceFile.layer))),
    heard,
    systemd,
    store.layer,
    server
  )
  return { host, layer, argv: () => argv, stored: store.stored }
}

export type Services = Layer.Success<ReturnType<typeof mortalHost>["layer"]>

/** Whatever stands at a path, to compare: its rights, owner and text. */
export const lookOf = (path: string): string => {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return `${path} is not there`
  const content = stat.isFile() ? readFileSync(path, "utf8") : ""
  return `${path} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${stat.ino} ${stat.mtimeMs} ${content}`
}

/** The lines of a table of accounts that are of none of these relays. */
export const othersIn = (path: string, relays: ReadonlyArray<string>): ReadonlyArray<string> =>
  readFileSync(path, "utf8").split("\n").filter((line) => !relays.some((name) => line.startsWith(`_tor-${name}:`)))
