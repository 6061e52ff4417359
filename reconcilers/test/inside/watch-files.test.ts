import { assert, describe, it } from "@effect/vitest"
import type { WatchSignal } from "@patela/domain/reconciler/Kind"
import { Effect, Layer, Option, Stream } from "effect"
import * as fs from "node:fs"
import { AccountReader } from "../../src/accounts/AccountReader.ts"
import { Accounts } from "../../src/accounts/Accounts.ts"
import { Directories } from "../../src/directories/Directories.ts"
import { DirectoryReader } from "../../src/directories/DirectoryReader.ts"
import { FileMonitor } from "../../src/host/FileMonitor.ts"
import { FamilyKeyReader } from "../../src/identity/FamilyKeyReader.ts"
import { Identities } from "../../src/identity/Identities.ts"
import { IdentityStoreReader } from "../../src/identity/IdentityStore.ts"
import { KeyFileReader } from "../../src/identity/KeyFileReader.ts"
import { SavedIdentities } from "../../src/identity/SavedIdentities.ts"
import { LedgerReader } from "../../src/ledger/LedgerReader.ts"
import { Resolver } from "../../src/resolver/Resolver.ts"
import { ResolverReader } from "../../src/resolver/ResolverReader.ts"
import { TorrcReader } from "../../src/torrc/TorrcReader.ts"
import { Torrcs } from "../../src/torrc/Torrcs.ts"
import { nodeInput, relayAt } from "../NodeInput.ts"
import { SOON, until } from "../until.ts"
import { clear, converge, failures, onHost, run } from "./RelayHost.ts"

const readers = Layer.mergeAll(
  AccountReader.layer,
  DirectoryReader.layer,
  FileMonitor.layer,
  FamilyKeyReader.layer,
  KeyFileReader.layer,
  LedgerReader.layer,
  ResolverReader.layer,
  TorrcReader.layer,
  Layer.succeed(IdentityStoreReader, {
    isToMove: Effect.succeed(false),
    digest: Effect.succeed(Option.none()),
    read: Effect.succeed(new Map())
  })
)

const INPUT = nodeInput([relayAt(0, "toma"), relayAt(1, "brie")], ["192.0.2.53"])

const listening = Effect.fnUntraced(function*<E>(watch: Stream.Stream<WatchSignal, E, Layer.Success<typeof readers>>) {
  const heard: Array<WatchSignal> = []
  yield* watch.pipe(
    Stream.runForEach((signal) => Effect.sync(() => heard.push(signal))),
    Effect.provide(readers),
    Effect.forkScoped
  )
  yield* until(() => heard.length > 0, SOON)
  assert.deepStrictEqual(heard, ["look again"])
  heard.length = 0
  return heard
})

describe("watching the files of a node", () => {
  const KEYS = "/var/lib/tor-instances/toma/keys"
  const CHANGES = [
    ["an account gets another shell", Accounts.watch, () => run("usermod", "--shell", "/bin/sh", "_tor-toma")],
    ["an account goes", Accounts.watch, () => run("userdel", "_tor-brie")],
    ["somebody else's account comes", Accounts.watch, () => run("useradd", "--no-create-home", "visitor")],
    [
      "a state directory gets other rights",
      Directories.watch,
      () => run("chmod", "755", "/var/lib/tor-instances/toma")
    ],
    [
      "a state directory gets another owner",
      Directories.watch,
      () => run("chown", "root", "/var/lib/tor-instances/brie")
    ],
    ["the keys get other rights", Directories.watch, () => run("chmod", "755", KEYS)],
    ["a configuration directory goes", Directories.watch, () => run("rm", "-r", "/etc/tor/instances/brie")],
    ["a torrc is edited", Torrcs.watch, () => run("sed", "-i", "$a # more", "/etc/tor/instances/toma/torrc")],
    ["a torrc goes", Torrcs.watch, () => run("rm", "/etc/tor/instances/toma/torrc")],
    ["the resolver's file is edited", Resolver.watch, () => run("sed", "-i", "$a # more", "/etc/patela/resolv.conf")],
    ["a key file comes", Identities.watch, () => run("touch", `${KEYS}/secret_id_key`)],
    ["a key file comes, for the store", SavedIdentities.watch, () => run("touch", `${KEYS}/secret_id_key`)],
    [
      "an instance comes whole",
      Identities.watch,
      () => run("cp", "-a", "/var/lib/tor-instances/toma", "/var/lib/tor-instances/copy")
    ]
  ] as const

  it.live.each(CHANGES)("%s", ([, watch, change]) =>
    onHost(
      Effect.gen(function*() {
        assert.deepStrictEqual(failures(yield* converge(INPUT)), {})
        const heard = yield* listening<unknown>(watch)
        change()
        assert.isTrue(yield* until(() => heard.length > 0, SOON))
      }).pipe(
        Effect.scoped,
        Effect.ensuring(Effect.sync(() => {
          clear("/var/lib/tor-instances/copy")
          if (fs.readFileSync("/etc/passwd", "utf8").includes("visitor")) run("userdel", "visitor")
        }))
      )
    ))

  it.live("hears nothing of a tor that runs", () =>
    onHost(
      Effect.gen(function*() {
        assert.deepStrictEqual(failures(yield* converge(INPUT)), {})
        run(
          "systemd-run",
          "--unit=watched-tor",
          "--uid=_tor-toma",
          "tor",
          "-f",
          "/nonexistent",
          "--ignore-missing-torrc",
          "--DataDirectory",
          "/var/lib/tor-instances/toma",
          "--SocksPort",
          "0",
          "--ORPort",
          "127.0.0.1:9001"
        )
        assert.isTrue(yield* until(() => fs.existsSync(`${KEYS}/secret_onion_key_ntor`), 60_000))
        yield* Effect.sleep(500)
        const watches = [Accounts.watch, Directories.watch, Identities.watch, Resolver.watch, Torrcs.watch]
        const all = yield* Effect.forEach(watches, (watch) => listening<unknown>(watch))
        run("systemctl", "kill", "--signal=HUP", "watched-tor")
        yield* Effect.sleep(5000)
        assert.deepStrictEqual(all, watches.map(() => []))
        assert.strictEqual(run("systemctl", "is-active", "watched-tor").trim(), "active")
      }).pipe(
        Effect.scoped,
        Effect.ensuring(Effect.ignore(Effect.try(() => run("systemctl", "kill", "--signal=KILL", "watched-tor"))))
      )
    ))
})
