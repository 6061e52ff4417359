import { assert, describe, it } from "@effect/vitest"
import type { Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { Effect } from "effect"
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { afterEach } from "vitest"
import { Accounts } from "../../src/accounts/Accounts.ts"
import { Directories } from "../../src/directories/Directories.ts"
import { Resolver } from "../../src/resolver/Resolver.ts"
import { Torrcs } from "../../src/torrc/Torrcs.ts"
import { type Broken, kindLaws, type World } from "../KindLaws.ts"
import { nodeInput, relayAt } from "../NodeInput.ts"
import { lookOf, mortalHost, othersIn, type Services } from "./MortalHost.ts"
import { addForeign, run } from "./RelayHost.ts"

const NAMES = ["toma", "robiola", "gouda", "alien"].map((name) => RelayName.make(name))
/** Two relays are wanted; gouda was, and alien is somebody else's. */
const INPUT = nodeInput([relayAt(0, "toma"), relayAt(1, "robiola", "BandwidthRate 5 MB\n")], ["192.0.2.53"])
const SECRET = "16:C0FFEEC0FFEE"
const NONE: ReadonlySet<string> = new Set()

const configOf = (name: string) => `/etc/tor/instances/${name}`
const stateOf = (name: string) => `/var/lib/tor-instances/${name}`
const torrcOf = (name: string) => `${configOf(name)}/torrc`

/** Everything that a test here mounts, so that something cannot be removed or replaced. */
const mounts: Array<string> = []
const mount = (path: string, ...options: ReadonlyArray<string>) => {
  run("mount", ...options, path)
  mounts.push(path)
}

const clearFiles = (): void => {
  for (const path of mounts.splice(0)) run("umount", path)
  for (const path of [...NAMES.flatMap((name) => [configOf(name), stateOf(name)]), "/run/patela", "/etc/patela"]) {
    rmSync(path, { recursive: true, force: true })
  }
}

const isThere = (table: "passwd" | "group", name: string): boolean =>
  readFileSync(`/etc/${table}`, "utf8").split("\n").some((line) => line.startsWith(`${name}:`))

const clearAccounts = (): void => {
  for (const name of ["visitor", ...NAMES.map((relay) => `_tor-${relay}`)]) {
    if (isThere("passwd", name)) run("userdel", name)
    if (isThere("group", name)) run("groupdel", name)
  }
}

const owned = (ledger: { readonly accounts?: ReadonlyArray<string>; readonly instances?: ReadonlyArray<string> }) => {
  mkdirSync("/run/patela", { mode: 0o700 })
  const content = { version: 1, accounts: [], instances: [], ...ledger }
  writeFileSync("/run/patela/owned.json", `${JSON.stringify(content)}\n`, { mode: 0o600 })
}

const makeDirectories = (name: string, id: number) => {
  mkdirSync(configOf(name), { recursive: true, mode: 0o755 })
  for (const path of [stateOf(name), `${stateOf(name)}/keys`]) {
    run("install", "-d", "-m", "02700", "-o", String(id), "-g", String(id), path)
  }
}

/** A node that `prepare` made from no files, with what there is of accounts and of alien's files as foreign. */
const worldOf = (prepare: (broken: Broken) => void) => (broken: Broken): World<Services> => {
  clearFiles()
  prepare(broken)
  const relays = NAMES.filter((name) => name !== "alien")
  return {
    ...mortalHost(broken),
    foreign: () => [
      othersIn("/etc/passwd", relays),
      othersIn("/etc/group", relays),
      [configOf("alien"), torrcOf("alien"), stateOf("alien"), "/etc/resolv.conf"].map(lookOf)
    ],
    secrets: [SECRET]
  }
}

const isBroken = (broken: Broken, name: string): boolean => [...broken].some((relay) => relay === name)

describe("the laws of the kinds that keep files and accounts, on a host", () => {
  afterEach(() => {
    clearFiles()
    clearAccounts()
  })

  it.live("accounts", () =>
    Effect.gen(function*() {
      const kind: Kind<Services, Services> = Accounts
      const world = worldOf((broken) => {
        clearAccounts()
        addForeign("_tor-alien", 50_100)
        addForeign("_tor-robiola", 50_001)
        addForeign("_tor-gouda", 50_002)
        run("usermod", "--shell", "/bin/sh", "_tor-robiola")
        owned({ accounts: ["robiola", "gouda"] })
        if (isBroken(broken, "toma")) addForeign("visitor", 50_000)
      })
      assert.deepStrictEqual(yield* kindLaws(kind, INPUT, world), NONE)
    }))

  it.live("directories", () =>
    Effect.gen(function*() {
      const kind: Kind<Services, Services> = Directories
      const world = worldOf((broken) => {
        makeDirectories("robiola", 50_001)
        chmodSync(`${stateOf("robiola")}/keys`, 0o755)
        makeDirectories("gouda", 50_002)
        makeDirectories("alien", 50_100)
        owned({ instances: ["robiola", "gouda"] })
        if (isBroken(broken, "toma")) writeFileSync(stateOf("toma"), "in the way")
        if (isBroken(broken, "robiola")) {
          rmSync(`${stateOf("robiola")}/keys`, { recursive: true })
          symlinkSync("/srv", `${stateOf("robiola")}/keys`)
        }
        if (isBroken(broken, "gouda")) mount(`${stateOf("gouda")}/keys`, "-t", "tmpfs", "tmpfs")
      })
      assert.deepStrictEqual(yield* kindLaws(kind, INPUT, world), NONE)
    }))

  it.live("torrc", () =>
    Effect.gen(function*() {
      const kind: Kind<Services, Services> = Torrcs
      const world = worldOf((broken) => {
        for (const [index, name] of ["toma", "robiola", "gouda", "alien"].entries()) {
          if (!isThere("passwd", `_tor-${name}`)) addForeign(`_tor-${name}`, 50_000 + index)
          makeDirectories(name, 50_000 + index)
        }
        writeFileSync(torrcOf("robiola"), `${OWNED_HEADER}\nHashedControlPassword ${SECRET}\n# ${SECRET}\n`)
        writeFileSync(torrcOf("gouda"), `${OWNED_HEADER}\nNickname gouda\n`)
        writeFileSync(torrcOf("alien"), `HashedControlPassword ${SECRET}\n`)
        owned({ instances: ["toma", "robiola", "gouda"] })
        if (isBroken(broken, "toma")) mkdirSync(torrcOf("toma"))
        for (const name of ["robiola", "gouda"]) {
          if (isBroken(broken, name)) mount(torrcOf(name), "--bind", torrcOf(name))
        }
      })
      assert.deepStrictEqual(yield* kindLaws(kind, INPUT, world), NONE)
    }))

  it.live("resolver", () =>
    Effect.gen(function*() {
      const kind: Kind<Services, Services> = Resolver
      const file = (content: string) => () => {
        mkdirSync("/etc/patela")
        writeFileSync("/etc/patela/resolv.conf", content, { mode: 0o600 })
      }
      for (const input of [INPUT, nodeInput([])]) {
        for (const prepare of [() => {}, file(`${OWNED_HEADER}\nnameserver 192.0.2.1\n`)]) {
          assert.deepStrictEqual(yield* kindLaws(kind, input, worldOf(prepare)), NONE)
        }
      }
    }))
})
