import * as NodeServices from "@effect/platform-node/NodeServices"
import { AccountReader } from "@patela/reconcilers/accounts/AccountReader"
import { AccountWriter } from "@patela/reconcilers/accounts/AccountWriter"
import { AddressReader } from "@patela/reconcilers/addresses/AddressReader"
import { AddressWriter } from "@patela/reconcilers/addresses/AddressWriter"
import { DirectoryReader } from "@patela/reconcilers/directories/DirectoryReader"
import { DirectoryWriter } from "@patela/reconcilers/directories/DirectoryWriter"
import { DaemonReload } from "@patela/reconcilers/drop-ins/DaemonReload"
import { DropInLedgerReader, DropInLedgerWriter } from "@patela/reconcilers/drop-ins/DropInLedger"
import { DropInReader } from "@patela/reconcilers/drop-ins/DropInReader"
import { DropInWriter } from "@patela/reconcilers/drop-ins/DropInWriter"
import { FileMonitor } from "@patela/reconcilers/host/FileMonitor"
import { HostCommand } from "@patela/reconcilers/host/HostCommand"
import { HostMonitor } from "@patela/reconcilers/host/HostMonitor"
import { ReplaceFile } from "@patela/reconcilers/host/ReplaceFile"
import { SystemBus } from "@patela/reconcilers/host/SystemBus"
import { FamilyKeyReader } from "@patela/reconcilers/identity/FamilyKeyReader"
import { FamilyKeyWriter } from "@patela/reconcilers/identity/FamilyKeyWriter"
import { IdentityPolicy } from "@patela/reconcilers/identity/IdentityPolicy"
import { KeyFileReader } from "@patela/reconcilers/identity/KeyFileReader"
import { KeyFileWriter } from "@patela/reconcilers/identity/KeyFileWriter"
import { TorKeygen } from "@patela/reconcilers/identity/TorKeygen"
import { SettingLedgerReader, SettingLedgerWriter } from "@patela/reconcilers/kernel-settings/SettingLedger"
import { SettingReader } from "@patela/reconcilers/kernel-settings/SettingReader"
import { SettingWriter } from "@patela/reconcilers/kernel-settings/SettingWriter"
import { LedgerReader } from "@patela/reconcilers/ledger/LedgerReader"
import { LedgerWriter } from "@patela/reconcilers/ledger/LedgerWriter"
import { ResolverReader } from "@patela/reconcilers/resolver/ResolverReader"
import { ResolverWriter } from "@patela/reconcilers/resolver/ResolverWriter"
import { RouteReader } from "@patela/reconcilers/routing/RouteReader"
import { RouteWriter } from "@patela/reconcilers/routing/RouteWriter"
import { SourceNatReader } from "@patela/reconcilers/source-nat/SourceNatReader"
import { SourceNatWriter } from "@patela/reconcilers/source-nat/SourceNatWriter"
import { TorrcReader } from "@patela/reconcilers/torrc/TorrcReader"
import { TorrcVerifier } from "@patela/reconcilers/torrc/TorrcVerifier"
import { TorrcWriter } from "@patela/reconcilers/torrc/TorrcWriter"
import { BootstrapReader } from "@patela/reconcilers/units/BootstrapReader"
import { InstanceReader } from "@patela/reconcilers/units/InstanceReader"
import { RunningTor } from "@patela/reconcilers/units/RunningTor"
import { SystemdReader } from "@patela/reconcilers/units/SystemdReader"
import { SystemdWriter } from "@patela/reconcilers/units/SystemdWriter"
import { UnitLedgerReader, UnitLedgerWriter } from "@patela/reconcilers/units/UnitLedger"
import { CurrentImagePolicy } from "@patela/tpm/policy/ImagePolicy"
import { KeyStore } from "@patela/tpm/store/KeyStore"
import { Sealing } from "@patela/tpm/store/Sealing"
import { tctiOf } from "@patela/tpm/transport/Tcti"
import { TpmTransport, transportOf } from "@patela/tpm/transport/TpmTransport"
import { Config, Effect, Layer, Option } from "effect"
import type { NodeOptions, ServerOptions } from "./commands/AgentFlags.ts"
import { AgentNotes, AgentState } from "./host/AgentState.ts"
import { HostFactsReader } from "./host/HostFactsReader.ts"
import { ConfigKeeper, KeptConfig } from "./host/KeptConfig.ts"
import { ServerProbe } from "./host/ServerProbe.ts"
import { ServiceNotify } from "./host/ServiceNotify.ts"
import { TrialFile } from "./host/TrialFile.ts"
import { WriterLock } from "./host/WriterLock.ts"
import { SealedFamilyKeys } from "./keys/SealedFamilyKeys.ts"
import { TpmIdentityStore } from "./keys/TpmIdentityStore.ts"
import { EVENT_LOG_PATH, eventLogFileAt } from "./session/EventLogFile.ts"
import { KeptToken, tokenKeeperLayer } from "./session/KeptToken.ts"
import { ServerClient, SessionToken } from "./session/ServerClient.ts"
import { Session } from "./session/Session.ts"
import { StatusFile } from "./status/StatusFile.ts"

/** The TPM at a `--tpm2` value, by the transport that PATELA_TPM_TRANSPORT names. Nothing is asked of it until it is used. */
export const tpmLayer = (address: string) =>
  Layer.unwrap(Effect.gen(function*() {
    const tcti = yield* Effect.fromResult(tctiOf(address))
    const imagePolicy = (yield* CurrentImagePolicy).get
    const named = yield* Config.option(Config.String("PATELA_TPM_TRANSPORT"))
    if (Option.isNone(named)) return TpmTransport.layer({ tcti, imagePolicy })
    const transport = yield* Effect.fromResult(transportOf(named.value))
    return TpmTransport.layer({ tcti, imagePolicy, transport })
  }))

/** The log that the firmware wrote is of the first TPM of this machine, and of no other that `--tpm2` names. */
const eventLogLayer = (address: string) =>
  /^(?:device:)?\/dev\/tpm(?:rm)?0$/.test(address) ? eventLogFileAt(EVENT_LOG_PATH) : Layer.empty

const sessionLayer = (options: ServerOptions) =>
  Session.layer.pipe(
    Layer.provide(eventLogLayer(options.tpm)),
    Layer.provide(ServerClient.layer({ url: options.server, caCertificate: options.caCertificate })),
    Layer.provide(Layer.mergeAll(SessionToken.layer, KeptToken.layer))
  )

const readers = Layer.mergeAll(
  AccountReader.layer,
  AddressReader.layer,
  DirectoryReader.layer,
  FileMonitor.layer,
  DropInLedgerReader.layer,
  DropInReader.layer,
  FamilyKeyReader.layer,
  HostFactsReader.layer.pipe(Layer.provide(AddressReader.layer)),
  HostMonitor.layer,
  InstanceReader.layer,
  KeyFileReader.layer,
  LedgerReader.layer,
  ResolverReader.layer,
  RouteReader.layer,
  SettingLedgerReader.layer,
  SettingReader.layer,
  SourceNatReader.layer,
  SystemdReader.layer,
  TorrcReader.layer,
  UnitLedgerReader.layer
)

const writers = Layer.mergeAll(
  AccountWriter.layer,
  AgentNotes.layer,
  AddressWriter.layer,
  BootstrapReader.layer,
  ConfigKeeper.layer,
  DaemonReload.layer,
  DirectoryWriter.layer,
  DropInLedgerWriter.layer,
  DropInWriter.layer,
  FamilyKeyWriter.layer,
  KeyFileWriter.layer,
  LedgerWriter.layer,
  ResolverWriter.layer,
  RouteWriter.layer,
  RunningTor.layer,
  SettingLedgerWriter.layer,
  SettingWriter.layer,
  SourceNatWriter.layer,
  StatusFile.layer,
  SystemdWriter.layer,
  TorKeygen.layer,
  TorrcVerifier.layer,
  TorrcWriter.layer,
  TrialFile.layer,
  UnitLedgerWriter.layer,
  WriterLock.layer
)

const host = Layer.mergeAll(HostCommand.layer, ReplaceFile.layer, SystemBus.layer)

/** A session with the server, and nothing that looks at the rest of the host. */
export const serverLayer = (options: ServerOptions) =>
  sessionLayer(options).pipe(
    Layer.provide(tpmLayer(options.tpm)),
    Layer.provide(CurrentImagePolicy.layer),
    Layer.provide(NodeServices.layer)
  )

/** Everything that looks at the host, and no server. */
export const hostObservingLayer = ({ tpm }: Pick<NodeOptions, "tpm">) =>
  Layer.mergeAll(readers, AgentState.layer, TpmIdentityStore.readerLayer).pipe(
    Layer.provide(KeyStore.layer),
    Layer.provide(tpmLayer(tpm)),
    Layer.provideMerge(CurrentImagePolicy.layer),
    Layer.provide(host),
    Layer.provide(NodeServices.layer)
  )

/** Everything that looks: enough for `diff`, and by its type not enough to change anything. */
export const observingLayer = (options: ServerOptions) =>
  Layer.mergeAll(readers, AgentState.layer, sessionLayer(options), TpmIdentityStore.readerLayer).pipe(
    Layer.provide(KeyStore.layer),
    Layer.provide(tpmLayer(options.tpm)),
    Layer.provideMerge(CurrentImagePolicy.layer),
    Layer.provide(host),
    Layer.provide(NodeServices.layer)
  )

/** Everything that looks and everything that changes. */
export const nodeLayer = (options: NodeOptions) => {
  const session = sessionLayer(options).pipe(Layer.provide(tokenKeeperLayer))
  return Layer.mergeAll(
    readers,
    writers,
    AgentState.layer,
    KeptConfig.layer,
    ServerProbe.layer({ url: options.server, caCertificate: options.caCertificate }),
    ServiceNotify.layer,
    session,
    SealedFamilyKeys.layer.pipe(Layer.provide(session)),
    TpmIdentityStore.readerLayer,
    TpmIdentityStore.writerLayer,
    Layer.succeed(IdentityPolicy, { restore: !options.skipRestore })
  ).pipe(
    Layer.provide(KeyStore.layer),
    Layer.provide(Layer.succeed(Sealing, { allowUnmeasured: options.allowUnmeasured })),
    Layer.provide(tpmLayer(options.tpm)),
    Layer.provideMerge(CurrentImagePolicy.layer),
    // A report asks tor for its version.
    Layer.provideMerge(host),
    Layer.provide(NodeServices.layer)
  )
}
